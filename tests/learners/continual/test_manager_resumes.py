"""A manager that is kept and resumed goes on as one that never stopped."""

import gc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.learners.continual.streams import same, same_state
from tests.learners.continual.test_manager import CLASSES, blobs, flipped, net, turned, turning
from torch import nn

from onward.core import Damaged, InvalidInput, Unavailable
from onward.learners.continual import (
    EWC,
    ContinualLearningManager,
    Experience,
    KroneckerLaplace,
    Method,
    PackNet,
    SynapticIntelligence,
    outcomes,
)
from onward.learners.continual._held import HeldOut
from onward.learners.continual._manager import RECORD
from onward.learners.continual.memory import Buffer

TASKS = [blobs([0, 1]), blobs([2, 3]), blobs([4, 5])]
Makes = Callable[[ContinualLearningManager], list[Method]]
METHODS: dict[str, Makes] = {
    "replay": lambda manager: [manager.memory_replay()],
    "importance": lambda _: [EWC(1.0, online=True), SynapticIntelligence(1.0), KroneckerLaplace(1.0)],
    "distillation": lambda manager: [manager.knowledge_distillation_continual()],
    "columns": lambda manager: [manager.progressive_neural_networks()],
    "weights": lambda _: [PackNet()],
}


def deep() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(CLASSES, 16), nn.Tanh(), nn.Dropout(0.1), nn.Linear(16, CLASSES))


def managed(methods: Makes = METHODS["replay"], model: Callable[[], nn.Module] = deep, **settings: float):
    manager = ContinualLearningManager(**{"margin": 0.2, "batch_size": 16, **settings})
    manager.setup_agent_continual_learning("support", model(), methods(manager), scenario="task", rate=0.01)
    manager.setup_agent_continual_learning("sales", net())
    return manager


def alike(one: ContinualLearningManager, other: ContinualLearningManager) -> None:
    """Assert that both know, hold and count the same, bit for bit."""
    assert one.agents == other.agents
    for name in one.agents:
        mine, theirs = one._agents[name], other._agents[name]
        same(mine.learner, theirs.learner)
        assert mine.learner.describe() == theirs.learner.describe()
        assert mine.names == theirs.names
        same_state(_told(mine.held), _told(theirs.held))


def _told(held: dict[str, HeldOut]) -> dict[str, dict[str, object]]:
    return {name: one.told() for name, one in held.items()}


@pytest.mark.parametrize("name", METHODS)
def test_it_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    through, torn = managed(METHODS[name]), managed(METHODS[name])
    assert torn.resume(tmp_path) == {"support": 0, "sales": 0}
    for at, task in enumerate(TASKS):
        results = [manager.learn_new_task("support", task, epochs=2) for manager in (through, torn)]
        same_state(*(result.to_dict() for result in results))
        torn.save(tmp_path)
        torn = managed(METHODS[name])
        assert torn.resume(str(tmp_path)) == {"support": at + 1, "sales": 0}
        alike(through, torn)
    assert len(torn._agents["support"].held) > 1


def test_what_replays_more_than_it_was_set_up_with_and_what_was_refused_are_kept(tmp_path: Path) -> None:
    """As in `test_it_is_tried_again_with_more_replay`: it takes four times the replay, so that it is in service."""

    def made() -> ContinualLearningManager:
        manager = ContinualLearningManager(batch_size=16)
        replay = manager.memory_replay(replay_ratio=1 / 3, policy="herding")
        manager.setup_agent_continual_learning("support", net(), [replay], rate=0.01)
        manager.setup_agent_continual_learning("sales", net(), [EWC(0.0)], rate=0.01)
        return manager

    through = made()
    for agent in through.agents:
        through.learn_new_task(agent, TASKS[0], epochs=4)
    assert through.learn_new_task("support", flipped(TASKS[0]), epochs=8).accepted
    assert not through.learn_new_task("sales", flipped(TASKS[0]), epochs=8).accepted
    through.save(tmp_path)
    torn = made()
    assert torn.resume(tmp_path) == {"support": 2, "sales": 2}
    assert torn.learner("support").methods[0].batch_size == 32  # type: ignore[attr-defined]
    assert torn._agents["support"].methods[0].batch_size == 8  # type: ignore[attr-defined]
    alike(through, torn)
    for agent in through.agents:
        results = [manager.learn_new_task(agent, TASKS[1], epochs=2) for manager in (through, torn)]
        same_state(*(result.to_dict() for result in results))
    assert results[0].task == "task 2"
    alike(through, torn)


def test_what_was_best_is_kept_where_it_is_no_longer_what_is_known(tmp_path: Path) -> None:
    through = turning()
    held = through._agents["support"].held["task 0"]
    assert not torch.equal(held.best, outcomes(through.learner("support"), held.asked))
    through.save(tmp_path)
    torn = turning()
    torn.resume(tmp_path)
    alike(through, torn)
    results = [manager.learn_new_task("support", turned(14, 2), epochs=5) for manager in (through, torn)]
    same_state(*(result.to_dict() for result in results))
    assert "task 0 has lost" in results[1].why
    assert not results[1].accepted


def test_experiences_keep_their_names_keys_and_kinds(tmp_path: Path) -> None:
    def made() -> ContinualLearningManager:
        manager = ContinualLearningManager(margin=10.0, batch_size=16)
        manager.setup_agent_continual_learning("price", nn.Linear(2, 1).double(), loss="mse", rate=0.05)
        return manager

    one, x = made(), torch.randn(60, 2).double()
    for name in ("bread", "bread", ""):
        keys = tuple(f"user {at % 7}" for at in range(60))
        one.learn_new_task("price", Experience(x, x.sum(1, keepdim=True), 3, name, keys))
    one.save(tmp_path)
    other = made()
    other.resume(tmp_path)
    alike(one, other)
    assert list(other._agents["price"].held) == ["bread", "bread (2)", "task 3"]


def test_rows_that_lie_in_files_are_found_again(tmp_path: Path) -> None:
    torch.optim.Adam([torch.zeros(1)])  # the first one ever holds on to who made it

    def made() -> ContinualLearningManager:
        rows = Buffer(60, folder=tmp_path / "rows")
        return managed(lambda manager: [manager.memory_replay(memory=rows)])

    through, torn = managed(lambda manager: [manager.memory_replay(memory=Buffer(60))]), made()
    for task in TASKS:
        for manager in (through, torn):
            manager.learn_new_task("support", task, epochs=2)
        torn.save(tmp_path)
        del manager, torn
        gc.collect()
        torn = made()
        torn.resume(tmp_path)
    trained = [manager.learner("support").network.state_dict() for manager in (through, torn)]
    same_state(*map(dict, trained))


def test_an_agent_that_is_new_stays_as_it_is_and_one_that_is_gone_is_missed(tmp_path: Path) -> None:
    one = managed()
    one.learn_new_task("support", TASKS[0])
    one.save(tmp_path)
    more = managed()
    learner = more.setup_agent_continual_learning("returns", net())
    assert more.resume(tmp_path) == {"support": 1, "sales": 0, "returns": 0}
    assert more.learner("returns") is learner
    fewer = ContinualLearningManager(margin=0.2, batch_size=16)
    with pytest.raises(InvalidInput, match=r"not set up here: sales, support\. Set them up"):
        fewer.resume(tmp_path)


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: managed(margin=0.1), "margin differs"),
        (lambda: managed(held_out=0.3), "held_out differs"),
        (lambda: managed(seed=1), "seed differs"),
        (lambda: managed(METHODS["importance"]), "methods differs"),
        (lambda: managed(lambda manager: [manager.memory_replay(0.5)]), "methods differs"),
        (lambda: managed(model=net), "network differs"),
        (lambda: managed(model=lambda: nn.Sequential(*deep()[:3], nn.Linear(16, 9))), "no state of such a learner"),
    ],
)
def test_one_that_was_set_up_otherwise_is_refused_and_nothing_changes(
    other: Callable[[], ContinualLearningManager], said: str, tmp_path: Path
) -> None:
    one = managed()
    one.learn_new_task("sales", TASKS[0])
    one.save(tmp_path)
    wrong = other()
    learners = [wrong.learner(name) for name in wrong.agents]
    with pytest.raises(InvalidInput, match=said):
        wrong.resume(tmp_path)
    assert [wrong.learner(name) for name in wrong.agents] == learners
    alike(wrong, other())


def test_settings_may_be_numbers_of_numpy(tmp_path: Path) -> None:
    managed(margin=np.float64(0.2), seed=np.int64(3)).save(tmp_path)
    assert managed(seed=3).resume(tmp_path) == {"support": 0, "sales": 0}


def test_damage_is_found_and_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    one = managed()
    one.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    record = tmp_path / f"{RECORD}.json"
    whole = record.read_text()
    record.write_text(whole.replace('"names":[]', '"names":["a"]', 1))
    with pytest.raises(Damaged):
        one.resume(tmp_path)
    record.write_text(whole)
    assert one.resume(tmp_path)["support"] == 0
    with pytest.raises(Unavailable):
        one.save(record)


def test_agents_are_called_by_texts() -> None:
    with pytest.raises(InvalidInput, match=r"The agent is called 3\. Give its name as a text"):
        ContinualLearningManager().setup_agent_continual_learning(3, net())  # type: ignore[arg-type]
