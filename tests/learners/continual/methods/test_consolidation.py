"""Elastic weight consolidation, synaptic intelligence, memory-aware synapses and the quadratic they share."""

import copy

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learners.continual.importance.plain import close, empirical, moments
from tests.learners.continual.streams import digits, network, same
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import (
    EWC,
    ContinualLearner,
    Experience,
    Hooks,
    KroneckerLaplace,
    MemoryAwareSynapses,
    Progressive,
    ProgressiveNetwork,
    SynapticIntelligence,
)
from onward.learners.continual._heads import Heads
from onward.learners.continual._losses import loss_of
from onward.learners.continual._method import Course, unchanged
from onward.learners.continual.methods._quadratic import Quadratic

METHODS = (
    EWC(50.0),
    EWC(50.0, online=True, decay=0.5, kind="exact", normalise=False, examples=40),
    SynapticIntelligence(5.0),
    MemoryAwareSynapses(0.5, decay=0.9, examples=50),
)


def small(seed=0, scenario="domain", outputs=3):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, outputs)).double()
    return Course(net, loss_of("cross_entropy"), Heads(scenario), unchanged, torch.Generator().manual_seed(0), 8)


def experience(seed=0, n=24, classes=3, task=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, dtype=torch.double, generator=generator)
    return Experience(x, torch.randint(classes, (n,), generator=generator), task=task)


def wander(course, seed):
    """Another place for the parameters."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in course.network.parameters():
            value.add_(torch.randn(value.shape, dtype=value.dtype, generator=generator), alpha=0.3)


def values(course):
    return {name: value.detach().clone() for name, value in course.parameters().items()}


def pulled(hooks, course):
    """What a method adds to gradients that were zero."""
    for value in course.network.parameters():
        value.grad = torch.zeros_like(value)
    hooks.gradients(None)
    return {name: value.grad.clone() for name, value in course.parameters().items()}


def gradient_of(penalty, course):
    found = torch.autograd.grad(penalty, list(course.parameters().values()))
    return dict(zip(course.parameters(), found, strict=True))


@settings(max_examples=20, deadline=None)
@given(count=st.integers(1, 12), zeros=st.floats(0, 1), seed=st.integers(0, 1000))
def test_one_quadratic_is_the_sum_of_many(count, zeros, seed):
    course = small(seed)
    quadratic, parts = Quadratic(course), []
    generator = torch.Generator().manual_seed(seed)
    for at in range(count):
        wander(course, seed + at)
        weight = {
            name: torch.rand(value.shape, dtype=torch.double, generator=generator)
            * (torch.rand(value.shape, generator=generator) >= zeros)
            for name, value in course.parameters().items()
        }
        quadratic.merge(weight)
        parts.append((weight, values(course)))
    wander(course, seed + count)
    now = course.parameters()
    penalty = sum((w[n] * (now[n] - p[n]).square()).sum() for w, p in parts for n in now) * 7 / 2
    for value in now.values():
        value.grad = torch.zeros_like(value)
    quadratic.pull(7.0)
    close({name: value.grad for name, value in now.items()}, gradient_of(penalty, course), 1e-12)


def penalty_of(parts, course, strength):
    now = course.parameters()
    return sum((f[n] * (now[n] - place[n]).square()).sum() for f, place in parts for n in now) * strength


def naive(course, lesson):
    return moments(course.network, lesson.x, empirical(lesson.y))


def test_offline_consolidation_pulls_like_one_penalty_for_each_experience():
    course = small()
    hooks, parts = EWC(3.0, kind="empirical").start(course), []
    for at in range(3):
        wander(course, at)
        lesson = experience(at)
        hooks.end(lesson)
        parts.append((naive(course, lesson), values(course)))
    wander(course, 9)
    close(pulled(hooks, course), gradient_of(penalty_of(parts, course, 3 / 2), course), 1e-9)


def test_online_consolidation_decays_around_the_latest_parameters():
    course = small()
    hooks = EWC(3.0, online=True, decay=0.5, kind="empirical").start(course)
    total = None
    for at in range(3):
        wander(course, at)
        lesson = experience(at)
        hooks.end(lesson)
        found = naive(course, lesson)
        total = found if total is None else {name: total[name] / 2 + found[name] for name in found}
    parts = [(total, values(course))]
    wander(course, 9)
    close(pulled(hooks, course), gradient_of(penalty_of(parts, course, 3 / 2), course), 1e-9)


def test_normalised_importance_has_a_mean_of_one():
    course = small()
    hooks = EWC(normalise=True).start(course)
    hooks.end(experience())
    weight = torch.cat([value.flatten() for value in hooks.state()["weight"].values()])
    assert float(weight.mean()) == pytest.approx(1)
    with torch.no_grad():
        for value in course.network[2].parameters():
            value.zero_()
        course.network[2].bias[0] = 1e4  # the network is certain: nothing matters
    hooks = EWC(normalise=True).start(course)
    hooks.end(experience())
    assert all(bool(value.eq(0).all()) for value in hooks.state()["weight"].values())


def test_consolidation_draws_examples_without_putting_back():
    course, lesson = small(), experience()
    hooks = EWC(kind="empirical", examples=len(lesson) - 1).start(course)
    hooks.end(lesson)
    found = hooks.state()["weight"]
    left_out = []
    for row in range(len(lesson)):
        rows = [at for at in range(len(lesson)) if at != row]
        left_out.append(moments(course.network, lesson.x[rows], empirical(lesson.y[rows])))
    assert sum(all(torch.allclose(found[n], one[n]) for n in found) for one in left_out) == 1


@pytest.mark.parametrize("method", [EWC(kind="exact"), MemoryAwareSynapses(), EWC()])
def test_outputs_that_do_not_count_are_not_tied(method):
    course = small(scenario="task", outputs=6)
    lesson = experience(task=1)
    course.heads.learn(Experience(lesson.x, lesson.y + 3, task=0))
    course.heads.learn(lesson)
    hooks = method.start(course)
    hooks.end(lesson)
    weight = hooks.state()["weight"]["2.weight"]
    assert weight[:3].gt(0).any()
    assert weight[3:].eq(0).all()


def test_strength_means_the_same_for_every_batch_size():
    found = []
    for size in (1, 7, 24):
        course = small()
        course.batch_size = size
        hooks = EWC(3.0, kind="empirical").start(course)
        hooks.end(experience())
        wander(course, 1)
        found.append(pulled(hooks, course))
    close(found[1], found[0], 1e-12)
    close(found[2], found[0], 1e-12)


def test_regression_is_consolidated_too():
    course = small(outputs=2)
    lesson = experience()
    lesson = Experience(lesson.x, torch.randn(len(lesson), 2, dtype=torch.double))
    hooks = EWC(kind="empirical").start(course)
    hooks.end(lesson)
    true = moments(course.network, lesson.x, lambda out, row: [(1, (out - lesson.y[row]).square().sum() / 2)])
    close(hooks.state()["weight"], true)


def test_synapses_are_as_aware_as_the_norm_of_the_outputs_changes():
    course = small()
    hooks, total = MemoryAwareSynapses(2.0, decay=0.5).start(course), None
    for at in range(2):
        wander(course, at)
        lesson = experience(at)
        hooks.end(lesson)
        found = moments(course.network, lesson.x, lambda out, row: [(1, out.square().sum())], torch.abs)
        total = found if total is None else {name: total[name] / 2 + found[name] for name in found}
    parts = [(total, values(course))]
    wander(course, 9)
    close(pulled(hooks, course), gradient_of(penalty_of(parts, course, 2.0), course), 1e-9)


def naive_si(net, lessons, batches, strength, damping, rate):
    """Zenke et al. as written, with autograd for the penalty too, and plain gradient descent."""
    net = copy.deepcopy(net)
    named = dict(net.named_parameters())
    omega = {name: torch.zeros_like(value) for name, value in named.items()}
    center = {name: value.detach().clone() for name, value in named.items()}
    for lesson, rows in zip(lessons, batches, strict=True):
        begun = {name: value.detach().clone() for name, value in named.items()}
        paid = {name: torch.zeros_like(value) for name, value in named.items()}
        for row in rows:
            loss = F.cross_entropy(net(lesson.x[row]), lesson.y[row])
            alone = torch.autograd.grad(loss, list(named.values()), retain_graph=True)
            penalty = sum((omega[n] * (named[n] - center[n]).square()).sum() for n in named)
            whole = torch.autograd.grad(loss + strength * penalty, list(named.values()))
            with torch.no_grad():
                for (name, value), slope, all_of_it in zip(named.items(), alone, whole, strict=True):
                    before = value.clone()
                    value.sub_(rate * all_of_it)
                    paid[name] -= slope * (value - before)
        for name, value in named.items():
            center[name] = value.detach().clone()
            omega[name] = (omega[name] + paid[name] / ((center[name] - begun[name]) ** 2 + damping)).clamp_min(0)
    return omega, {name: value.detach() for name, value in named.items()}


class Recording:
    """Writes down which rows each step was taken on."""

    def __init__(self):
        self.batches = []

    def start(self, course):
        return Hooks(
            begin=lambda experience: self.batches.append([]),
            stepped=lambda step: self.batches[-1].append(step.index.clone()),
        )


@pytest.mark.parametrize("together", [False, True])
def test_synaptic_intelligence_is_the_path_integral(together):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    lessons, recording = [experience(at) for at in range(3)], Recording()
    others = [EWC(0.0), MemoryAwareSynapses(0.0)] if together else []
    learner = ContinualLearner(
        copy.deepcopy(net),
        [*others, SynapticIntelligence(2.0, damping=0.01), recording],
        scenario="domain",
        optimizer="sgd",
        rate=0.1,
        batch_size=8,
    )
    for lesson in lessons:
        learner.learn(lesson, epochs=4)
    omega, end = naive_si(net, lessons, recording.batches, 2.0, 0.01, 0.1)
    close(learner.state_dict()["methods"][len(others)]["weight"], omega, 1e-9)
    close(dict(learner.network.state_dict()), end, 1e-9)


def test_the_account_holds_no_penalty_whatever_the_order():
    """A penalty so strong that it rules every step leaves both orders with one account."""
    found = []
    for order in (0, 1):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
        methods = [EWC(20.0, kind="empirical"), SynapticIntelligence(2.0)]
        learner = ContinualLearner(
            net, methods[:: -1 if order else 1], scenario="domain", optimizer="sgd", rate=0.05, batch_size=8
        )
        for at in range(2):
            learner.learn(experience(at), epochs=3)
        found.append(learner.state_dict()["methods"][0 if order else 1]["weight"])
    close(found[0], found[1], 1e-9)


@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_parameters_come_and_stay_with_a_network_that_grows(method, before):
    torch.manual_seed(0)
    net = ProgressiveNetwork(nn.Sequential(nn.Linear(64, 8), nn.ReLU(), nn.Linear(8, 10)))
    methods = [method, Progressive()] if before else [Progressive(), method]
    learner = ContinualLearner(net, methods, scenario="task", batch_size=64)
    for lesson in digits()[:2]:
        learner.learn(lesson, epochs=1)
    weight = learner.state_dict()["methods"][0 if before else 1]["weight"]
    trained = {name for name, value in learner.network.named_parameters() if value.requires_grad}
    assert trained <= weight.keys()
    assert sum(float(weight[name].sum()) for name in trained) > 0


def test_parameters_that_a_loss_does_not_reach_are_pulled_and_not_accounted():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.used(x)

    torch.manual_seed(0)
    learner = ContinualLearner(Two().double(), [SynapticIntelligence(), EWC()], scenario="domain")
    learner.learn(experience(), epochs=2)
    learner.learn(experience(1), epochs=2)
    weights = [held["weight"] for held in learner.state_dict()["methods"]]
    assert weights[0]["unused.weight"].eq(0).all()
    assert weights[1]["unused.weight"].eq(0).all()
    assert weights[0]["used.weight"].gt(0).any()


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_goes_on_bit_for_bit_within_an_experience(tmp_path, method):
    def learner():
        return ContinualLearner(network(dropout=0.2), [method], scenario="task", rate=3e-3, batch_size=32, seed=4)

    whole, cut = learner(), learner()
    for experience in digits()[:2]:
        whole.learn(experience, epochs=2)
    cut.learn(digits()[0], epochs=2)

    def kill(done, total, note):
        if done >= 9:
            raise KeyError

    with pytest.raises(KeyError):
        cut.learn(digits()[1], epochs=2, checkpoints=tmp_path, checkpoint_every=4, progress=kill)
    other = learner()
    assert other.resume(tmp_path) == 1
    other.learn(digits()[1], epochs=2, checkpoints=tmp_path)
    same(whole, other)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: type(method).__name__)
def test_nothing_grows_and_old_tasks_are_kept(method):
    learner = ContinualLearner(network(), [method], scenario="task", rate=1e-3, batch_size=64)

    def size():
        state = learner.state_dict()["methods"][0]
        return sum(value.numel() for part in state.values() for value in part.values())

    first = digits()[0]
    learner.learn(first, epochs=10)
    grown = size()
    assert grown == 2 * sum(value.numel() for value in learner.network.parameters())
    for at in range(1, 50):
        lesson = digits()[at % 5]
        learner.learn(Experience(lesson.x[:64], lesson.y[:64], lesson.task), epochs=1)
    assert size() == grown
    assert learner.evaluate(first)["accuracy"] > 0.9


def test_a_state_is_not_shared_with_whoever_gave_it():
    first, second = small(), small()
    one, other = EWC().start(first), EWC().start(second)
    one.end(experience())
    state = one.state()
    before = copy.deepcopy(state)
    other.restore(state)
    other.end(experience(1))
    assert all(torch.equal(state["weight"][n], before["weight"][n]) for n in before["weight"])


@pytest.mark.parametrize(
    "make",
    [
        lambda: EWC(-1.0),
        lambda: EWC(float("inf")),
        lambda: EWC(decay=0.5),
        lambda: EWC(online=True, decay=1.5),
        lambda: EWC(kind="nearly"),
        lambda: EWC(examples=0),
        lambda: SynapticIntelligence(-1.0),
        lambda: SynapticIntelligence(damping=0.0),
        lambda: MemoryAwareSynapses(float("nan")),
        lambda: MemoryAwareSynapses(decay=-0.1),
        lambda: MemoryAwareSynapses(examples=0),
    ],
)
def test_settings_out_of_range_are_refused(make):
    with pytest.raises(InvalidInput):
        make()


def smoothed(scores, y):
    return F.cross_entropy(scores, y, label_smoothing=0.3)


@pytest.mark.parametrize("loss", [smoothed, nn.CrossEntropyLoss(), nn.MultiMarginLoss()])
def test_given_targets_are_weighed_by_the_loss_of_the_learner(loss):
    course, lesson = small(), experience()
    course.loss = loss_of(loss)
    hooks = EWC(kind="empirical").start(course)
    hooks.end(lesson)
    wanted = moments(course.network, lesson.x, lambda said, row: [(1, loss(said, lesson.y[row : row + 1]))])
    close(hooks.state()["weight"], wanted, 1e-9)


def test_many_small_weights_add_up_in_half_precision():
    course = small()
    course.network.bfloat16()
    quadratic = Quadratic(course)
    ones = {name: torch.ones_like(value) for name, value in values(course).items()}
    for _ in range(400):
        quadratic.merge(ones)
    assert all(bool((value == 400).all()) for value in quadratic.weight.values())
    quadratic.replace(ones)
    assert all(bool((value == 401).all()) for value in quadratic.weight.values())


def test_the_account_of_many_steps_adds_up_in_half_precision():
    paid = {}

    class Noting:
        def start(self, course):
            def measure(step):
                self.before = {
                    name: (value.grad.double(), value.detach().double()) for name, value in course.parameters().items()
                }

            def stepped(step):
                for name, value in course.parameters().items():
                    slope, place = self.before[name]
                    paid[name] = paid.get(name, 0) + slope * (place - value.detach().double())

            return Hooks(measure=measure, stepped=stepped)

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 4)).bfloat16()
    begun = {name: value.detach().double() for name, value in net.named_parameters()}
    si = SynapticIntelligence(0.0)
    learner = ContinualLearner(net, [si, Noting()], optimizer="sgd", rate=0.05, batch_size=8)
    x = torch.randn(400, 4)
    learner.learn(Experience(x.bfloat16(), x.argmax(1)), steps=1000)
    found = learner.state_dict()["methods"][0]["weight"]
    for name, value in net.named_parameters():
        earned = paid[name] / ((value.detach().double() - begun[name]).square() + si.damping)
        torch.testing.assert_close(found[name].double(), earned.clamp_min(0), rtol=0.01, atol=1e-3)


@pytest.mark.parametrize("method", [*METHODS, KroneckerLaplace(5.0)], ids=lambda method: type(method).__name__)
def test_goes_on_bit_for_bit_in_half_precision(method):
    def made():
        torch.manual_seed(0)
        return ContinualLearner(network().bfloat16(), [method], optimizer="sgd", rate=0.01, batch_size=32)

    parts = [Experience(one.x.bfloat16(), one.y, one.task) for one in digits()[:3]]
    whole, torn = made(), made()
    for part in parts[:2]:
        whole.learn(part)
    torn.load_state_dict(whole.state_dict())
    whole.learn(parts[2])
    torn.learn(parts[2])
    same(whole, torn)
    assert all(value.dtype == torch.bfloat16 for value in torn.network.parameters())
