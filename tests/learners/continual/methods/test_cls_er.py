"""Averages of weights, and replay with two of them as teachers."""

import copy
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learners.continual.streams import digits, network, same
from torch import nn
from torch.nn.functional import cross_entropy

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Course, Experience, Heads, Hooks, Method, Step
from onward.learners.continual._losses import loss_of
from onward.learners.continual.memory import Buffer, Random
from onward.learners.continual.methods._cls_er import CLSER, better
from onward.learners.continual.methods._der import DarkExperienceReplay
from onward.learners.continual.methods._ema import EMA

EMPTY = torch.empty(0)
QUICK = {"stable": EMA(0.98, 0.7), "plastic": EMA(0.95, 0.9)}


def learner(*methods: Method, net: nn.Module | None = None, **settings: object) -> ContinualLearner:
    return ContinualLearner(
        net or network(), methods, **{"optimizer": "sgd", "rate": 0.1, "batch_size": 16, "seed": 1, **settings}
    )


class Noting:
    """Keeps a copy of the weights after every step."""

    def __init__(self) -> None:
        self.weights: list[dict[str, torch.Tensor]] = []

    def start(self, course: Course) -> Hooks:
        return Hooks(stepped=lambda step: self.weights.append(copy.deepcopy(course.network.state_dict())))


def normed() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 10)).double()


def test_an_average_follows_the_weights_and_statistics() -> None:
    first = digits()[0]
    noting, net = Noting(), normed()
    start = copy.deepcopy(net.state_dict())
    one = ContinualLearner(net, [EMA(decay=0.9), noting], batch_size=16, rate=0.01, seed=1, prepare=torch.Tensor.double)
    one.learn(first)
    expected = start
    for at, weights in enumerate(noting.weights, 1):
        decay = min(1 - 1 / (at + 1), 0.9)
        expected = {
            n: decay * old + (1 - decay) * weights[n] if old.is_floating_point() else weights[n]
            for n, old in expected.items()
        }
    found = one.serving.state_dict()
    assert len(noting.weights) > 20
    for name, value in expected.items():
        assert torch.allclose(found[name].double(), value.double(), rtol=1e-10, atol=1e-12), name
    assert not torch.allclose(found["0.weight"], one.network.state_dict()["0.weight"], rtol=1e-3)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_an_average_of_half_precision_moves_by_less_than_it_can_tell(kind: torch.dtype, tmp_path: Path) -> None:
    def new(*others: Method) -> ContinualLearner:
        return learner(EMA(0.999), *others, net=network().to(kind), rate=0.5, prepare=lambda x: x.to(kind))

    noting = Noting()
    one, first = new(noting), digits()[0]
    average = one.network[0].weight.detach().float()
    one.learn(first, steps=300)
    for at, weights in enumerate(noting.weights, 1):
        average = average.lerp(weights["0.weight"].float(), 1 - min(1 - 1 / (at + 1), 0.999))
    torch.testing.assert_close(one.serving[0].weight, average.to(kind))
    one = new()
    one.learn(first, steps=300)
    one.save(tmp_path)
    other = new()
    assert other.resume(tmp_path) == 1
    for each in (one, other):
        each.learn(first, steps=9)
    same(one, other)
    assert torch.equal(one.scores(first.x), other.scores(first.x))


def test_tied_weights_move_once() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.first, self.second = nn.Linear(64, 64), nn.Linear(64, 64)
            self.second.weight = self.first.weight
            self.last = nn.Linear(64, 10)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.last(self.second(torch.relu(self.first(x))))

    noting = Noting()
    net = Tied()
    start = net.first.weight.detach().clone()
    one = ContinualLearner(net, [EMA(decay=0.5), noting], batch_size=200)
    one.learn(digits()[0], steps=2)
    after = [weights["first.weight"] for weights in noting.weights]
    assert torch.allclose(one.serving.first.weight, start / 4 + after[0] / 4 + after[1] / 2, atol=1e-6)


def test_chance_decides_when_an_average_moves() -> None:
    moved = []

    class Watching:
        def start(self, course: Course) -> Hooks:
            return Hooks(stepped=lambda step: moved.append(float(one.serving[0].weight.detach().sum())))

    one = learner(EMA(0.9, frequency=0.3), Watching())
    one.learn(digits()[0], epochs=4)
    changes = sum(a != b for a, b in pairwise(moved)) / (len(moved) - 1)
    assert 0.15 < changes < 0.5


def course_of(kind: str, net: nn.Module) -> Course:
    heads = Heads(kind)
    for task, classes in enumerate(((0, 1), (2, 3))):
        heads.learn(Experience(torch.zeros(2, 3), torch.tensor(classes), task))
    return Course(net, cross_entropy, heads, lambda x: x, torch.Generator().manual_seed(3), 4)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["class", "task", "domain"]),
    weight=st.sampled_from([0.0, 0.1, 2.0]),
    two=st.booleans(),
    count=st.integers(1, 7),
    seed=st.integers(0, 100),
)
def test_what_is_added_to_the_loss_is_the_formula(kind: str, weight: float, two: bool, count: int, seed: int) -> None:
    torch.manual_seed(seed)
    net = nn.Linear(3, 5).double()
    course = course_of(kind, net)
    hooks = CLSER(5, count, weight, EMA(0.9), EMA(0.5) if two else None).start(course)
    memory = hooks.forget.__self__
    experience = Experience(torch.randn(6, 3).double(), torch.tensor([2, 3, 2, 3, 2, 3]), task=1)
    step = Step(experience, 0, torch.arange(6), experience.x, experience.y, net(experience.x), EMPTY, EMPTY)
    assert hooks.recall(step) is None
    assert hooks.weight(step) == 1.0
    teachers = [net.weight.detach().clone() for _ in range(2 if two else 1)], net.bias.detach().clone()
    for at in (1, 2, 3):
        with torch.no_grad():
            net.weight.add_(torch.randn(5, 3))
        hooks.stepped(step)
        for teacher, decay in zip(teachers[0], (0.9, 0.5), strict=False):
            pace = min(1 - 1 / (at + 1), decay)
            teacher.mul_(pace).add_(net.weight.detach(), alpha=1 - pace)

    before = course.generator.get_state()
    step.recalled = hooks.recall(step)
    outputs = net(step.recalled)
    found = hooks.objective(step, outputs) + hooks.weight(step) * cross_entropy(net(step.x), step.y)
    course.generator.set_state(before)
    sample = memory.sample(count, course.generator)
    counting = {"task": [2, 3], "class": [0, 1, 2, 3], "domain": list(range(5))}[kind]

    def loss(given: torch.Tensor, y: int, among: list[int]) -> torch.Tensor:
        return -given[y] + torch.stack([given[c] for c in among]).exp().sum().log()

    losses = [loss(net(x), int(y), counting) for x, y in zip(sample.x, sample.y, strict=True)]
    losses += [loss(net(x), int(y), list(range(5))) for x, y in zip(step.x, step.y, strict=True)]
    expected, squares = sum(losses) / len(losses), []
    for x, y in zip(sample.x, sample.y, strict=True):
        said = [teacher @ x + teachers[1] for teacher in teachers[0]]
        chosen = min(reversed(said), key=lambda given: loss(given, int(y), counting).item())
        squares.append(((net(x) - chosen) ** 2).mean())
    expected = expected + weight * sum(squares) / len(squares)
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    gradients = [torch.autograd.grad(total, net.weight, retain_graph=True)[0] for total in (found, expected)]
    assert torch.allclose(*gradients, rtol=1e-8, atol=1e-11)


def test_of_real_targets_the_closer_teacher_is_taken() -> None:
    said = [torch.tensor([[1.0, 1.0], [5.0, 5.0], [2.0, 2.0]]), torch.tensor([[3.0, 3.0], [4.0, 0.0], [2.0, 0.0]])]
    y = torch.tensor([[1.0, 2.0], [4.0, 1.0], [2.0, 1.0]])
    assert better(said, said, y, loss_of("mse")).tolist() == [[1.0, 1.0], [4.0, 0.0], [2.0, 0.0]]


def test_teachers_see_the_same_augmented_inputs_as_the_network() -> None:
    seen: list[torch.Tensor] = []

    class Remembering(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = network()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            seen.append(x)
            return self.inner(x)

    one = ContinualLearner(
        Remembering(),
        [CLSER(40, batch_size=8)],
        batch_size=16,
        augment=lambda x: x + torch.rand_like(x),
    )
    one.learn(digits()[0], steps=3)
    taught = [x for x in seen if len(x) == 8]
    together = [x for x in seen if len(x) == 24]
    assert (len(taught), len(together)) == (4, 2)
    for at, whole in enumerate(together):
        assert torch.equal(whole[16:], taught[2 * at])
        assert torch.equal(whole[16:], taught[2 * at + 1])


def test_what_augments_in_training_alone_does_not_where_the_average_predicts() -> None:
    net = network()
    one = ContinualLearner(net, [EMA(0.9)], augment=lambda x: x + 100 * torch.randn_like(x))
    first = digits()[0]
    one.learn(first, steps=3)
    assert net.training
    with torch.no_grad():
        assert torch.equal(one.scores(first.x)[:, :2], one.serving(first.x)[:, :2])
    assert net.training


@pytest.mark.parametrize("scenario", ["class", "domain"])
def test_less_is_forgotten(scenario: str) -> None:
    def accuracy(*methods: Method) -> float:
        one = learner(*methods, scenario=scenario)
        for experience in digits():
            one.learn(experience, epochs=4)
        return sum(one.evaluate(experience)["accuracy"] for experience in digits()) / 5

    assert accuracy() < 0.25
    assert accuracy(CLSER(200, **QUICK)) > 0.75
    assert accuracy(CLSER(Buffer(200, Random()), stable=EMA(0.98, 0.7), plastic=None)) > 0.75
    assert accuracy(DarkExperienceReplay(Buffer(200), 0.3, 0.5), EMA(0.98)) > 0.75


def test_real_targets_are_held_too() -> None:
    torch.manual_seed(0)
    x = torch.rand(120, 3)
    first, second = (Experience(x + at, (1 - 2 * at) * x.sum(1, keepdim=True)) for at in (0, 1))

    def error(*methods: Method) -> float:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
        one = ContinualLearner(net, methods, loss="mse", scenario="domain", optimizer="sgd", rate=0.05, batch_size=20)
        one.learn(first, epochs=10)
        one.learn(second, epochs=10)
        return one.evaluate(first)["loss"]

    assert error(CLSER(Buffer(100), **QUICK)) < error() / 2


@pytest.mark.parametrize("made", [lambda: CLSER(40, batch_size=8, **QUICK), lambda: EMA(0.95, 0.5)])
def test_goes_on_bit_for_bit(tmp_path: Path, made: object) -> None:
    first, second = digits()[:2]

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done >= 20:
            raise Killed

    def new() -> ContinualLearner:
        return ContinualLearner(normed(), [made()], batch_size=16, prepare=torch.Tensor.double)

    whole, cut = new(), new()
    for one in (whole, cut):
        one.learn(first)
    whole.learn(second, epochs=2)
    with pytest.raises(Killed):
        cut.learn(second, epochs=2, checkpoints=tmp_path, checkpoint_every=7, progress=kill)
    other = new()
    assert other.resume(tmp_path) == 1
    other.learn(second, epochs=2, checkpoints=tmp_path)
    same(whole, other)
    assert torch.equal(whole.scores(first.x), other.scores(first.x))


def test_two_that_serve_are_refused() -> None:
    with pytest.raises(InvalidInput, match="predict with"):
        learner(CLSER(Buffer(10)), EMA())


def test_a_network_that_grows_is_refused() -> None:
    first, second = digits()[:2]
    one = learner(CLSER(Buffer(10)))
    one.learn(first)
    one.network.append(nn.Linear(10, 10))
    with pytest.raises(InvalidInput, match="no longer what its average was made of"):
        one.learn(second)


def test_a_network_of_another_precision_is_refused() -> None:
    one, first = learner(EMA(0.9)), digits()[0]
    one.learn(first)
    one.network.double()
    with pytest.raises(InvalidInput, match="another precision"):
        one.learn(Experience(first.x.double(), first.y))


def test_what_is_to_be_forgotten_goes() -> None:
    first = digits()[0]
    one = learner(CLSER(1000))
    one.learn(Experience(first.x, first.y, 0, keys=[f"a{at}" for at in range(len(first))]))
    assert one.forget(["a1", "nobody"]) == 1
    assert one._hooks[0].forget.__self__.keys().count("a1") == 0


@pytest.mark.parametrize(
    "wrong", [{"decay": 1.0}, {"decay": -0.1}, {"frequency": 0.0}, {"frequency": 1.1}, {"decay": float("nan")}]
)
def test_averages_that_cannot_follow_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        EMA(**wrong)


@pytest.mark.parametrize("wrong", [{"memory": 0}, {"batch_size": 0}, {"weight": -1.0}])
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        CLSER(**wrong)


def test_the_closer_teacher_may_give_one_number_each() -> None:
    said = [torch.tensor([1.0, 5.0]), torch.tensor([3.0, 4.0])]
    assert better(said, said, torch.tensor([1.0, 4.0]), loss_of("mse")).tolist() == [1.0, 4.0]


def test_the_better_teacher_is_so_by_the_loss_of_the_learner() -> None:
    said, y = [torch.tensor([[9.0], [-1.0]]), torch.tensor([[1.5], [1.0]])], torch.tensor([[1.0], [1.0]])
    assert better(said, said, y, nn.functional.binary_cross_entropy_with_logits).tolist() == [[9.0], [1.0]]
