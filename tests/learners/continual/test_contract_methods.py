"""What every method must do: go on bit for bit, keep itself without pickle, leave chance and data alone."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tests.learners.continual.streams import digits, network, same, same_state
from torch import nn

import onward.learners.continual as door
from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Experience, Method
from onward.learners.continual.memory import Policy, Uncertainty

METHODS: dict[str, Callable[[], list[Method]]] = {
    "FineTuning": lambda: [door.FineTuning()],
    "NoLearning": lambda: [door.NoLearning(after=1)],
    "Joint": lambda: [door.Joint()],
    "EWC": lambda: [door.EWC(50.0)],
    "online EWC": lambda: [door.EWC(50.0, online=True, decay=0.9)],
    "SynapticIntelligence": lambda: [door.SynapticIntelligence(1.0)],
    "MemoryAwareSynapses": lambda: [door.MemoryAwareSynapses(1.0)],
    "KroneckerLaplace": lambda: [door.KroneckerLaplace(1.0)],
    "ExperienceReplay": lambda: [door.ExperienceReplay(40)],
    "ExperienceReplay, herding": lambda: [door.ExperienceReplay(40, policy="herding")],
    "DarkExperienceReplay": lambda: [door.DarkExperienceReplay(40)],
    "DarkExperienceReplay, random": lambda: [door.DarkExperienceReplay(40, beta=0.0, policy="random")],
    "recommended": lambda: [door.recommended(40)],
    "GEM": lambda: [door.GEM(each=20)],
    "AGEM": lambda: [door.AGEM(40, batch_size=20)],
    "CLSER": lambda: [door.CLSER(40)],
    "EMA": lambda: [door.EMA(0.9, 0.5)],
    "EWC with dark replay, GEM and an average": lambda: [
        door.EMA(0.9),
        door.EWC(50.0),
        door.DarkExperienceReplay(40),
        door.GEM(each=20),
    ],
    "SLDA": lambda: [door.SLDA()],
    "StreamingRidge": lambda: [door.StreamingRidge(projection=16)],
    "LearningWithoutForgetting": lambda: [door.LearningWithoutForgetting()],
    "Progressive": lambda: [door.Progressive()],
    "PackNet": lambda: [door.PackNet()],
    "EWC with replay": lambda: [door.EWC(50.0), door.ExperienceReplay(40)],
}


TOLD = {"Progressive", "PackNet"}
"""Those that must be told the task."""


def learner(methods: Callable[[], list[Method]], **settings: object) -> ContinualLearner:
    made, net = methods(), network(dropout=0.1)
    names = {type(method).__name__ for method in made}
    net = door.ProgressiveNetwork(net) if "Progressive" in names else net
    scenario = "task" if names & TOLD else "class"
    return ContinualLearner(net, made, **{"scenario": scenario, "rate": 3e-3, "batch_size": 32, **settings})


def stream(count: int = 3) -> list[Experience]:
    """A part of each experience, with keys."""
    found = []
    for each in digits()[:count]:
        x, y = each.x[:96], each.y[:96]
        found.append(Experience(x, y, each.task, keys=[f"user {at % 4}" for at in range(len(x))]))
    return found


def test_every_method_of_the_door_is_here() -> None:
    named = {
        name
        for name in vars(door)
        if isinstance(getattr(door, name), type) and hasattr(getattr(door, name), "start") and name != "Method"
    }
    tried = {type(method).__name__ for methods in METHODS.values() for method in methods()}
    assert tried == named


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
def test_goes_on_bit_for_bit_between_experiences(tmp_path: Path, methods: Callable[[], list[Method]]) -> None:
    first, second, third = stream()
    whole = learner(methods)
    for experience in (first, second, third):
        whole.learn(experience, steps=7)
    halves = learner(methods)
    halves.learn(first, steps=7)
    halves.learn(second, steps=7)
    halves.save(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    torch.manual_seed(99)
    other = learner(methods)
    assert other.resume(tmp_path) == 2
    same(halves, other)
    other.learn(third, steps=7)
    same(whole, other)
    assert torch.equal(whole.scores(first.x, 0), other.scores(first.x, 0))


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
def test_goes_on_bit_for_bit_within_an_experience(tmp_path: Path, methods: Callable[[], list[Method]]) -> None:
    first, second, third = stream()
    whole, cut = learner(methods), learner(methods)
    for one in (whole, cut):
        one.learn(first, steps=5)
    whole.learn(second, steps=11)

    def kill(done: int, total: int, note: str) -> None:
        if done >= 9:
            raise ConnectionError

    try:
        cut.learn(second, steps=11, checkpoints=tmp_path, checkpoint_every=4, progress=kill)
    except ConnectionError:
        other = learner(methods)
        assert other.resume(tmp_path) == 1
        other.learn(second, steps=11, checkpoints=tmp_path)
    else:  # no steps to be killed in
        other = cut
    same(whole, other)
    whole.learn(third, steps=3)
    other.learn(third, steps=3)
    same(whole, other)


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
def test_the_same_seed_gives_the_same_and_data_stay(methods: Callable[[], list[Method]]) -> None:
    experiences = stream()
    before = [(each.x.clone(), each.y.clone()) for each in experiences]
    one, other = learner(methods), learner(methods)
    for experience in experiences:
        one.learn(experience, steps=4)
        torch.manual_seed(5)
        other.learn(experience, steps=4)
    same(one, other)
    assert all(
        torch.equal(each.x, x) and torch.equal(each.y, y) for each, (x, y) in zip(experiences, before, strict=True)
    )


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
def test_a_snapshot_does_not_move(methods: Callable[[], list[Method]]) -> None:
    first, second = stream(2)
    one = learner(methods)
    one.learn(first, steps=4)
    state = one.state_dict()
    one.learn(second, steps=4)
    back, expected = learner(methods), learner(methods)
    expected.learn(first, steps=4)
    back.load_state_dict(state)
    same(back, expected)
    back.learn(second, steps=4)
    one.load_state_dict(state)
    same(one, expected)


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
def test_a_deep_copy_is_a_learner_of_its_own(methods: Callable[[], list[Method]]) -> None:
    first, second, third = stream(3)
    one, expected = learner(methods), learner(methods)
    for each in (one, expected):
        each.learn(first, steps=4)
    other = copy.deepcopy(one)
    other.learn(second, steps=4)
    other.learn(third, steps=4)
    same(one, expected)
    expected.learn(second, steps=4)
    expected.learn(third, steps=4)
    same(other, expected)
    assert torch.equal(other.scores(third.x, third.task), expected.scores(third.x, third.task))


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
def test_what_a_user_said_can_be_dropped(methods: Callable[[], list[Method]]) -> None:
    one = learner(methods)
    for experience in stream(2):
        one.learn(experience, steps=6)
    gone = one.forget({"user 2"})
    assert one.forget({"user 2"}) == 0
    assert (gone > 0) == any(type(method).__name__ in KEEPING for method in one.methods)
    one.learn(stream()[2], steps=3)


KEEPING = {"Joint", "ExperienceReplay", "DarkExperienceReplay", "recommended", "GEM", "AGEM", "CLSER"}
"""Those that keep examples."""


@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
def test_one_example_and_one_class(methods: Callable[[], list[Method]]) -> None:
    one = learner(methods, batch_size=1)
    for experience in stream(2):
        one.learn(Experience(experience.x[:1], experience.y[:1], experience.task, keys=["a"]))
    counts = one.heads.classes[1] if one.heads.kind == "task" else one.heads.seen
    assert bool(one.scores(experience.x[:3], 1)[:, list(counts)].isfinite().all())


HOLDING = ("Joint", "ExperienceReplay", "DarkExperienceReplay", "recommended", "AGEM", "CLSER")


@pytest.mark.parametrize("name", HOLDING)
def test_examples_that_do_not_fit_those_kept_change_nothing(name: str) -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10))
    one, first = ContinualLearner(net, METHODS[name](), batch_size=32), digits()[0]
    one.learn(Experience(first.x.view(-1, 1, 8, 8), first.y), steps=3)
    before = one.state_dict()
    with pytest.raises(InvalidInput, match=r"\(1, 4, 16\)"):
        one.learn(Experience(first.x.view(-1, 1, 4, 16), first.y + 2), steps=3)
    same_state(one.state_dict(), before)


@pytest.mark.parametrize("policy", ["herding", Uncertainty(by="task"), "uncertainty"])
@pytest.mark.parametrize("method", [door.ExperienceReplay, door.AGEM, door.CLSER, door.DarkExperienceReplay])
def test_real_targets_that_a_policy_cannot_judge_are_refused_before_they_are_learned(
    method: Callable[..., Method], policy: str | Policy
) -> None:
    first = digits()[0]
    one = ContinualLearner(nn.Linear(64, 1), [method(40, policy=policy)], loss="mse", scenario="domain")
    before = one.state_dict()
    with pytest.raises(InvalidInput, match="class"):
        one.learn(Experience(first.x, first.x.sum(1)), steps=3)
    same_state(one.state_dict(), before)


def test_a_policy_that_wants_a_last_layer_says_so_before_anything_is_learned() -> None:
    net = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64))
    with pytest.raises(InvalidInput, match="no last linear layer"):
        ContinualLearner(net, [door.ExperienceReplay(40, policy="herding")]).learn(digits()[0], steps=3)


NORMED = ("PackNet", "AGEM", "GEM")


@pytest.mark.parametrize("name", NORMED)
def test_a_batch_norm_is_never_given_one_example(name: str) -> None:
    net = nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10))
    scenario = "task" if name in TOLD else "class"
    one, (first, second) = ContinualLearner(net, METHODS[name](), batch_size=32, scenario=scenario), digits()[:2]
    keys = ["mine", *["yours"] * 32]
    one.learn(Experience(first.x[:33], first.y[:33], 0, keys=keys), epochs=2)
    one.forget({"yours"})
    one.learn(Experience(second.x[:33], second.y[:33], 1), epochs=2)
    assert one.learned == 2


def several(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of each label that an example may have."""
    return nn.functional.binary_cross_entropy_with_logits(scores.nan_to_num(neginf=-9.0), y.to(scores.dtype))


def placed(scores: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of a class for each of five places, as in segmentation."""
    return nn.functional.cross_entropy(scores.nan_to_num(neginf=-9.0).view(-1, 2, 5), y)


TARGETS = {several: lambda y: nn.functional.one_hot(y, 10), placed: lambda y: (y[:, None] + torch.arange(5)) % 2}


@pytest.mark.parametrize("loss", TARGETS)
@pytest.mark.parametrize("methods", METHODS.values(), ids=METHODS)
def test_several_whole_numbers_an_example_are_learned_or_refused_at_once(
    methods: Callable[[], list[Method]], loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
) -> None:
    experiences = [Experience(each.x, TARGETS[loss](each.y), each.task) for each in stream(3)]
    one = learner(methods, loss=loss)
    before = one.state_dict()
    try:
        for experience in experiences:
            report = one.learn(experience, steps=6)
    except InvalidInput:
        same_state(one.state_dict(), before)
    else:
        assert report.accuracies == ()
        assert one.evaluate(experiences[0])["loss"] > 0
