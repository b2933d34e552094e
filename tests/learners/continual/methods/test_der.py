"""Dark experience replay: its formula, what it remembers, and that it forgets less."""

import math
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
from onward.learners.continual.memory import Buffer, Random
from onward.learners.continual.methods._adjustment import EXAMPLES
from onward.learners.continual.methods._der import DarkExperienceReplay
from onward.learners.continual.methods._gem import GEM

EMPTY = torch.empty(0)


def learner(*methods: Method, **settings: object) -> ContinualLearner:
    return ContinualLearner(
        network(), methods, **{"optimizer": "sgd", "rate": 0.1, "batch_size": 16, "seed": 1, **settings}
    )


def remembered(one: ContinualLearner) -> Buffer:
    return one._hooks[0].state.__self__.memory.buffer


def course_of(kind: str, net: nn.Module, size: int = 4) -> Course:
    heads = Heads(kind)
    for task, classes in enumerate(((0, 1), (2, 3, 4))):
        heads.learn(Experience(torch.zeros(len(classes), 3), torch.tensor(classes), task))
    return Course(net, cross_entropy, heads, lambda x: x, torch.Generator().manual_seed(3), size)


@settings(max_examples=25, deadline=None)
@given(
    kind=st.sampled_from(["class", "task", "domain"]),
    compared=st.sampled_from(["all", "met"]),
    adjustment=st.sampled_from([0.0, 0.7]),
    alpha=st.sampled_from([0.0, 0.1, 1.0]),
    beta=st.sampled_from([0.0, 0.5]),
    count=st.integers(1, 9),
    seed=st.integers(0, 100),
)
def test_what_is_added_to_the_loss_is_the_formula(
    kind: str, compared: str, adjustment: float, alpha: float, beta: float, count: int, seed: int
) -> None:
    if not beta and (not alpha or compared == "met"):
        return
    torch.manual_seed(seed)
    net = nn.Linear(3, 6).double()
    course = course_of(kind, net)
    hooks = DarkExperienceReplay(5, alpha, beta, count, compared=compared, adjustment=adjustment).start(course)
    memory = hooks.state.__self__.memory.buffer
    experience = Experience(torch.randn(7, 3).double(), torch.tensor([2, 3, 4, 2, 3, 4, 2]), task=1)
    outputs = net(experience.x)
    scores = course.heads.scores(outputs, 1)
    step = Step(experience, 0, torch.arange(7), experience.x, experience.y, outputs, scores, EMPTY)
    assert hooks.recall(step) is None
    assert hooks.objective(step, None) is None
    assert not adjustment or hooks.adjust(scores) is scores
    hooks.stepped(step)
    with torch.no_grad():
        net.weight.mul_(2).add_(0.3)
    later = Experience(torch.zeros(4, 3).double(), torch.tensor([5] * 4), 2)
    course.heads.learn(later)
    hooks.begin(later)
    before = course.generator.get_state()
    found = hooks.objective(step, net(hooks.recall(step)))

    course.generator.set_state(before)
    met = [0, 1, 2, 3, 4] if kind == "class" and compared == "met" else list(range(6))
    then = [2, 3, 4] if kind == "task" else met
    now = [2, 3, 4] if kind == "task" else list(range(6))
    kinds = len(memory.counts())  # five examples of so many classes, and four of class 5
    lead = 0.0 if kind == "task" else adjustment * (math.log(kinds) + EXAMPLES * math.log(4 * kinds / 5))
    prior = [-max(0.0, lead) if c in memory.counts() else 0.0 for c in range(6)]
    expected = torch.zeros((), dtype=torch.double)
    if alpha:
        said = memory.sample(count, course.generator)
        squares = [(net(x)[c] - z[c]) ** 2 for x, z in zip(said.x, said.extra["logits"], strict=True) for c in then]
        expected = expected + alpha * sum(squares) / len(squares)
    if beta:
        true = memory.sample(count, course.generator)
        losses = [
            -net(x)[y] - prior[y] + torch.stack([net(x)[c] + prior[c] for c in now]).exp().sum().log()
            for x, y in zip(true.x, true.y, strict=True)
        ]
        expected = expected + beta * sum(losses) / len(losses)
    assert found.item() == pytest.approx(expected.item(), rel=1e-9)
    assert (hooks.adjust is not None) == bool(adjustment)
    if adjustment:
        assert torch.allclose(hooks.adjust(scores), scores + torch.tensor(prior))
    gradients = [torch.autograd.grad(loss, net.weight, retain_graph=True)[0] for loss in (found, expected)]
    assert torch.allclose(*gradients, rtol=1e-9, atol=1e-12)


def test_outputs_are_remembered_as_they_were_when_the_example_came() -> None:
    first = digits()[0]
    said = []

    class Noting:
        def start(self, course: Course) -> Hooks:
            return Hooks(stepped=lambda step: said.append((step.x, step.outputs.detach().clone())))

    one = learner(DarkExperienceReplay(2000), Noting())
    one.learn(first)
    kept = remembered(one).contents()
    assert torch.equal(kept.x, torch.cat([x for x, _ in said]))
    assert torch.equal(kept.extra["logits"], torch.cat([outputs for _, outputs in said]))


@pytest.mark.parametrize("policy", ["random", "herding", "uncertainty"])
def test_a_policy_that_picks_at_the_end_gets_what_the_network_says_then(policy: str) -> None:
    first = digits()[0]
    one = learner(DarkExperienceReplay(50, policy=policy))
    one.learn(first)
    kept = remembered(one).contents()
    assert len(kept) == 50
    with torch.no_grad():
        assert torch.allclose(kept.extra["logits"], one.network(kept.x), atol=1e-6)


def test_what_was_said_of_classes_not_met_by_then_can_be_left_out() -> None:
    first, second = digits()[:2]
    for policy in ("random", "reservoir"):
        one = learner(DarkExperienceReplay(50, policy=policy, compared="met"))
        one.learn(first)
        one.learn(second)
        kept = remembered(one).contents()
        known = torch.tensor([[*[True] * 2, *[kind in (2, 3)] * 2, *[False] * 6] for kind in kept.y.tolist()])
        assert torch.equal(kept.extra["logits"].isfinite(), known)


def test_less_is_forgotten() -> None:
    def accuracy(*methods: Method) -> float:
        one = learner(*methods)
        for experience in digits():
            one.learn(experience, epochs=4)
        return sum(one.evaluate(experience)["accuracy"] for experience in digits()) / 5

    plain = accuracy()
    dark = accuracy(DarkExperienceReplay(200, alpha=0.5, beta=0.0))
    both = accuracy(DarkExperienceReplay(200, alpha=0.3, beta=0.5))
    assert plain < 0.25
    assert dark > plain + 0.2
    assert both > 0.75
    assert accuracy(DarkExperienceReplay(Buffer(200, Random()), alpha=0.3, beta=0.5), GEM(each=20)) > 0.75


def test_new_classes_do_not_win_for_coming_more_often() -> None:
    def forgotten(adjustment: float) -> float:
        stream, one = digits(), learner(DarkExperienceReplay(Buffer(100, Random()), 0.3, adjustment=adjustment))
        for experience in stream:
            one.learn(experience, epochs=6)
        return sum(1 - one.evaluate(experience)["accuracy"] for experience in stream[:-1]) / 4

    assert forgotten(1.0) < 0.7 * forgotten(0.0)


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

    plain = error()
    assert error(DarkExperienceReplay(Buffer(100), alpha=1.0, beta=0.0)) < plain / 2
    assert error(DarkExperienceReplay(Buffer(100), alpha=0.5, beta=0.5)) < plain / 2


def test_goes_on_bit_for_bit(tmp_path: Path) -> None:
    first, second = digits()[:2]

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done >= 20:
            raise Killed

    def made() -> ContinualLearner:
        return ContinualLearner(network(dropout=0.3), [DarkExperienceReplay(40, 0.3, 0.5, batch_size=8)], batch_size=16)

    whole, cut = made(), made()
    for one in (whole, cut):
        one.learn(first)
    whole.learn(second, epochs=2)
    with pytest.raises(Killed):
        cut.learn(second, epochs=2, checkpoints=tmp_path, checkpoint_every=7, progress=kill)
    other = made()
    assert other.resume(tmp_path) == 1
    other.learn(second, epochs=2, checkpoints=tmp_path)
    same(whole, other)


def test_what_is_to_be_forgotten_goes_wherever_the_policy_picked_it() -> None:
    first = digits()[0]
    keyed = Experience(first.x, first.y, 0, keys=[f"a{at}" for at in range(len(first))])
    for memory in (Buffer(1000), Buffer(1000, Random())):
        one = learner(DarkExperienceReplay(memory))
        one.learn(keyed)
        assert one.forget(["a0", "a3", "nobody"]) == 2
        assert not {"a0", "a3"} & set(remembered(one).keys())
        assert len(remembered(one)) == len(first) - 2


def test_another_number_of_outputs_is_refused() -> None:
    first, second = digits()[:2]
    one = learner(DarkExperienceReplay(40))
    one.learn(first)
    one.network[-1] = nn.Linear(32, 12)
    with pytest.raises(InvalidInput, match="outputs of shape"):
        one.learn(second)


@pytest.mark.parametrize(
    "wrong",
    [
        {"alpha": -1.0},
        {"beta": float("inf")},
        {"alpha": 0.0, "beta": 0.0},
        {"adjustment": -0.1},
        {"batch_size": 0},
        {"batch_size": 2.5},
        {"policy": "best"},
        {"compared": "some"},
        {"compared": "met", "beta": 0.0},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match="best" if "policy" in wrong else next(iter(wrong))):
        DarkExperienceReplay(10, **wrong)


def test_no_room_is_refused() -> None:
    with pytest.raises(InvalidInput, match="memory"):
        DarkExperienceReplay(0)
