"""The learner: it learns, forgets when nothing holds it, and goes on bit for bit."""

import signal
import tracemalloc
from dataclasses import replace
from math import isfinite
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.learners.continual.streams import digits, network, same, same_state
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import (
    AGEM,
    EWC,
    GEM,
    SLDA,
    ContinualLearner,
    Course,
    Experience,
    ExperienceReplay,
    FineTuning,
    Heads,
    Hooks,
    Joint,
    KroneckerLaplace,
    Method,
    NoLearning,
    PackNet,
    Progressive,
    ProgressiveNetwork,
    StreamingRidge,
)


def learner(*methods: object, **settings: object) -> ContinualLearner:
    return ContinualLearner(network(dropout=0.2), methods, **{"rate": 3e-3, "batch_size": 32, **settings})


def test_learns_and_forgets_without_a_method() -> None:
    first, second = digits()[:2]
    one = learner(FineTuning())
    report = one.learn(first, epochs=8)
    before = one.evaluate(first)["accuracy"]
    one.learn(second, epochs=8)
    assert (before, report.accuracies[-1]) > (0.95, 0.9)
    assert one.evaluate(second)["accuracy"] > 0.95
    assert one.evaluate(first)["accuracy"] < 0.5
    assert len(report.losses) == 8
    assert one.learned == 2


def test_the_default_does_not_forget() -> None:
    one = ContinualLearner(network(), rate=3e-3, batch_size=32)
    for experience in digits():
        one.learn(experience, epochs=8)
    scores = [one.evaluate(experience)["accuracy"] for experience in digits()]
    assert min(scores) > 0.85
    assert sum(scores) / 5 > 0.93


def test_joint_keeps_all_and_no_learning_none() -> None:
    stream = digits()[:2]
    kept, still = learner(Joint()), learner(NoLearning(after=1))
    for experience in stream:
        kept.learn(experience, epochs=8)
        still.learn(experience, epochs=8)
    assert kept.evaluate(stream[0])["accuracy"] > 0.9
    assert kept.evaluate(stream[1])["accuracy"] > 0.9
    assert still.evaluate(stream[0])["accuracy"] > 0.9
    assert still.evaluate(stream[1])["accuracy"] < 0.1


def test_scenarios_count_other_outputs() -> None:
    x, outputs = torch.zeros(2, 64), torch.arange(10.0).repeat(2, 1)
    for kind, expected in (("task", [3, 3]), ("class", [5, 5]), ("domain", [9, 9])):
        one = learner(scenario=kind)
        one.heads.learn(Experience(x, torch.tensor([1, 3]), task=0))
        one.heads.learn(Experience(x, torch.tensor([4, 5]), task=1))
        assert one.heads.scores(outputs, 0).argmax(1).tolist() == expected
    mixed = learner(scenario="task")
    mixed.heads.learn(Experience(x, torch.tensor([1, 3]), task=0))
    mixed.heads.learn(Experience(x, torch.tensor([4, 5]), task=1))
    assert mixed.heads.scores(outputs, torch.tensor([0, 1])).argmax(1).tolist() == [3, 5]
    with pytest.raises(InvalidInput, match="task of these examples"):
        mixed.heads.scores(outputs)
    with pytest.raises(InvalidInput, match="Task 7"):
        mixed.heads.scores(outputs, 7)


def test_goes_on_bit_for_bit_between_experiences(tmp_path: Path) -> None:
    first, second = digits()[:2]
    whole, halves = learner(), learner()
    whole.learn(first, epochs=2)
    halves.learn(first, epochs=2)
    halves.save(tmp_path)
    other = learner()
    assert other.resume(tmp_path) == 1
    whole.learn(second, epochs=2)
    other.learn(second, epochs=2)
    same(whole, other)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_goes_on_bit_for_bit_within_an_experience(tmp_path: Path, optimizer: str) -> None:
    first = digits()[0]
    whole, cut = learner(optimizer=optimizer), learner(optimizer=optimizer)
    expected = whole.learn(first, epochs=3)

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done >= 12:
            raise Killed

    with pytest.raises(Killed):
        cut.learn(first, epochs=3, checkpoints=tmp_path, checkpoint_every=7, progress=kill)
    other = learner(optimizer=optimizer)
    assert other.resume(tmp_path) == 0
    found = other.learn(first, epochs=3, checkpoints=tmp_path)
    same(whole, other)
    assert (found.losses, found.accuracies, found.steps) == (expected.losses, expected.accuracies, expected.steps)
    again = learner(optimizer=optimizer)
    assert again.resume(tmp_path) == 1
    same(whole, again)


def test_a_checkpoint_of_another_experience_is_refused(tmp_path: Path) -> None:
    first, second = digits()[:2]
    one = learner()

    def kill(done: int, total: int, note: str) -> None:
        raise KeyError

    with pytest.raises(KeyError):
        one.learn(first, epochs=3, checkpoints=tmp_path, checkpoint_every=1, progress=kill)
    other = learner()
    other.resume(tmp_path)
    with pytest.raises(InvalidInput, match="another training"):
        other.learn(second, epochs=3, checkpoints=tmp_path)
    with pytest.raises(InvalidInput, match="rate"):
        learner(rate=0.5).resume(tmp_path)


def test_after_ctrl_c_the_same_call_goes_on() -> None:
    first, second = digits()[:2]
    whole, cut = learner(Joint()), learner(Joint())
    whole.learn(first, epochs=2)

    def press(done: int, total: int, note: str) -> None:
        if done < total:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        cut.learn(first, epochs=2, progress=press)
    assert cut.learn(first, epochs=2).steps == 24
    for one in (whole, cut):
        one.learn(second, epochs=1)
    same(whole, cut)


def test_a_class_without_output_changes_nothing() -> None:
    first = digits()[0]
    one = learner()
    before = one.state_dict()
    with pytest.raises(InvalidInput, match="Class 12"):
        one.learn(Experience(first.x, first.y + 11))
    same_state(one.state_dict(), before)
    one.learn(first, steps=2)


def test_a_state_from_before_the_first_step_has_no_optimiser() -> None:
    first = digits()[0]
    fresh, used = learner(), learner()
    begun = fresh.state_dict()
    used.learn(first, steps=9)
    used.load_state_dict(begun)
    for one in (fresh, used):
        one.learn(first, steps=3)
    same(fresh, used)


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int32])
def test_classes_of_any_whole_type(kind: torch.dtype) -> None:
    x = digits()[0].x
    y = digits()[0].y
    one, other = learner(), learner()
    one.learn(Experience(x, y), steps=3)
    other.learn(Experience(x, y.to(kind)), steps=3)
    same(one, other)


def test_tasks_never_learned_are_refused_among_others() -> None:
    one = learner(scenario="task")
    one.learn(digits()[0], steps=1)
    for unknown in (1, -1):
        with pytest.raises(InvalidInput, match=f"Task {unknown}"):
            one.scores(digits()[0].x[:2], torch.tensor([0, unknown]))
    for wrong, said in (
        (1, "Task 1 was"), (None, "not given"), ("a", "Task 'a'"), ([0, 0], r"Task \[0, 0\]"), (torch.zeros(3).long(), "shape"),
        (torch.zeros(2), "float32"),
    ):  # fmt: skip
        with pytest.raises(InvalidInput, match=said):
            one.predict(digits()[0].x[:2], wrong)
    assert torch.equal(one.predict(digits()[0].x[:2], np.int64(0)), one.predict(digits()[0].x[:2], 0))
    with pytest.raises(InvalidInput, match="Task 0 was never learned"):
        learner(scenario="task").predict(digits()[0].x[:2], 0)


def test_no_folder_is_no_checkpoint(tmp_path: Path) -> None:
    assert learner().resume(tmp_path / "nothing") == 0


def test_steps_and_budget() -> None:
    first = digits()[0]
    assert learner().learn(first, steps=5).steps == 5
    report = learner().learn(first, epochs=10_000, budget=0.0)
    assert (report.stopped, report.steps < 200) == ("budget", True)


def test_batch_norm_is_never_given_one_example() -> None:
    first = digits()[0]
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))
    report = ContinualLearner(net, batch_size=32).learn(Experience(first.x[:65], first.y[:65]), epochs=2)
    assert report.steps == 4


def test_one_example_that_a_batch_norm_cannot_work_on_was_never_met() -> None:
    first, second = digits()[:2]
    net = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))
    alone, single = ContinualLearner(net, [FineTuning()]), Experience(second.x[:1], second.y[:1])
    with pytest.raises(InvalidInput, match="no batch of one example"):
        alone.learn(single)
    assert alone.heads.seen == ()
    replaying = ContinualLearner(net, batch_size=32)
    replaying.learn(first, steps=2)
    replaying.learn(single)  # beside what is replayed it is not alone
    assert replaying.heads.seen == (*first.classes, *single.classes)


def normed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))


@pytest.mark.parametrize("keyed", [True, False])
def test_joint_does_not_keep_what_was_refused(keyed: bool) -> None:
    first, second = digits()[:2]
    single = Experience(first.x[:1], first.y[:1], keys=["user"] if keyed else None)
    one, other = (ContinualLearner(normed(), [Joint()]) for _ in range(2))
    with pytest.raises(InvalidInput, match="no batch of one example"):
        one.learn(single)
    for each in (one, other):
        each.network[1].num_batches_tracked.zero_()  # which the norm counts before it refuses
        each.learn(second)
    same(one, other)


@pytest.mark.parametrize("keyed", [True, False])
def test_joint_goes_back_to_what_it_kept_before(keyed: bool) -> None:
    first, second = digits()[:2]
    keys = [f"user {at}" for at in range(len(first))] if keyed else None
    one, other = learner(Joint()), learner(Joint(), loss=lambda scores, y: scores - float(y.max()))
    one.learn(replace(first, keys=keys), steps=3)
    other.load_state_dict(one.state_dict())
    with pytest.raises(InvalidInput, match="The loss does not work"):
        other.learn(replace(second, keys=["user 0"] * len(second)))
    same(one, other)


def test_what_one_method_refuses_another_does_not_keep() -> None:
    one = learner(Joint(), ExperienceReplay(20, policy="herding"), loss="mse", scenario="domain")
    with pytest.raises(InvalidInput, match="one class for each example"):
        one.learn(Experience(digits()[0].x, torch.zeros(len(digits()[0]), 10)))
    assert one.state_dict()["methods"][0] == {}


def test_errors_that_are_not_about_one_example_stay_what_they_are() -> None:
    class Odd(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if self.training:
                raise ValueError("of my own")
            return super().forward(x)

    with pytest.raises(ValueError, match="of my own"):
        ContinualLearner(Odd(64, 10), [FineTuning()]).learn(digits()[0])


def test_memory_that_runs_out_is_not_taken_for_a_wrong_shape() -> None:
    class Large(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError):
        ContinualLearner(Large(64, 10), [FineTuning()]).predict(digits()[0].x)


def test_draws_nothing_from_the_global_generator() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    one = ContinualLearner(network_without_draws(), rate=0.1)
    one.learn(digits()[0], steps=3)
    assert torch.equal(torch.rand(2), expected)


def network_without_draws() -> nn.Module:
    layer = nn.Linear(64, 10, device="meta").to_empty(device="cpu")
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.zero_()
    return nn.Sequential(nn.Dropout(), layer)


def test_regression() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(200, 3, generator=generator)
    y = x @ torch.tensor([1.0, -2.0, 0.5])
    torch.manual_seed(0)
    one = ContinualLearner(nn.Linear(3, 1), loss="mse", scenario="domain", rate=0.05, batch_size=20)
    report = one.learn(Experience(x, y), epochs=60)
    assert one.evaluate(Experience(x, y)) == {"loss": pytest.approx(0, abs=1e-3)}
    assert report.accuracies == ()


@pytest.mark.parametrize(
    ("experience", "said"),
    [
        (lambda: Experience(torch.zeros(0, 64), torch.zeros(0, dtype=torch.long)), "no examples"),
        (lambda: Experience(torch.full((2, 64), torch.nan), torch.zeros(2, dtype=torch.long)), "no finite"),
        (lambda: Experience(torch.zeros(2, 64), torch.tensor([0, 10])), "Class 10 has no output"),
        (lambda: Experience(torch.zeros(2, 64), torch.tensor([0, -1])), "class -1"),
        (lambda: Experience(torch.zeros(2, 64), torch.zeros(2)), "no classes"),
        (lambda: Experience(torch.zeros(2, 64), torch.zeros(3)), "2 examples, 3 targets"),
        (lambda: Experience(torch.zeros(2, 64), torch.zeros(2), task=-1), "task is -1"),
        (lambda: Experience(torch.zeros(2, 64), torch.zeros(2), task=1.5), "task is 1.5"),  # type: ignore[arg-type]
        (lambda: Experience(torch.zeros(2, 64), torch.zeros(2), keys="ab"), "keys is one text"),
        (lambda: Experience(torch.zeros(2, 64), torch.zeros(2), keys={"a", "b"}), "Give a list with a text for each"),
        (lambda: NoLearning(after=-1), "after is -1"),
        (lambda: Experience(torch.zeros(2, 64), torch.zeros(2), keys=["a"]), "1 keys"),
    ],
)
def test_what_cannot_be_learned_is_refused(experience: object, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        learner().learn(experience())  # type: ignore[operator]


def test_examples_that_the_network_does_not_take_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"no examples of shape \(7,\)"):
        learner().learn(Experience(torch.zeros(2, 7), torch.zeros(2, dtype=torch.long)))
    with pytest.raises(InvalidInput, match="tuple is no experience"):
        learner().learn((torch.zeros(2, 64), torch.zeros(2)))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="budget"):
        learner().learn(digits()[0], budget=-1)


@pytest.mark.parametrize("methods", [FineTuning, "ewc", [FineTuning], FineTuning(), [3]])
def test_what_is_no_method_is_refused(methods: object) -> None:
    if isinstance(methods, FineTuning):  # one alone is one
        assert ContinualLearner(network(), methods).methods == (methods,)  # type: ignore[arg-type]
        return
    with pytest.raises(InvalidInput, match="no method"):
        ContinualLearner(network(), methods)  # type: ignore[arg-type]


def test_scores_want_a_tensor() -> None:
    with pytest.raises(InvalidInput, match="x is a ndarray"):
        learner().scores(digits()[0].x.numpy())


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no torch module"):
        ContinualLearner(None)  # type: ignore[arg-type]


def test_folders_may_be_texts(tmp_path: Path) -> None:
    one, other = learner(), learner()
    one.learn(digits()[0], steps=2, checkpoints=str(tmp_path))
    assert other.resume(str(tmp_path)) == 1
    same(one, other)


@pytest.mark.parametrize(
    "settings",
    [
        {"rate": 0},
        {"rate": float("nan")},
        {"batch_size": 0},
        {"seed": 1.5},
        {"optimizer": "no"},
        {"loss": "no"},
        {"scenario": "no"},
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        learner(**settings)


def test_settings_may_be_numbers_of_numpy(tmp_path: Path) -> None:
    one = learner(rate=np.float64(0.01), batch_size=np.int64(32), seed=np.int64(3))
    one.learn(digits()[0], epochs=np.int64(1))
    one.save(tmp_path)
    other = learner(rate=0.01, batch_size=32, seed=3)
    assert other.resume(tmp_path) == 1
    other.learn(digits()[1])
    one.learn(digits()[1])
    same(one, other)


@pytest.mark.parametrize("call", ["save", "resume", "learn"])
def test_what_is_no_folder_is_refused(call: str) -> None:
    one = learner()
    with pytest.raises(InvalidInput, match="folder is 3"):
        one.learn(digits()[0], checkpoints=3) if call == "learn" else getattr(one, call)(3)
    assert one.learned == 0


def test_a_learning_that_diverges_is_named() -> None:
    with pytest.raises(InvalidInput, match="diverged"):
        learner(optimizer="sgd", rate=1e12).learn(digits()[0], epochs=30)


def test_a_state_of_something_else_is_refused() -> None:
    one = learner()
    with pytest.raises(InvalidInput, match="no state"):
        one.load_state_dict({"methods": []})
    other = ContinualLearner(nn.Linear(3, 2))
    with pytest.raises(InvalidInput, match="no state"):
        one.load_state_dict(other.state_dict())


def test_goes_back_to_before_a_layer_was_frozen() -> None:
    first, second = digits()[:2]
    one, other = learner(FineTuning()), learner(FineTuning())
    for each in (one, other):
        each.learn(first, steps=3)
    before = one.state_dict()
    weight = next(one.network.parameters())
    weight.requires_grad_(requires_grad=False)
    one.learn(second, steps=3)
    one.load_state_dict(before)
    weight.requires_grad_(requires_grad=True)
    for each in (one, other):
        each.learn(second, steps=3)
    same(one, other)


def test_joint_forgets_nobody_by_an_empty_key() -> None:
    first, second = digits()[:2]
    one = learner(Joint())
    for experience in (first, second):
        one.learn(experience, steps=1)
    assert one.forget({""}) == 0
    assert one.state_dict()["methods"][0]["keys"] is None


def test_joint_keeps_keys_beside_examples_without(tmp_path: Path) -> None:
    first, second, third = (Experience(one.x[:20], one.y[:20]) for one in digits()[:3])
    keys = np.array([f"user {at % 2}" for at in range(20)])
    one = learner(Joint())
    for experience in (first, replace(second, keys=keys), replace(third, keys=keys)):
        one.learn(experience, steps=1)
    one.save(tmp_path)
    other = learner(Joint())
    assert other.resume(tmp_path) == 3
    same(one, other)
    assert other.forget(["user 1"]) == 20
    assert other.state_dict()["methods"][0]["keys"] == [None] * 20 + ["user 0"] * 20


def test_keys_of_any_sequence_are_kept_as_they_were_given() -> None:
    keys = ["a", None, "b"]
    one = Experience(torch.zeros(3, 2), torch.zeros(3), keys=keys)
    keys[0] = "c"
    assert one.keys == ("a", None, "b")
    assert Experience(torch.zeros(2, 2), torch.zeros(2), keys=np.array(["a", "b"])).keys == ("a", "b")  # type: ignore[arg-type]


def test_joint_forgets_by_key() -> None:
    first = digits()[0]
    keyed = Experience(first.x, first.y, keys=[f"user {at % 3}" for at in range(len(first))])
    one = learner(Joint())
    one.learn(keyed, steps=1)
    gone = sum(key == "user 1" for key in keyed.keys or ())
    assert one.forget(["user 1"]) == gone
    assert one.forget(["user 1"]) == 0
    assert len(one.state_dict()["methods"][0]["x"]) == len(first) - gone


@pytest.mark.parametrize("keys", ["user 7", b"user 7", 3, None])
def test_what_is_no_collection_of_keys_cannot_be_forgotten(keys: object) -> None:
    with pytest.raises(InvalidInput, match=rf"{keys!r} is no collection of keys\. Give a set or a list of texts"):
        learner(Joint()).forget(keys)  # type: ignore[arg-type]


@pytest.mark.parametrize("keys", [[3], {"user 7", None}, [["user 7"]]])
def test_keys_to_forget_are_texts(keys: list[str]) -> None:
    with pytest.raises(InvalidInput, match=r"is no key of an example\. Give a set or a list of texts"):
        learner(Joint()).forget(keys)


def test_keys_to_forget_may_come_one_after_the_other() -> None:
    one = learner(Joint())
    first = digits()[0]
    one.learn(Experience(first.x, first.y, keys=[f"k{at}" for at in range(len(first))]))
    assert one.forget(f"k{at}" for at in range(5)) == 5  # type: ignore[arg-type]


def test_a_refusal_leaves_what_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = digits()[:2]
    whole, cut = learner(Joint()), learner(Joint())
    whole.learn(first, epochs=3)

    def interrupt(done: int, total: int, note: str) -> None:
        if done >= 4:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        cut.learn(first, epochs=3, progress=interrupt)
    for wrong, epochs in ((second, 3), (first, 2)):
        with pytest.raises(InvalidInput, match="Another experience is under way"):
            cut.learn(wrong, epochs=epochs)
    cut.learn(first, epochs=3)
    same(whole, cut)


def test_a_loss_that_averages_over_what_does_not_count_is_told_so() -> None:
    one = learner(FineTuning(), loss=nn.CrossEntropyLoss(label_smoothing=0.1))
    with pytest.raises(InvalidInput, match="The loss is no number by step"):
        one.learn(digits()[0])
    domain = learner(FineTuning(), loss=nn.CrossEntropyLoss(label_smoothing=0.1), scenario="domain")
    assert domain.learn(digits()[0], epochs=4).accuracies[-1] > 0.8


def test_examples_of_any_type_are_learned_with_checkpoints(tmp_path: Path) -> None:
    first = digits()[0]
    half = Experience(first.x.bfloat16(), first.y.int())
    one = ContinualLearner(network().bfloat16(), [FineTuning()], batch_size=32)
    assert one.learn(half, epochs=2, checkpoints=tmp_path).steps
    assert ContinualLearner(network().bfloat16(), [FineTuning()], batch_size=32).resume(tmp_path) == 1


def test_joint_keeps_copies() -> None:
    (first, second), ends = digits()[:2], []
    for overwritten in (False, True):
        mine, one = Experience(first.x.clone(), first.y.clone()), learner(Joint())
        one.learn(mine, steps=3)
        if overwritten:
            mine.x.zero_()
            mine.y.zero_()
        one.learn(second, steps=3)
        ends.append(one)
    same(*ends)


def test_what_cannot_be_judged_or_learned_is_said() -> None:
    first = digits()[0]
    one = learner(FineTuning())
    one.learn(first, steps=2)
    for wrong, said in (
        (Experience(first.x, first.y + 40), "Class 41 has no output"),
        (Experience(first.x, first.y.float()), "are no classes"),
        (Experience(first.x[:, :7], first.y), r"takes no examples of shape \(7,\)"),
    ):
        with pytest.raises(InvalidInput, match=said):
            one.evaluate(wrong)
    with pytest.raises(InvalidInput, match=r"takes no examples of shape \(3,\)"):
        one.predict(torch.zeros(2, 3))
    with pytest.raises(InvalidInput, match=r"Give y\.float\(\)"):
        ContinualLearner(nn.Linear(64, 1), loss="mse", scenario="domain").learn(first)
    frozen = network().requires_grad_(requires_grad=False)
    with pytest.raises(InvalidInput, match="No parameter is trained"):
        ContinualLearner(frozen, [FineTuning()]).learn(first)


def test_tasks_may_have_any_numbers() -> None:
    tasks = [10**12, 7, 1_796_000_000]
    experiences = [Experience(one.x, one.y, task) for one, task in zip(digits()[:3], tasks, strict=True)]
    plain, far = (ContinualLearner(network(), scenario="task", batch_size=32) for _ in range(2))
    for at, one in enumerate(experiences):
        far.learn(one, steps=20)
        plain.learn(Experience(one.x, one.y, at), steps=20)
    for at, one in enumerate(experiences):
        assert torch.equal(far.scores(one.x, one.task), plain.scores(one.x, at))
        mixed = torch.full((len(one),), one.task)
        assert torch.equal(far.scores(one.x, mixed), plain.scores(one.x, at))


def test_the_default_is_for_classes_under_a_loss_of_ones_own() -> None:
    for loss in (nn.functional.cross_entropy, nn.CrossEntropyLoss()):
        named, own = (
            ContinualLearner(network(), loss=each, rate=3e-3, batch_size=32) for each in ("cross_entropy", loss)
        )
        for each in (named, own):
            for experience in digits()[:2]:
                each.learn(experience, steps=9)
        same(named, own)


@pytest.mark.parametrize(
    ("net", "loss", "y", "said"),
    [
        (nn.Linear(64, 1), nn.BCEWithLogitsLoss(), torch.ones(64).long(), "one output for all"),
        (nn.Linear(64, 3), nn.functional.cross_entropy, torch.full((64,), 5), "Class 5 has no output"),
        (nn.Linear(64, 3), nn.CrossEntropyLoss(reduction="none"), torch.ones(64).long(), "The loss does not work"),
        (nn.Linear(64, 3), nn.BCEWithLogitsLoss(), torch.ones(64, 2), "The loss does not work"),
        (nn.GRU(64, 3), "cross_entropy", torch.ones(64).long(), "let forward return one tensor"),
        (nn.Sequential(nn.Linear(64, 3), nn.Flatten(0)), "mse", torch.ones(64), r"gives a tensor \(3,\) for 1"),
    ],
)
def test_losses_and_networks_that_do_not_fit_are_named(
    net: nn.Module, loss: object, y: torch.Tensor, said: str
) -> None:
    with pytest.raises(InvalidInput, match=said):
        ContinualLearner(net, [FineTuning()], loss=loss, scenario="domain").learn(Experience(digits()[0].x[:64], y))


def test_numbers_of_numpy_name_tasks_and_keys_are_texts(tmp_path: Path) -> None:
    first = digits()[0]
    one = learner(FineTuning())
    one.learn(Experience(first.x, first.y, np.int64(3)), steps=2, checkpoints=tmp_path)
    one.save(tmp_path)
    assert learner(FineTuning()).resume(tmp_path) == 1
    with pytest.raises(InvalidInput, match="5 is no key"):
        Experience(first.x[:1], first.y[:1], keys=[5])


def test_examples_that_an_encoder_still_holds_on_to_are_learned() -> None:
    encoder, first = nn.Linear(64, 64), digits()[0]
    with torch.no_grad():  # what is learned is learned all the same
        report = learner(FineTuning()).learn(Experience(encoder(first.x), first.y), epochs=2)
    assert learner(FineTuning()).learn(Experience(encoder(first.x), first.y), epochs=2).steps == report.steps
    assert encoder.weight.grad is None


@pytest.mark.parametrize("optimizer", [None, torch.optim.LBFGS, lambda parameters: None])
def test_optimisers_that_are_none_or_want_more_are_refused(optimizer: object) -> None:
    with pytest.raises(InvalidInput, match=r"optimi|one gradient"):
        learner(FineTuning(), optimizer=optimizer).learn(digits()[0], steps=1)


def hardest(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Of at least eight."""
    return nn.functional.cross_entropy(scores, y, reduction="none").topk(8).values.mean()


@pytest.mark.parametrize(
    ("loss", "y", "outputs"),
    [
        (hardest, torch.arange(64) % 2, 10),
        (lambda s, y: nn.functional.binary_cross_entropy_with_logits(s, y.float()), torch.rand(64, 3) > 0.5, 3),
        (nn.functional.binary_cross_entropy_with_logits, torch.rand(64, 3), 3),
        (nn.PoissonNLLLoss(), torch.arange(64.0).view(-1, 1), 1),
        ("cross_entropy", torch.zeros(64).long(), 1),
    ],
)
def test_losses_of_every_kind_are_learned_with(loss: object, y: torch.Tensor, outputs: int) -> None:
    one = ContinualLearner(nn.Linear(64, outputs), loss=loss, scenario="domain", batch_size=16)
    for _ in range(2):
        report = one.learn(Experience(digits()[0].x[:64], y), epochs=2)
    assert isfinite(one.evaluate(Experience(digits()[0].x[:64], y))["loss"])  # a likelihood's may be below 0
    assert len(report.accuracies) == (2 if y.ndim == 1 and not y.is_floating_point() else 0)


def test_what_is_refused_after_steps_were_taken_was_met() -> None:
    first, second = digits()[:2]
    one = learner(FineTuning(), rate=1e30, optimizer="sgd")
    with pytest.raises(InvalidInput, match="diverged"):
        one.learn(first, epochs=3)
    assert one.heads.seen == first.classes
    with pytest.raises(InvalidInput, match="Class 40"):
        one.learn(Experience(second.x, second.y + 37))
    assert one.heads.seen == first.classes


def test_keys_may_be_an_array_and_a_task_a_tensor_of_one() -> None:
    first = digits()[0]
    one = learner(FineTuning(), scenario="task")
    one.learn(Experience(first.x, first.y, keys=np.array(["mine"] * len(first))), steps=2)
    assert torch.equal(one.predict(first.x, torch.tensor(0)), one.predict(first.x, 0))


def test_token_ids_beyond_a_table_are_named() -> None:
    net = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 2))
    with pytest.raises(InvalidInput, match="takes no examples"):
        ContinualLearner(net, [FineTuning()]).predict(torch.full((2, 3), 9))


def test_a_state_can_be_gone_back_to_again_and_again() -> None:
    first, cut = digits()[0], learner(FineTuning())

    def interrupt(done: int, steps: int, note: str) -> None:
        signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        cut.learn(first, epochs=3, progress=interrupt)
    state, reports = cut.state_dict(), []
    for _ in range(2):
        one = learner(FineTuning())
        one.load_state_dict(state)
        reports.append(one.learn(first, epochs=3))
    assert len(reports[1].losses) == 3
    assert (reports[0].losses, reports[0].accuracies) == (reports[1].losses, reports[1].accuracies)


def test_real_values_are_not_taken_for_classes() -> None:
    first = digits()[0]
    one = ContinualLearner(nn.Linear(64, 1), [FineTuning()], loss="mse", scenario="domain")
    one.learn(Experience(first.x, first.x.sum(1)))
    with pytest.raises(InvalidInput, match=r"real values, not classes\. Ask `scores`"):
        one.predict(first.x)
    flat = nn.Sequential(nn.Linear(64, 1), nn.Flatten(0))
    own = ContinualLearner(flat, [FineTuning()], loss=nn.MSELoss(), scenario="domain")
    with pytest.raises(InvalidInput, match="real values"):
        own.predict(first.x)


def test_keys_that_are_no_collection_are_refused() -> None:
    first = digits()[0]
    with pytest.raises(InvalidInput, match=r"keys is 5\. Give a list"):
        Experience(first.x, first.y, keys=5)


@pytest.mark.parametrize("method", [FineTuning(), GEM(each=20), AGEM(40), ExperienceReplay(40), EWC(1.0), PackNet()])
def test_what_is_learned_from_is_varied_and_what_is_asked_is_not(method: Method) -> None:
    given: list[torch.Tensor] = []

    def blank(x: torch.Tensor) -> torch.Tensor:
        given.append(x)
        return torch.zeros_like(x)

    one = learner(method, augment=blank, prepare=lambda x: x + 1, scenario="task")
    seen: list[torch.Tensor] = []
    handle = one.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].detach()))
    first, second = digits()[:2]
    one.learn(first, steps=3)
    one.learn(second, steps=3)
    assert sum(bool((x == 1).all()) for x in seen) == len(given) >= 6
    given.clear()
    handle.remove()
    assert torch.equal(one.scores(first.x, 0), one.scores(first.x, 0))
    assert one.scores(first.x, 0)[:, :2].std(0).min() > 0
    assert not given


def test_what_varies_examples_draws_by_the_seed() -> None:
    def noisy(seed: int) -> ContinualLearner:
        one = learner(ExperienceReplay(40), augment=lambda x: x + torch.randn_like(x), seed=seed)
        for each in digits()[:2]:
            torch.rand(seed + 1)
            one.learn(each, steps=4)
        return one

    same(noisy(0), noisy(0))
    assert not torch.equal(noisy(0).scores(digits()[0].x), noisy(1).scores(digits()[0].x))


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_a_single_example_is_asked_about_in_a_row_of_its_own(scenario: str) -> None:
    x, y = torch.randn(40, 4), torch.arange(40) % 4
    one = ContinualLearner(nn.Linear(4, 4), [FineTuning()], scenario=scenario)
    one.learn(Experience(x, y))
    with pytest.raises(InvalidInput, match=r"shape \(4,\).*x\[None\]"):
        one.predict(x[0], 0)
    assert one.predict(x[:1], 0).shape == (1,)


@pytest.mark.parametrize("head", [SLDA(), StreamingRidge()])
def test_a_head_in_closed_form_does_not_go_with_columns_or_a_choice_of_examples(head: Method) -> None:
    with pytest.raises(InvalidInput, match="columns"):
        ContinualLearner(ProgressiveNetwork(network()), [Progressive(), head], scenario="task")
    for chooser in (NoLearning(1), Joint()):
        with pytest.raises(InvalidInput, match="without Joint or NoLearning"):
            ContinualLearner(network(), [chooser, head])


def test_a_refused_first_experience_leaves_a_head_in_closed_form_as_it_was() -> None:
    first = digits()[0]
    one, other = (learner(StreamingRidge(projection=16), loss=nn.MSELoss(), scenario="domain") for _ in range(2))
    targets = nn.functional.one_hot(first.y, 10).float()
    with pytest.raises(InvalidInput, match="5 targets an example do not fit 10"):
        one.learn(Experience(first.x, targets[:, :5]))
    for each in (one, other):
        each.learn(Experience(first.x, targets))
    same(one, other)


def test_a_network_whose_weights_lie_another_way_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def made() -> ContinualLearner:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.Flatten(), nn.Linear(128, 10))
        return ContinualLearner(net.to(memory_format=torch.channels_last), [ExperienceReplay(40)], rate=0.01)

    first, second = (Experience(each.x.view(-1, 1, 8, 8), each.y, each.task) for each in digits()[:2])
    whole, half, other = made(), made(), made()
    whole.learn(first, steps=4)
    half.learn(first, steps=4)
    half.save(tmp_path)
    other.resume(tmp_path)
    for one in (whole, other):
        one.learn(second, steps=6)
    same(whole, other)


@pytest.mark.parametrize("method", [EWC(1.0), KroneckerLaplace(1.0)])
@pytest.mark.parametrize("loss", ["mse", nn.MSELoss(), nn.functional.mse_loss])
def test_a_squared_error_is_a_likelihood_by_any_name(method: Method, loss: object) -> None:
    first = digits()[0]
    one = learner(method, loss=loss, scenario="domain")
    assert one.learn(Experience(first.x, torch.randn(len(first), 10)), steps=2).steps == 2
    own = learner(method, loss=nn.HuberLoss(), scenario="domain")
    with pytest.raises(InvalidInput, match='kind="empirical"'):
        own.learn(Experience(first.x, torch.randn(len(first), 10)), steps=2)
    likeliest = learner(replace(method, kind="predicted"), loss=loss, scenario="domain")
    with pytest.raises(InvalidInput, match="likeliest class"):
        likeliest.learn(Experience(first.x, torch.randn(len(first), 10)), steps=2)


def test_what_varies_examples_leaves_those_that_are_kept_alone() -> None:
    first = digits()[0]
    one = learner(ExperienceReplay(40, policy="reservoir"), augment=lambda x: x.add_(100))
    one.learn(first, steps=3)
    assert float(one.state_dict()["methods"][0]["buffer"]["rows"]["x"].max()) <= 1


@pytest.mark.parametrize(
    ("augment", "match"),
    [
        (lambda x: x[:-1], r"augment= makes 0 examples of 1"),
        (lambda x: x[:31], r"augment= makes 31 examples of 32"),
        (lambda x: None, r"augment= makes NoneType of 1"),
        (lambda x: x[:, :2], r"takes no examples of shape \(2,\)"),
        (3, r"augment is 3"),
    ],
)
def test_what_varies_examples_into_something_else_is_refused(augment: object, match: str) -> None:
    with pytest.raises(InvalidInput, match=match):
        learner(FineTuning(), augment=augment).learn(digits()[0], steps=1)


def test_what_a_head_in_closed_form_has_summed_was_met() -> None:
    class Refusing:
        def start(self, course: Course) -> Hooks:
            return Hooks(end=self.end)

        def end(self, experience: Experience) -> None:
            raise InvalidInput("Not to be kept.", mend="Never mind.")

    one, first = learner(SLDA(), Refusing()), digits()[0]
    with pytest.raises(InvalidInput, match="Not to be kept"):
        one.learn(first)
    assert one.heads.seen == first.classes


def test_a_step_does_not_list_the_many_classes_met() -> None:
    heads = Heads("class")
    heads.learn(Experience(torch.zeros(20_000, 1), torch.arange(20_000)))
    outputs = torch.zeros(1, 20_000)
    assert heads.scores(outputs) is outputs
    tracemalloc.start()
    try:
        heads.scores(outputs)
        assert tracemalloc.get_traced_memory()[1] < 20_000
    finally:
        tracemalloc.stop()
