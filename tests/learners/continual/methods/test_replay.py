"""Experience replay against a loop written by hand, and on real digits."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from tests.learners.continual.streams import digits, network, same, same_state
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual import (
    AGEM,
    ContinualLearner,
    DarkExperienceReplay,
    Experience,
    ExperienceReplay,
    FineTuning,
)
from onward.learners.continual.memory import (
    POLICIES,
    Buffer,
    ClassBalanced,
    GradientMagnitude,
    Herding,
    Reservoir,
    Ring,
)


def learner(method: Any, net: nn.Module | None = None, **settings: Any) -> ContinualLearner:
    return ContinualLearner(net or network(), [method], **{"rate": 3e-3, "batch_size": 16, **settings})


def buffer_of(made: ContinualLearner) -> dict[str, Any]:
    state: dict[str, Any] = made.state_dict()["methods"][0]["buffer"]
    return state


def part(at: int, count: int = 64) -> Experience:
    whole = digits()[at]
    return Experience(whole.x[:count], whole.y[:count], whole.task)


@pytest.mark.parametrize("weight", [1.0, 0.3, "tasks", "examples"])
@pytest.mark.parametrize("scenario", ["class", "task"])
def test_steps_are_those_of_a_loop_by_hand(weight: Any, scenario: Any) -> None:
    """The same network, order of batches and draws; Vitter's algorithm and both losses written out."""
    made = learner(ExperienceReplay(20, weight=weight, batch_size=8), scenario=scenario, optimizer="sgd", rate=0.1)
    net, chance, memory = network(), torch.Generator().manual_seed(0), Buffer(20)
    for number, experience in enumerate((part(0), part(1))):
        orders: list[Tensor] = []
        watched = made._hooks[0].stepped
        assert watched is not None

        def stepped(step: Any, watched: Any = watched, orders: list[Tensor] = orders) -> None:
            orders.append(step.index)
            watched(step)

        object.__setattr__(made._hooks[0], "stepped", stepped)
        made.learn(experience, epochs=2)
        object.__setattr__(made._hooks[0], "stepped", watched)
        counted = {0: [0, 1], 1: [2, 3]} if scenario == "task" else {t: [0, 1, 2, 3][: 2 + 2 * number] for t in (0, 1)}
        for at, index in enumerate(orders):
            x, y = experience.x[index], experience.y[index]
            own = F.cross_entropy(masked(net(x), [counted[experience.task]] * len(x)), y)
            total = own
            if len(memory) and not (weight == "tasks" and number == 0):
                old = memory.sample(8, chance)
                loss = F.cross_entropy(masked(net(old.x), [counted[t] for t in old.task.tolist()]), old.y)
                a, b = {"tasks": (0.5, 0.5), "examples": (len(x) / (len(x) + 8), 8 / (len(x) + 8))}.get(
                    weight, (1.0, weight)
                )
                total = a * own + b * loss
            grads = torch.autograd.grad(total, list(net.parameters()))
            with torch.no_grad():
                for value, grad in zip(net.parameters(), grads, strict=True):
                    value.sub_(0.1 * grad)
            if at < len(orders) // 2:
                memory.add(x, y, experience.task, chance)
    for one, other in zip(made.network.parameters(), net.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert torch.equal(buffer_of(made)["rows"]["x"], memory.contents().x)


def masked(outputs: Tensor, counted: list[list[int]]) -> Tensor:
    mask = torch.full_like(outputs, -torch.inf)
    for row, classes in zip(mask, counted, strict=True):
        row[classes] = 0
    return outputs + mask


@pytest.mark.parametrize("policy", POLICIES)
def test_every_policy_keeps_what_was_known(policy: str) -> None:
    def accuracy(method: Any) -> float:
        made, stream = learner(method), digits()[:3]
        for at in range(len(stream)):
            made.learn(part(at, 120), epochs=7)
        return sum(made.evaluate(each)["accuracy"] for each in stream) / len(stream)

    assert accuracy(ExperienceReplay(60, policy)) > 0.65
    if policy == "reservoir":
        assert accuracy(FineTuning()) < 0.4


@pytest.mark.parametrize(("settings", "seen"), [({"epochs": 3}, 50), ({"steps": 2}, 32), ({"steps": 9}, 50)])
def test_an_example_is_offered_once_however_often_it_is_trained_on(settings: dict[str, int], seen: int) -> None:
    made = learner(ExperienceReplay(500))
    made.learn(part(0, 50), **settings)  # type: ignore[arg-type]
    held = buffer_of(made)
    assert (held["seen"], held["size"]) == (seen, seen)
    assert len(held["rows"]["x"].unique(dim=0)) == seen


def test_a_policy_for_experiences_picks_at_the_end_from_all_of_them() -> None:
    made = learner(ExperienceReplay(30, GradientMagnitude(drawn=False)))
    for at in range(2):
        made.learn(part(at), epochs=2)
        rows = buffer_of(made)["rows"]
        assert sorted(rows["y"].bincount().tolist()) == ([15, 15] if at == 0 else [7, 7, 8, 8])
    held, experience = buffer_of(made)["rows"], part(1)
    scores = made.scores(experience.x)
    error = scores.softmax(1) - F.one_hot(experience.y, 10)
    hidden = made.network[:-1](experience.x).detach()  # type: ignore[index]
    merit = error.norm(dim=1) * (hidden.square().sum(1) + 1).sqrt()
    for number in (2, 3):
        kept = held["x"][held["y"] == number]
        best = merit.masked_fill(experience.y != number, -1).topk(len(kept)).indices
        assert {tuple(row) for row in kept.tolist()} == {tuple(row) for row in experience.x[best].tolist()}


def test_examples_are_kept_as_they_are_given_and_prepared_when_replayed() -> None:
    def prepare(x: Tensor) -> Tensor:
        assert x.dtype == torch.uint8
        return x.float() / 16

    made = learner(ExperienceReplay(20), prepare=prepare)
    for at in range(2):
        made.learn(Experience((part(at).x * 16).byte(), part(at).y, at))
    assert buffer_of(made)["rows"]["x"].dtype == torch.uint8


def test_withdrawn_examples_leave_the_memory_and_stay_out() -> None:
    made, experience = learner(ExperienceReplay(40)), part(0, 48)
    keys = [f"user {at % 3}" for at in range(48)]
    made.learn(Experience(experience.x, experience.y, keys=keys))
    before = buffer_of(made)["keys"]
    assert made.forget(["user 1"]) == before.count("user 1") > 0
    assert sorted(buffer_of(made)["keys"]) == sorted(key for key in before if key != "user 1")
    gone = {tuple(row) for row in experience.x[1::3].tolist()}
    made.learn(part(1))
    assert not gone & {tuple(row) for row in buffer_of(made)["rows"]["x"].tolist()}


def test_a_balanced_memory_replays_each_class_as_often() -> None:
    made = learner(ExperienceReplay(200, batch_size=12, balanced="class"))
    made.learn(part(0))
    made.learn(part(1, 16))
    drawn: list[Tensor] = []
    replay, step = made._hooks[0].recall, None
    assert replay is not None
    own = replay.__self__  # type: ignore[attr-defined]
    for _ in range(5):
        replay(step)  # type: ignore[arg-type]
        drawn.append(own._drawn.y)
    assert all(each.bincount().tolist() == [3, 3, 3, 3] for each in drawn)


def test_real_targets_are_replayed() -> None:
    def experience(at: int) -> Experience:
        x = torch.rand(200, 1, generator=torch.Generator().manual_seed(at)) + at
        return Experience(x, torch.sin(2 * x), at)

    def error(method: Any) -> float:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 1))
        made = ContinualLearner(net, [method], scenario="domain", loss="mse", rate=1e-2, batch_size=20)
        for at in range(3):
            made.learn(experience(at), epochs=30)
        return sum(made.evaluate(experience(at))["loss"] for at in range(3))

    policy = GradientMagnitude(by="task")
    assert error(ExperienceReplay(60, policy)) < 0.1 < error(FineTuning())
    assert error(ExperienceReplay(60, "class_balanced")) < 0.1


def split(front: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    front = front or nn.Sequential(nn.Linear(64, 24), nn.ReLU())
    front.requires_grad_(False)
    return nn.Sequential(front, nn.Sequential(nn.Linear(24, 16), nn.Tanh(), nn.Linear(16, 10)))


def test_features_teach_what_the_examples_would() -> None:
    def learned(features: str | None) -> ContinualLearner:
        made = learner(ExperienceReplay(20, features=features), split())
        for at in range(2):
            made.learn(part(at), epochs=2)
        return made

    raw, kept = learned(None), learned("0")
    for one, other in zip(raw.network.parameters(), kept.network.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    rows = buffer_of(kept)["rows"]["x"]
    assert rows.shape == (20, 24)
    torch.testing.assert_close(rows, raw.network[0](buffer_of(raw)["rows"]["x"]))  # type: ignore[index]


def test_a_front_with_a_batch_norm_and_dropout_gives_the_same_features_always() -> None:
    front = nn.Sequential(nn.Linear(64, 24), nn.BatchNorm1d(24), nn.Dropout(0.5))
    made = learner(ExperienceReplay(20, "herding", features="0"), split(front))
    before = {name: value.clone() for name, value in front.state_dict().items()}
    for at in range(2):
        made.learn(part(at), epochs=2)
    assert all(torch.equal(value, before[name]) for name, value in front.state_dict().items())
    with torch.no_grad():
        known = {tuple(row) for at in range(2) for row in front.eval()(part(at).x).tolist()}
    assert {tuple(row) for row in buffer_of(made)["rows"]["x"].tolist()} <= known


def test_a_front_is_asked_about_some_examples_at_a_time() -> None:
    sizes: list[int] = []
    made = learner(ExperienceReplay(20, "random", features="0"), split())
    made.network[0].register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))  # type: ignore[index]
    x = torch.randn(3000, 64)
    made.learn(Experience(x, torch.arange(3000) % 10), steps=2)
    assert max(sizes) <= 1024
    kept = buffer_of(made)["rows"]["x"]
    assert torch.cdist(kept.double(), made.network[0](x).detach().double()).amin(1).max() < 1e-5  # type: ignore[index]


def test_settings_of_numpy_are_those_of_python_when_it_goes_on(tmp_path: Path) -> None:
    sweep = ExperienceReplay(np.int64(20), Ring(each=np.int64(2)), weight=np.float64(0.5))  # type: ignore[arg-type]
    made = learner(sweep)
    made.learn(part(0))
    made.save(tmp_path)
    assert learner(ExperienceReplay(20, Ring(each=2), weight=0.5)).resume(tmp_path) == 1


def test_a_front_that_is_trained_later_is_refused() -> None:
    made = learner(ExperienceReplay(20, features="0"), split())
    made.learn(part(0))
    made.network[0].requires_grad_(True)  # type: ignore[index]
    with pytest.raises(InvalidInput, match="0 has parameters that are trained"):
        made.learn(part(1))
    assert made.learned == 1


class Around(nn.Module):
    """Hands its inputs to more than the encoder."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(64, 64).requires_grad_(False)
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.encoder(x) + x)
        return out


def test_networks_that_cannot_be_split_are_refused() -> None:
    with pytest.raises(InvalidInput, match=r"no part 'front'.*Known: 0, 0\.0"):
        learner(ExperienceReplay(20, features="front"), split())
    with pytest.raises(InvalidInput, match=r"network\.0\.requires_grad_\(False\)"):
        learner(ExperienceReplay(20, features="0"), split().requires_grad_(True))
    torch.manual_seed(0)
    for net, name in ((Around(), "encoder"), (nn.Sequential(nn.Linear(64, 30), nn.Tanh(), nn.Linear(30, 10)), "1")):
        with pytest.raises(InvalidInput, match="does not begin with"):
            learner(ExperienceReplay(20, features=name), net).learn(part(0))
        assert isinstance(net.get_submodule(name), nn.Linear | nn.Tanh)  # put back


def test_a_buffer_is_a_pattern() -> None:
    method = ExperienceReplay(Buffer(30, ClassBalanced(), bytes=10**6))
    for _ in range(2):
        made = learner(method)
        made.learn(part(0))
        assert buffer_of(made)["seen"] == 64
    assert isinstance(method.memory, Buffer)
    assert len(method.memory) == 0


@pytest.mark.parametrize("policy", [Reservoir(), Ring()])
def test_a_learner_with_a_memory_in_files_goes_on_from_what_was_kept(policy: Any, tmp_path: Path) -> None:
    def made() -> ContinualLearner:
        return learner(ExperienceReplay(Buffer(40, policy, folder=tmp_path / "rows")))

    one, files = made(), learner(ExperienceReplay(40, policy))
    for both in (one, files):
        both.learn(part(0))
    one.save(tmp_path / "kept")
    again = made()
    again.resume(tmp_path / "kept")
    for each in (again, files):
        each.learn(part(1), epochs=2)
    for mine, theirs in zip(again.network.parameters(), files.network.parameters(), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    "method", [ExperienceReplay(30, weight="tasks"), ExperienceReplay(30, features="0", balanced="task")]
)
def test_goes_on_bit_for_bit_in_the_middle_of_an_experience(method: ExperienceReplay, tmp_path: Path) -> None:
    def seen(net: nn.Module) -> ContinualLearner:
        made = learner(method, net)
        made.learn(part(0))
        return made

    whole = seen(split())
    whole.learn(part(1), epochs=2)
    cut = seen(split())

    def press(done: int, total: int, note: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut.learn(part(1), epochs=2, checkpoints=tmp_path, checkpoint_every=3, progress=press)
    again = learner(method, split())
    again.resume(tmp_path)
    again.learn(part(1), epochs=2)
    same(whole, again)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: ExperienceReplay(0), "memory is 0"),
        (lambda: ExperienceReplay(policy="newest"), "Known: class_balanced"),
        (lambda: ExperienceReplay(batch_size=0), "batch_size"),
        (lambda: ExperienceReplay(weight=0), "weight"),
        (lambda: ExperienceReplay(weight="all"), "examples, tasks"),  # type: ignore[arg-type]
        (lambda: ExperienceReplay(balanced="day"), "class, task"),  # type: ignore[arg-type]
    ],
)
def test_settings_that_cannot_be_are_refused(make: Callable[[], object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        make()


def test_a_feature_that_is_drawn_alone_is_any_of_those_kept() -> None:
    one = learner(ExperienceReplay(20, batch_size=1, features="0"), split().requires_grad_(False))
    next(iter(one.network[1].parameters())).requires_grad_(requires_grad=True)
    one.learn(part(0), steps=3)
    hook = one._hooks[0].recall.__self__
    seen = set()
    for _ in range(3):
        one.learn(part(1), steps=9)
        seen.add(float(hook._drawn.x.sum()))
        assert len(hook._drawn) == 1
    assert len(seen) > 1


def test_features_go_with_inputs_that_are_augmented() -> None:
    noisy = learner(ExperienceReplay(20, features="0"), split(), prepare=lambda x: x + 0.1 * torch.randn_like(x))
    assert noisy.learn(part(0)).steps > 0


@pytest.mark.parametrize("policy", ["gradient_magnitude", "reservoir"])
@pytest.mark.parametrize("flat", [True, False])
def test_targets_of_one_number_each_are_remembered(policy: str, flat: bool) -> None:
    x = part(0).x
    net = nn.Sequential(nn.Linear(x[0].numel(), 1), *([nn.Flatten(0)] if flat else []))
    one = ContinualLearner(net, [ExperienceReplay(20, policy)], loss="mse", scenario="domain")
    for _ in range(2):
        one.learn(Experience(x.flatten(1), x.flatten(1).sum(1)))
    assert one.evaluate(Experience(x.flatten(1), x.flatten(1).sum(1)))["loss"] >= 0


@pytest.mark.parametrize(
    ("method", "each"),
    [
        (ExperienceReplay, 272),
        (partial(ExperienceReplay, features="0"), 144),
        (DarkExperienceReplay, 312),
        (AGEM, 272),
    ],
)
def test_bytes_keep_what_as_many_examples_would(method: Callable[..., Any], each: int) -> None:
    """Of one class that comes twice: as much of its first time as of its second."""
    first = digits(1)[0]
    held = []
    for memory in (Buffer(50, Herding()), Buffer(bytes=50 * each, policy=Herding())):
        net = network()
        net[0].requires_grad_(False)  # type: ignore[index]
        made = learner(method(memory=memory), net)
        for rows in (slice(0, 80), slice(80, 160)):
            made.learn(Experience(first.x[rows], first.y[rows]), steps=2)
        state = made.state_dict()["methods"][0]
        held.append(state.get("buffer", state.get("memory", state))["rows"])
    same_state(*held)
