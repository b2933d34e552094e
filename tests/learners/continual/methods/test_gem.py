"""GEM and A-GEM: no remembered loss may rise, and less is forgotten."""

from pathlib import Path

import pytest
import torch
from tests.learners.continual.streams import digits, network, same
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Experience, Hooks, Joint, Method
from onward.learners.continual.memory import Buffer, Random
from onward.learners.continual.methods._gem import AGEM, GEM


def learner(*methods: Method, **settings: object) -> ContinualLearner:
    return ContinualLearner(
        network(), methods, **{"optimizer": "sgd", "rate": 0.1, "batch_size": 16, "seed": 1, **settings}
    )


class Watching:
    """Notes the slopes of losses along the gradient that is about to be followed."""

    def __init__(self, past: list[Experience]) -> None:
        self.past, self.slopes = past, []

    def start(self, course: object) -> Hooks:
        def look(step: object) -> None:
            own = torch.cat([p.grad.flatten() for p in course.network.parameters()])
            for e in self.past:
                scores = course.heads.scores(course.network(e.x), e.task)
                found = torch.autograd.grad(nn.functional.cross_entropy(scores, e.y), course.network.parameters())
                reference = torch.cat([part.flatten() for part in found])
                self.slopes.append(float(own @ reference / reference.norm() / own.norm()))

        return Hooks(gradients=look)


@pytest.mark.parametrize("scenario", ["class", "task", "domain"])
def test_no_step_of_gem_works_against_what_is_remembered(scenario: str) -> None:
    first, second, third = digits()[:3]
    watching = Watching([])
    one = learner(GEM(each=1000, margin=0.5), watching, scenario=scenario)
    one.learn(first, epochs=2)
    watching.past = [first]
    one.learn(second, epochs=1)
    watching.past = [first, second]
    one.learn(third, epochs=1)
    assert len(watching.slopes) > 60
    assert min(watching.slopes) >= -1e-5
    against = Watching([first])
    plain = learner(against, scenario=scenario)
    plain.learn(first, epochs=2)
    plain.learn(second, epochs=1)
    assert min(against.slopes) < -0.01


def test_an_averaged_step_works_against_nothing_where_the_draw_is_everything() -> None:
    first, second = digits()[:2]
    watching = Watching([])
    one = learner(AGEM(Buffer(1000, Random()), batch_size=1000), watching)
    one.learn(first, epochs=2)
    watching.past = [first]
    one.learn(second, epochs=1)
    assert min(watching.slopes) >= -1e-5


def test_less_is_forgotten() -> None:
    def accuracy(*methods: Method) -> float:
        one = learner(*methods)
        for experience in digits():
            one.learn(experience, epochs=3)
        return sum(one.evaluate(experience)["accuracy"] for experience in digits()) / 5

    plain = accuracy()
    assert plain < 0.25
    assert accuracy(GEM(each=40)) > 0.8
    assert accuracy(AGEM(Buffer(200))) > plain + 0.03


def test_real_targets_are_held_too() -> None:
    torch.manual_seed(0)
    x = torch.rand(120, 3)
    first, second = (Experience(x + shift, x.sum(1, keepdim=True) * sign, task=0) for shift, sign in ((0, 1), (1, -1)))

    def error(*methods: Method) -> float:
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 1))
        one = ContinualLearner(net, methods, loss="mse", scenario="domain", optimizer="sgd", rate=0.05, batch_size=20)
        one.learn(first, epochs=10)
        one.learn(second, epochs=10)
        return one.evaluate(first)["loss"]

    plain = error()
    assert error(GEM(each=100)) < plain / 2
    assert error(AGEM(Buffer(100), batch_size=100)) < plain / 2


def test_parameters_that_the_batch_leaves_alone_are_held_too() -> None:
    class Heads(nn.Module):
        """Each example goes through the head that its first value names."""

        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.heads = nn.ModuleList([nn.Linear(2, 2), nn.Linear(2, 2)])

        def forward(self, x: Tensor) -> Tensor:
            return self.heads[int(x[0, 0])](x)

    y = torch.tensor([0, 1] * 10)
    first, second = (
        Experience(torch.cat([torch.full((20, 1), at), torch.randn(20, 1)], 1), y, task=0) for at in (0.0, 1.0)
    )
    for method in (GEM(each=20), AGEM(Buffer(20))):
        one = ContinualLearner(Heads(), [method], scenario="domain", optimizer="sgd", rate=0.1, batch_size=20)
        one.learn(first, epochs=3)
        one.learn(second, epochs=3)
        assert all(p.grad is not None for p in one.network.parameters())


@pytest.mark.parametrize("made", [lambda: GEM(each=20), lambda: AGEM(50, batch_size=20)])
def test_goes_on_bit_for_bit(tmp_path: Path, made: object) -> None:
    first, second, third = digits()[:3]

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done >= 10:
            raise Killed

    whole, cut = learner(made()), learner(made())
    for one in (whole, cut):
        one.learn(first)
        one.learn(second)
    whole.learn(third, epochs=2)
    with pytest.raises(Killed):
        cut.learn(third, epochs=2, checkpoints=tmp_path, checkpoint_every=5, progress=kill)
    other = learner(made())
    assert other.resume(tmp_path) == 2
    other.learn(third, epochs=2, checkpoints=tmp_path)
    same(whole, other)


def test_what_is_to_be_forgotten_goes() -> None:
    first, second = digits()[:2]
    keyed = Experience(first.x, first.y, 0, keys=[f"a{at}" for at in range(len(first))])
    for method, count in ((GEM(each=1000), len(first)), (AGEM(Buffer(1000)), len(first))):
        one = learner(method)
        one.learn(keyed)
        assert one.forget(["a0", "a3", "nobody"]) == 2
        assert one.forget(["a0"]) == 0
        assert one.forget([f"a{at}" for at in range(len(first))]) == count - 2
        one.learn(second)  # nothing is left to be held by
        unkeyed = learner(method)
        unkeyed.learn(first)
        assert unkeyed.forget(["a0"]) == 0


@pytest.mark.parametrize("wrong", [{"each": 0}, {"each": 1.5}, {"margin": -0.1}, {"margin": float("nan")}])
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        GEM(**wrong)


def test_wrong_settings_of_the_averaged_are_refused() -> None:
    with pytest.raises(InvalidInput, match="batch_size"):
        AGEM(10, batch_size=0)
    with pytest.raises(InvalidInput, match="memory"):
        AGEM(0)


@pytest.mark.parametrize("method", [GEM(each=8), Joint()])
def test_examples_that_were_kept_come_to_where_the_network_is(method: Method) -> None:
    first = digits()[0]
    one = ContinualLearner(network(), [method])
    one.learn(first, steps=1)
    kept = one.state_dict()["methods"]
    elsewhere = ContinualLearner(network().to("meta"), [method])
    hooks = elsewhere._hooks[0]
    assert hooks.restore
    assert hooks.state
    hooks.restore(kept[0])
    held = hooks.state().get("memories", [hooks.state()])[0]
    assert held["x"].device.type == held["y"].device.type == "meta"
