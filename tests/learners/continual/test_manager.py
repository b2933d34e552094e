"""The documented calls: set up an agent, learn new tasks, keep the old ones."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from onward.core import InvalidInput, NotFound
from onward.learners.continual import (
    CLSER,
    EWC,
    ContinualLearner,
    Experience,
    ExperienceReplay,
    FineTuning,
    outcomes,
    recommended,
)
from onward.learners.continual._manager import ContinualLearningManager
from onward.learners.continual._trial import ladder
from onward.learners.continual.methods._columns import ProgressiveNetwork
from onward.learners.continual.methods._lwf import LearningWithoutForgetting
from onward.learners.continual.methods._progressive import Progressive

CLASSES = 6


def blobs(classes, each=160, seed=0):
    """Clouds far from each other, one a class."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.tensor(classes).repeat_interleave(each)
    return 8 * torch.eye(CLASSES)[y] + torch.randn(len(y), CLASSES, generator=generator), y


def net(outputs=CLASSES):
    torch.manual_seed(0)
    return nn.Linear(CLASSES, outputs)


def right(learner, data):
    return float((learner.predict(data[0]) == data[1]).double().mean())


def agent(methods=None, *, settings=None, **options):
    manager = ContinualLearningManager(**{"batch_size": 16, **(settings or {})})
    chosen = None if methods is None else [make(manager) for make in methods]
    manager.setup_agent_continual_learning("support", net(), chosen, rate=0.01, **options)
    return manager


def state_of(manager, name="support"):
    return {key: value.clone() for key, value in manager.learner(name).network.state_dict().items()}


def test_an_agent_learns_task_after_task_and_forgets_none():
    model = net()
    before = model.weight.clone()
    manager = ContinualLearningManager(batch_size=16)
    learner = manager.setup_agent_continual_learning("support", model, rate=0.01)
    assert isinstance(learner, ContinualLearner)
    assert learner is manager.learner("support")
    tasks = [blobs([0, 1]), blobs([2, 3]), blobs([4, 5])]
    for number, task in enumerate(tasks):
        result = manager.learn_new_task("support", task, epochs=4)
        assert result.accepted
        assert result.task == f"task {number}"
        assert len(result.attempts[-1].forgetting.findings if number else ()) == number
        assert result.attempts[-1].learned["accuracy"] > 0.95
    assert all(right(manager.learner("support"), task) > 0.95 for task in tasks)
    assert torch.equal(model.weight, before)
    told = json.loads(json.dumps(result.to_dict()))
    assert told["attempts"][-1]["forgetting"]["kept"] is True
    assert told["agent_type"] == "support"


def flipped(data):
    """The same examples with the labels of two classes exchanged: who learns it forgets."""
    return data[0], 1 - data[1]


def test_what_would_forget_is_refused_and_the_agent_is_as_it_was():
    manager = agent([lambda manager: manager.elastic_weight_consolidation(0.0)])
    one = blobs([0, 1])
    assert manager.learn_new_task("support", one, epochs=4).accepted
    before, learner = state_of(manager), manager.learner("support")
    result = manager.learn_new_task("support", flipped(one), preserve_performance=True, epochs=8)
    assert not result.accepted
    assert result.attempts[0].forgetting.forgotten == ("task 0",)
    assert len(result.attempts) == 1
    assert "task 0 lost" in result.why
    assert manager.learner("support") is learner
    assert all(torch.equal(before[name], value) for name, value in state_of(manager).items())
    assert right(manager.learner("support"), one) > 0.95
    again = manager.learn_new_task("support", flipped(one), preserve_performance=False, epochs=8)
    assert again.accepted
    assert (result.task, again.task) == ("task 1", "task 2")
    assert again.attempts[0].forgetting.forgotten == ("task 0",)
    assert right(manager.learner("support"), flipped(one)) > 0.95


def turned(degrees, seed, count=4000):
    """Two classes, parted by a line that is turned."""
    x = torch.randn(count, 2, generator=torch.Generator().manual_seed(seed))
    angle = math.radians(degrees)
    return x, (x[:, 0] * math.cos(angle) + x[:, 1] * math.sin(angle) > 0).long()


def turning():
    """An agent that learned two tasks of six degrees each: 5 points of the first one are gone."""
    manager = ContinualLearningManager(margin=0.08, batch_size=256)
    torch.manual_seed(0)
    manager.setup_agent_continual_learning("support", nn.Linear(2, 2), [FineTuning()], scenario="domain", rate=0.05)
    for at in range(2):
        assert manager.learn_new_task("support", turned(6 * at, at), epochs=5).accepted
    return manager


def bests(manager):
    return {name: float(one.best.mean()) for name, one in manager._agents["support"].held.items()}


def test_small_losses_do_not_add_up():
    """Each task costs the first one 4 or 5 points, which is borne; 9 since it was best are not."""
    manager, first = turning(), turned(0, 99)
    best = bests(manager)
    learner, known = manager.learner("support"), right(manager.learner("support"), first)
    now = outcomes(learner, manager._agents["support"].held["task 0"].asked)
    assert best["task 0"] > float(now.mean()), "not that of the second learner, which is worse at it"
    for at in range(2, 5):
        result = manager.learn_new_task("support", turned(14 if at < 4 else 18, at), epochs=5)
        assert not result.accepted
        assert "task 0 has lost 0.0" in result.why or at == 4
        assert "since it was best, 0.08 is borne" in result.why
    findings = manager.learn_new_task("support", turned(14, 2), epochs=5).attempts[0].forgetting.findings
    assert [(one.task, one.since) for one in findings] == [
        ("task 0", "before"),
        ("task 1", "before"),
        ("task 0", "best"),
    ]
    assert [one.loss <= 0.08 for one in findings] == [True, True, False]
    assert manager.learner("support") is learner
    assert right(learner, first) == known
    assert bests(manager) == best


def test_what_is_borne_after_the_best_is_said():
    manager = turning()
    result = manager.learn_new_task("support", turned(7, 2), epochs=5)
    assert result.accepted
    assert "No older task suffers: task 0 has lost 0.0" in result.why
    assert "since it was best, 0.08 is borne" in result.why


def test_who_becomes_better_is_held_to_that():
    manager = turning()
    before = bests(manager)
    assert manager.learn_new_task("support", turned(0, 2), epochs=5).accepted
    assert bests(manager)["task 0"] >= before["task 0"]
    now = outcomes(manager.learner("support"), manager._agents["support"].held["task 1"].asked)
    assert bests(manager)["task 1"] == before["task 1"] > float(now.mean())


def test_a_loss_that_was_accepted_is_what_counts_from_then_on():
    manager = turning()
    before = bests(manager)
    taken = manager.learn_new_task("support", turned(14, 2), preserve_performance=False, epochs=5)
    assert taken.accepted
    assert "task 0 has lost 0.0" in taken.why
    held = manager._agents["support"].held
    now = {name: float(outcomes(manager.learner("support"), one.asked).mean()) for name, one in held.items()}
    assert bests(manager)["task 0"] == now["task 0"] < before["task 0"]
    assert bests(manager)["task 1"] == before["task 1"] > now["task 1"], "what it lost is borne, and not given up"
    assert manager.learn_new_task("support", turned(14, 3), epochs=5).accepted, "it can be taught"


def test_the_best_of_what_a_user_said_is_dropped_with_it():
    manager = turning()
    x, y = turned(6, 1, 600)
    keys = [f"user {at % 6}" for at in range(600)]
    assert manager.learn_new_task("support", Experience(x, y, 2, "keyed", keys), epochs=5).accepted
    one = manager._agents["support"].held["keyed"]
    manager.forget(["user 0"])
    left = manager._agents["support"].held["keyed"]
    rows = [at for at, key in enumerate(one.asked.keys) if key != "user 0"]
    assert len(rows) < len(one.asked)
    assert torch.equal(left.best, one.best[rows])
    assert torch.equal(left.best, outcomes(manager.learner("support"), left.asked))
    assert manager.learn_new_task("support", turned(6, 4), epochs=5).accepted


def test_several_labels_are_held_to_the_loss_that_they_are_learned_by():
    """Surer scores are better by it, and further from 0 and 1."""
    x = torch.randn(2000, 4, generator=torch.Generator().manual_seed(0))
    y = (x[:, :3] > 0).float()
    manager = ContinualLearningManager(batch_size=64)
    torch.manual_seed(0)
    settings = {"scenario": "domain", "loss": nn.BCEWithLogitsLoss(), "rate": 0.02}
    manager.setup_agent_continual_learning("tags", nn.Linear(4, 3), [ExperienceReplay(500)], **settings)
    for _ in range(2):
        result = manager.learn_new_task("tags", (x, y), epochs=5)
        assert result.accepted, result.why
    finding = result.attempts[0].forgetting.findings[0]
    assert finding.loss < 0
    assert 0 < -finding.after < -finding.before < 0.3
    refused = manager.learn_new_task("tags", (x, 1 - y), epochs=5)
    assert refused.attempts[-1].forgetting.forgotten == ("task 0", "task 1")


@pytest.mark.parametrize(
    ("loss", "why"),
    [
        (lambda scores, y: (scores * y).sum() / scores.std(0).sum(), "alone is no finite number"),
        (lambda scores, y: ((scores - y) ** 2).mean(1), "does not work on an example alone"),
        (nn.BCEWithLogitsLoss(), "takes no examples of shape"),
    ],
)
def test_what_could_not_be_judged_is_refused_before_it_is_learned(loss, why):
    manager = ContinualLearningManager(batch_size=64)
    learner = manager.setup_agent_continual_learning("tags", nn.Linear(4, 3), scenario="domain", loss=loss)
    x = torch.randn(200, 5 if "takes" in why else 4)
    told = []
    with pytest.raises(InvalidInput, match=why):
        manager.learn_new_task("tags", (x, (x[:, :3] > 0).float()), progress=lambda *at: told.append(at))
    assert not told
    assert manager.learner("tags") is learner
    assert manager._agents["tags"].given == 0


def test_tasks_of_one_name_each_however_many_are_refused():
    manager = agent([lambda manager: manager.elastic_weight_consolidation(0.0)])
    one = blobs([0, 1])
    tasks = [one, flipped(one), flipped(one), Experience(*flipped(one), 4), flipped(one), flipped(one)]
    results = [manager.learn_new_task("support", task, epochs=4) for task in tasks]
    assert [result.accepted for result in results] == [True] + [False] * 5
    assert [result.task for result in results] == ["task 0", "task 1", "task 2", "task 4", "task 5", "task 6"]
    last = manager.learn_new_task("support", blobs([2, 3]), preserve_performance=False)
    assert last.task == "task 7"
    assert list(manager.learner("support").heads.classes) == [0, 7]


def test_it_is_tried_again_with_more_replay():
    """New examples outvote the old ones at first; with four times the replay the old ones outvote them."""
    manager = agent([lambda manager: manager.memory_replay(replay_ratio=1 / 3, policy="herding")])
    one = blobs([0, 1])
    manager.learn_new_task("support", one, epochs=4)
    result = manager.learn_new_task("support", flipped(one), epochs=8)
    sizes = [text.partition("batch_size=")[2].partition(",")[0] for tried in result.attempts for text in tried.methods]
    assert sizes == ["8", "16", "32"]
    assert result.attempts[0].forgetting.forgotten == ("task 0",)
    assert not result.attempts[0].passed
    assert result.accepted
    assert right(manager.learner("support"), one) > 0.95
    assert manager._agents["support"].methods[0].batch_size == 8


@pytest.mark.parametrize("method", [ExperienceReplay(16, batch_size=32), recommended(16, batch_size=32), CLSER(16, 32)])
def test_every_method_that_replays_can_replay_more(method):
    assert [one.batch_size for (one,) in ladder([method], 128)] == [32, 64, 128]


def test_arrays_are_of_the_type_of_the_network():
    x, y = blobs((0, 1))
    manager = agent(settings={})
    manager.setup_agent_continual_learning("double", net().double())
    assert manager.learn_new_task("double", (np.asarray(x, dtype=np.float64), np.asarray(y)), epochs=1).accepted


def test_the_same_is_held_out_for_good_and_never_learned_from():
    manager = agent(settings={"memory": 10_000})
    x, y = blobs([0, 1])
    x = torch.cat([x[:, :-1], torch.arange(len(x))[:, None] / 100], 1)
    manager.learn_new_task("support", (x, y))
    held = manager._agents["support"].held["task 0"].asked
    kept = manager.learner("support").state_dict()["methods"][0]["buffer"]
    rows = [value for value in _tensors(kept) if value.shape[1:] == (CLASSES,)]
    learned = {round(float(row[-1]) * 100) for value in rows for row in value}
    asked = {round(float(row[-1]) * 100) for row in held.x}
    assert len(asked) == 64
    assert learned
    assert not learned & asked


def _tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _tensors(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _tensors(one)


def test_of_few_examples_no_more_than_the_margin_may_be_lost():
    manager = agent()
    manager.learn_new_task("support", blobs([0, 1], each=20), epochs=15)
    result = manager.learn_new_task("support", blobs([2, 3], each=20), epochs=15)
    finding = result.attempts[-1].forgetting.findings[0]
    assert finding.examples == 8
    assert not finding.kept
    assert result.accepted == (finding.loss <= 0.05)
    assert result.accepted


def test_elastic_weight_consolidation():
    manager = agent(
        [lambda manager: manager.elastic_weight_consolidation(strength=1e4, online=True)], scenario="domain"
    )
    assert manager.elastic_weight_consolidation(5.0) == EWC(5.0)
    x, y = blobs([0, 1])
    assert manager.learn_new_task("support", (x, y), epochs=4).accepted
    result = manager.learn_new_task("support", (-x, y), epochs=1)
    assert len(result.attempts) == 1
    assert result.attempts[0].methods == (
        "EWC(strength=10000.0, online=True, decay=1.0, kind='true', normalise=False, examples=None)",
    )


def test_progressive_neural_networks():
    manager = ContinualLearningManager(batch_size=16)
    method = manager.progressive_neural_networks()
    assert isinstance(method, Progressive)
    model = nn.Sequential(nn.Linear(CLASSES, 16), nn.ReLU(), nn.Linear(16, CLASSES))
    manager.setup_agent_continual_learning("support", model, [method], rate=0.01)
    tasks = [blobs([0, 1]), blobs([2, 3]), blobs([4, 5])]
    for task in tasks:
        result = manager.learn_new_task("support", task, epochs=4)
        assert result.accepted
    learner = manager.learner("support")
    assert isinstance(learner.network, ProgressiveNetwork)
    assert len(learner.network.columns) == 3
    assert all(one.loss == 0 for one in result.attempts[-1].forgetting.findings)
    for number, (x, y) in enumerate(tasks):
        assert float((learner.predict(x, number) == y).double().mean()) > 0.9


def test_memory_replay():
    manager = ContinualLearningManager(batch_size=100, memory=77)
    method = manager.memory_replay(replay_ratio=0.2)
    assert method == ExperienceReplay(77, batch_size=25, weight="examples")
    assert manager.memory_replay(0.5, policy="herding", memory=5).batch_size == 100
    with pytest.raises(InvalidInput, match=r"replay_ratio is 1\.0\. Give a number above 0 and below 1"):
        manager.memory_replay(1.0)
    assert ladder([EWC(1.0), method], 100)[2] == (EWC(1.0), ExperienceReplay(77, batch_size=100, weight="examples"))
    assert ladder([EWC(1.0)], 100) == [(EWC(1.0),)]
    for ratio in (0, 1, -0.5, float("nan")):
        with pytest.raises(InvalidInput):
            manager.memory_replay(replay_ratio=ratio)


def test_knowledge_distillation_continual():
    manager = agent([lambda manager: manager.knowledge_distillation_continual()], scenario="task")
    assert manager.knowledge_distillation_continual() == LearningWithoutForgetting(3.0, 0.7)
    for classes in ([0, 1], [2, 3]):
        assert manager.learn_new_task("support", blobs(classes), epochs=4).accepted
    x, y = blobs([0, 1])
    assert float((manager.learner("support").predict(x, 0) == y).double().mean()) > 0.95


def test_real_targets_and_arrays():
    manager = ContinualLearningManager(margin=0.1, batch_size=16)
    manager.setup_agent_continual_learning("price", nn.Linear(2, 1), loss="mse", rate=0.05)
    random = np.random.default_rng(0)
    x = random.normal(size=(400, 2))
    y = (x @ [1.0, -1.0])[:, None]
    assert manager.learn_new_task("price", (x, y), epochs=20).accepted
    assert manager.learn_new_task("price", (x + 1, ((x + 1) @ [1.0, -1.0])[:, None]), epochs=20).accepted
    refused = manager.learn_new_task("price", (x, y + 5), epochs=20)
    assert not refused.accepted
    assert refused.attempts[-1].forgetting.forgotten == ("task 0", "task 1")


def test_experiences_with_names_and_tasks_that_come_again():
    manager = agent()
    x, y = blobs([0, 1])
    greetings = Experience(x, y, 7, "greetings")
    names = [manager.learn_new_task("support", greetings, epochs=2).task for _ in range(3)]
    assert list(manager._agents["support"].held) == names == ["greetings", "greetings (2)", "greetings (3)"]
    assert manager.learn_new_task("support", Experience(x, y, 7), epochs=1).task == "task 7"


def test_arrays_become_a_task_that_there_is_none_of_yet():
    manager = ContinualLearningManager(batch_size=16)
    manager.setup_agent_continual_learning("support", net(), EWC(1.0), rate=0.01, scenario="task")
    manager.learn_new_task("support", Experience(*blobs([0, 1]), task=1))
    manager.learn_new_task("support", blobs([2, 3]))
    assert manager.learner("support").heads.classes == {1: (0, 1), 2: (2, 3)}


def test_a_training_that_fails_or_is_interrupted_changes_nothing():
    manager = agent()
    manager.learn_new_task("support", blobs([0, 1]), epochs=2)
    before = state_of(manager)

    def stop(done, total, note):
        raise ConnectionError

    with pytest.raises(ConnectionError):
        manager.learn_new_task("support", blobs([2, 3]), epochs=2, progress=stop)
    x, y = blobs([2, 3])
    with pytest.raises(InvalidInput, match="Class 103 has no output"):
        manager.learn_new_task("support", (x, y + 100))
    assert all(torch.equal(before[name], value) for name, value in state_of(manager).items())
    assert list(manager._agents["support"].held) == ["task 0"]
    assert manager._agents["support"].given == 1


def test_agents_are_strangers_to_each_other():
    manager = agent()
    manager.setup_agent_continual_learning("sales", net(), rate=0.01)
    assert manager.agents == ("support", "sales")
    before = state_of(manager, "sales")
    manager.learn_new_task("support", blobs([0, 1]))
    assert all(torch.equal(before[name], value) for name, value in state_of(manager, "sales").items())


def test_the_same_calls_give_the_same():
    results = []
    for _ in range(2):
        manager = agent()
        for classes in ([0, 1], [2, 3]):
            manager.learn_new_task("support", blobs(classes), epochs=2)
        results.append(state_of(manager))
    assert all(torch.equal(results[0][name], value) for name, value in results[1].items())


def test_what_cannot_be():
    manager = agent()
    with pytest.raises(InvalidInput, match="There is an agent 'support' already"):
        manager.setup_agent_continual_learning("support", net())
    with pytest.raises(NotFound, match=r"There is no agent 'sales'.*Known: support"):
        manager.learn_new_task("sales", blobs([0, 1]))
    with pytest.raises(NotFound, match="There is no agent"):
        manager.learn_new_task(["support"], blobs([0, 1]))
    with pytest.raises(InvalidInput, match=r"pair \(x, y\)"):
        manager.learn_new_task("support", 3)
    with pytest.raises(InvalidInput, match="nothing can be held out"):
        manager.learn_new_task("support", (torch.zeros(1, CLASSES), torch.tensor([0])))
    with pytest.raises(InvalidInput, match="hold NaN"):
        manager.learn_new_task("support", (torch.full((4, CLASSES), torch.nan), torch.zeros(4, dtype=torch.int64)))
    with pytest.raises(InvalidInput, match="no template of columns"):
        manager.setup_agent_continual_learning("grows", net(), [manager.progressive_neural_networks()])
    for settings in (
        {"margin": -1},
        {"level": 0},
        {"held_out": 0},
        {"held_out": 1.5},
        {"memory": 0},
        {"batch_size": 0},
    ):
        with pytest.raises(InvalidInput):
            ContinualLearningManager(**settings)
    assert manager.agents == ("support",)
    assert outcomes(manager.learner("support"), Experience(*blobs([0], 3))).shape == (3,)


def test_what_a_user_said_leaves_buffers_and_what_is_held_out():
    manager = ContinualLearningManager(margin=10.0, batch_size=16, memory=1000)
    for agent in ("one", "other"):
        manager.setup_agent_continual_learning(agent, nn.Linear(2, 4))
    x, y = torch.randn(60, 2), torch.arange(60) % 2
    keys = [f"user {at % 6}" for at in range(60)]
    manager.learn_new_task("one", Experience(x, y, 0, "first", keys))
    manager.learn_new_task("one", Experience(x, y + 2, 1, "second", ["user 0"] * 60))
    manager.learn_new_task("other", (x, y))
    assert manager.forget(["user 0", "nobody"]) == 10 + 60
    held = manager._agents["one"].held
    assert list(held) == ["first"], "of the second nothing is left to examine"
    first = held["first"].asked
    assert "user 0" not in first.keys
    rows = [at for at, key in enumerate(keys) if key in first.keys]
    assert all(any(torch.equal(kept, x[at]) for at in rows) for kept in first.x)
    assert manager.forget(["user 0"]) == 0
    assert manager.learn_new_task("one", Experience(x, y, 0, "third", keys)).accepted
    with pytest.raises(InvalidInput, match="no collection of keys"):
        manager.forget("user 1")


def test_the_default_share_of_replay_is_of_the_agents_own_batches():
    manager = ContinualLearningManager()
    learner = manager.setup_agent_continual_learning("small", net(), batch_size=16)
    assert learner.methods == (ExperienceReplay(500, batch_size=4, weight="examples"),)
    with pytest.raises(InvalidInput, match="batch_size is 0"):
        manager.setup_agent_continual_learning("none", net(), batch_size=0)


def test_networks_of_one_output_without_a_row_may_learn_real_targets():
    manager = ContinualLearningManager(margin=1e3, batch_size=16)
    manager.setup_agent_continual_learning("price", nn.Sequential(nn.Linear(2, 1), nn.Flatten(0)), loss="mse")
    x = torch.randn(200, 2)
    for shift in (0, 1):
        assert manager.learn_new_task("price", (x + shift, (x + shift).sum(1))).accepted


def test_labels_that_are_no_numbers_are_told_apart_from_inputs():
    x, y = blobs([0, 1])
    with pytest.raises(InvalidInput, match="y is of dtype <U1"):
        agent().learn_new_task("support", (x, np.array(["a", "b"])[y]))


def test_what_is_left_after_forgetting_is_held_to_the_best_of_what_is_left():
    manager, one = agent([lambda manager: manager.elastic_weight_consolidation(0.0)]), blobs([0, 1])
    keyed = Experience(*one, task=0, name="first", keys=[f"user {at % 2}" for at in range(len(one[0]))])
    assert manager.learn_new_task("support", keyed, epochs=4).accepted
    held = manager._agents["support"].held
    once = torch.tensor([float(key == "user 0") for key in held["first"].asked.keys])
    held["first"] = replace(held["first"], best=once)  # another learner was better, on what is now forgotten
    assert manager.forget(["user 0"]) > 0
    result = manager.learn_new_task("support", Experience(*one, task=1, name="second"), epochs=4)
    assert result.accepted
    assert float(manager._agents["support"].held["first"].best.mean()) > 0.95
    assert [one.since for one in result.attempts[0].forgetting.findings] == ["before"]


def test_where_all_that_was_held_out_is_forgotten_nothing_is_compared():
    manager, one = agent(), blobs([0, 1])
    keyed = Experience(*one, task=0, name="first", keys=["ann"] * len(one[0]))
    whys = {manager.learn_new_task("support", keyed).why}
    assert manager.forget(["ann"]) > 0
    whys.add(manager.learn_new_task("support", Experience(*one, task=1, name="second")).why)
    assert whys == {"There is no older task that could suffer."}
