"""MAML and its relatives against a loop that unrolls, and against finite differences of the outer loss."""

from __future__ import annotations

import re

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call

from onward.core import InvalidInput
from onward.learners.meta import ANIL, MAML, MAMLPlusPlus, MetaLearner, MetaSGD
from onward.learners.meta.algorithms._maml import RATE
from onward.learners.meta.engine import Params
from onward.learners.meta.tasks import MetaLearningTask, TaskBatch

NET = nn.Sequential(
    nn.Conv2d(2, 5, 3, 2, 1), nn.BatchNorm2d(5, track_running_stats=False), nn.ReLU(), nn.Conv2d(5, 4, 3, 1, 1),
    nn.GroupNorm(2, 4), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(4, 3),
)  # fmt: skip
ALGORITHMS = {
    "MAML": MAML(inner_rate=0.3),
    "first order": MAML(inner_rate=0.3, first_order=True),
    "ANIL": ANIL("^8", inner_rate=0.3),
    "weights only": MAML(adapt="weight", inner_rate=0.3),
    "Meta-SGD": MetaSGD(3, 0.2),
    "MAML++": MAMLPlusPlus(3, 0.2),
    "MAML++ with norms of every step": MAMLPlusPlus(3, 0.2, norms="^[14]"),
    "MAML++ before second order": MAMLPlusPlus(3, 0.2, first_order_until=5),
    "rates of some": MAML(inner_rate=0.3, rates="per_step", adapt="[378]"),
    "one step": MAML(1, 0.5),
}


@pytest.fixture(scope="module")
def net() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for module in NET:
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
    return NET.double()


def tasks(count: int = 5, seed: int = 0) -> TaskBatch:
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 9, 2, 6, 6, generator=generator, dtype=torch.float64)
    y = torch.arange(3).repeat(3).expand(count, 9).contiguous()
    return TaskBatch(x[:, :3], y[:, :3], x[:, 3:], y[:, 3:])


def outer_loss(net: nn.Module, algorithm: MAML, meta: Params, task: MetaLearningTask, at: int = 0) -> Tensor:
    """The outer loss of one task, everything unrolled: what the papers write, as plainly as it can be said."""
    names = [name for name, _ in net.named_parameters()]
    own = [n for n in names if algorithm.per_step_norm and re.search(algorithm.per_step_norm, n)]
    moves = [n for n in names if (algorithm.adapt is None or re.search(algorithm.adapt, n)) and n not in own]
    second = not algorithm.first_order and at >= algorithm.first_order_until
    weights = algorithm._weights(at)

    def loss(params: Params, part: tuple[Tensor, Tensor]) -> Tensor:
        return F.cross_entropy(functional_call(net, params, (part[0],)), part[1])

    params, total = {n: meta[n] for n in names}, torch.zeros((), dtype=torch.float64)
    for k in range(algorithm.inner_steps):
        if k:
            params |= {n: meta[f"step:{k}:{n}"] for n in own}
            total = total + weights[k - 1] * loss(params, task.query_set)
        grads = torch.autograd.grad(loss(params, task.support_set), [params[n] for n in moves], create_graph=second)
        for name, grad in zip(moves, grads, strict=True):
            rate: float | Tensor = algorithm.inner_rate
            if algorithm.rates != "fixed":
                learned = meta[RATE + name]
                rate = learned[k] if algorithm.rates == "per_step" else learned
            params = params | {name: params[name] - rate * grad}
    params |= {n: meta[f"step:{algorithm.inner_steps}:{n}"] for n in own}
    return total + weights[-1] * loss(params, task.query_set)


def reference(net: nn.Module, algorithm: MAML, meta: Params, batch: TaskBatch) -> Params:
    leaves = {n: p.clone().requires_grad_() for n, p in meta.items()}
    total = torch.stack([outer_loss(net, algorithm, leaves, task) for task in batch]).mean()
    found = torch.autograd.grad(total, list(leaves.values()), allow_unused=True)
    return {n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(leaves.items(), found, strict=True)}


def relative(one: Params, other: Params) -> float:
    assert one.keys() == other.keys()
    size = max(float(value.abs().max()) for value in other.values())
    return max(float((one[n] - other[n]).abs().max()) for n in one) / size


@pytest.mark.parametrize("engine", ["rules", "loop"])
@pytest.mark.parametrize("name", ALGORITHMS)
def test_it_is_the_gradient_of_the_unrolled_loss(net: nn.Module, name: str, engine: str) -> None:
    algorithm, module = ALGORITHMS[name], net
    if engine == "loop":
        module = nn.Sequential(*net[:5], nn.Hardswish(), *net[6:])
    learner = MetaLearner(module, algorithm)
    batch = tasks()
    found = learner.meta_gradient(batch)
    assert learner.engine is not None
    assert learner.engine.startswith(engine)
    assert relative(found, reference(module, algorithm, learner.meta_parameters(), batch)) < 1e-12


@pytest.mark.parametrize("name", ["MAML", "ANIL", "Meta-SGD", "MAML++", "MAML++ with norms of every step"])
def test_it_is_the_slope_of_the_outer_loss(name: str) -> None:
    """Without kinks: those of ReLU and maxima have no slope that a difference could show."""
    torch.manual_seed(0)
    layers = (nn.Conv2d(2, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.Tanh(), nn.Identity(), nn.GroupNorm(2, 4))
    net = nn.Sequential(*layers, nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3)).double()
    learner, batch = MetaLearner(net, ALGORITHMS[name]), tasks(2)
    found, meta = learner.meta_gradient(batch), learner.meta_parameters()
    direction = {n: torch.randn_like(p) for n, p in meta.items()}

    def loss(by: float) -> float:
        at = {n: (p + by * direction[n]).requires_grad_() for n, p in meta.items()}
        return torch.stack([outer_loss(net, ALGORITHMS[name], at, task) for task in batch]).mean().item()

    slope = (loss(1e-5) - loss(-1e-5)) / 2e-5
    assert abs(sum(float((found[n] * direction[n]).sum()) for n in found) - slope) < 1e-6 * max(1, abs(slope))


def test_first_order_is_the_gradient_at_the_adapted_parameters(net: nn.Module) -> None:
    learner, (task,) = MetaLearner(net, ALGORITHMS["first order"]), tasks(1)
    found = learner.meta_gradient([task])
    found_at = learner._adapted(TaskBatch.of([task])).params
    adapted = {n: p[0] for n, p in learner._choice.engine.unpack(found_at).items()}
    leaves = {n: p.clone().requires_grad_() for n, p in adapted.items()}
    loss = F.cross_entropy(functional_call(net, leaves, (task.query_set.x,)), task.query_set.y)
    plain = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
    expected = {n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(leaves.items(), plain, strict=True)}
    assert relative(found, expected) < 1e-12


def test_adapting_is_gradient_descent(net: nn.Module) -> None:
    learner, (task,) = MetaLearner(net, MAML(inner_steps=2)), tasks(1)
    adapted = learner.adapt(task, num_steps=4, learning_rate=0.2)
    params = {n: p.detach().clone().requires_grad_() for n, p in net.named_parameters()}
    losses = []
    for _ in range(4):
        loss = F.cross_entropy(functional_call(net, params, (task.support_set.x,)), task.support_set.y)
        losses.append(loss.item())
        grads = torch.autograd.grad(loss, list(params.values()), allow_unused=True)
        params = {n: (p if g is None else (p - 0.2 * g).detach().requires_grad_())
                  for (n, p), g in zip(params.items(), grads, strict=True)}  # fmt: skip
    torch.testing.assert_close(adapted(task.query_set.x), functional_call(net, params, (task.query_set.x,)).detach())
    assert adapted.losses[:4] == pytest.approx(losses)
    assert len(adapted.losses) == 5
    assert learner.adapt(task, num_steps=0).losses == pytest.approx(losses[:1])


def test_more_steps_than_rates_go_on_at_the_last_rate(net: nn.Module) -> None:
    learner, (task,) = MetaLearner(net, MAMLPlusPlus(2, 0.1, norms="^[14]")), tasks(1)
    meta = learner.meta_parameters()
    for name in meta:
        if name.startswith(RATE):
            meta[name] = torch.tensor([0.0, 0.3], dtype=torch.float64)
    learner.set_meta_parameters(meta)
    slow = learner.adapt(task, num_steps=6).losses
    assert slow[0] == slow[1] > slow[2]  # the first step moves nothing
    assert slow[6] < slow[2]


def test_multi_step_weights_go_from_all_alike_to_the_last() -> None:
    maml = MAML(inner_steps=4, multi_step=100)
    assert maml._weights(0) == pytest.approx([0.25] * 4)
    assert maml._weights(50) == pytest.approx([0.125] * 3 + [0.625])
    assert maml._weights(99) == pytest.approx([0.0075] * 3 + [0.9775])
    assert maml._weights(100) == [0, 0, 0, 1]
    assert MAML(inner_steps=1, multi_step=100)._weights(0) == [1.0]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("at_once", [None, 1, 3])
@pytest.mark.parametrize("count", [1, 2, 9, 17])
def test_chunks_and_threads_change_nothing(net: nn.Module, count: int, at_once: int | None, threads: int) -> None:
    learner, batch = MetaLearner(net, ALGORITHMS["Meta-SGD"], at_once=at_once), tasks(count)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        together = learner.meta_gradient(batch)
        each = [learner.meta_gradient([task]) for task in batch]
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    mean = {n: torch.stack([one[n] for one in each]).mean(0) for n in together}
    assert relative(together, mean) < 1e-13


def test_the_body_runs_once_where_only_the_head_learns() -> None:
    """ANIL's inner steps do not go through the body: what the body keeps is made once for all of them."""
    calls = []

    class Counted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.layer(x)

    net = nn.Sequential(Counted(), nn.Tanh(), nn.Linear(3, 2)).double()
    x = torch.randn(2, 8, 3, dtype=torch.float64)
    y = torch.arange(2).repeat(4).expand(2, 8).contiguous()
    batch = TaskBatch(x[:, :4], y[:, :4], x[:, 4:], y[:, 4:])
    learner = MetaLearner(net, ANIL("^2", inner_steps=7))
    learner.meta_gradient(batch)
    program = learner._choice.engine.program
    body = program.nodes[0].op
    real = type(body).forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(body), "forward", lambda self, *rest: calls.append(self.weight) or real(self, *rest))
        learner.meta_gradient(batch)
    assert calls.count("0.layer.weight") == 2  # support and query
    assert calls.count("2.weight") == 8  # seven steps and the queries


@settings(max_examples=25, deadline=None)
@given(
    steps=st.integers(1, 4),
    rate=st.floats(0.01, 1.0),
    count=st.integers(1, 4),
    shots=st.integers(1, 3),
    rates=st.sampled_from(["fixed", "per_parameter", "per_step"]),
    first_order=st.booleans(),
    multi_step=st.sampled_from([0, 10]),
)
def test_any_settings(
    steps: int, rate: float, count: int, shots: int, rates: str, first_order: bool, multi_step: int
) -> None:
    torch.manual_seed(steps)
    net = nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5), nn.GELU(), nn.Linear(5, 2)).double()
    algorithm = MAML(steps, rate, first_order, rates=rates, multi_step=multi_step)
    x = torch.randn(count, 2 * shots + 4, 3, dtype=torch.float64)
    y = torch.arange(2).repeat(shots + 2).expand(count, -1).contiguous()
    batch = TaskBatch(x[:, : 2 * shots], y[:, : 2 * shots], x[:, 2 * shots :], y[:, 2 * shots :])
    learner = MetaLearner(net, algorithm)
    found = learner.meta_gradient(batch)
    assert relative(found, reference(net, algorithm, learner.meta_parameters(), batch)) < 1e-10


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"inner_steps": 0}, "inner_steps is 0. Give a whole number from 1 on"),
        ({"inner_steps": 2.5}, "inner_steps is 2.5"),
        ({"inner_steps": True}, "inner_steps is True"),
        ({"inner_rate": 0.0}, "inner_rate is 0.0"),
        ({"inner_rate": float("inf")}, "inner_rate is inf"),
        ({"inner_rate": "fast"}, "inner_rate is 'fast'"),
        ({"rates": "any"}, "rates is 'any'.*Known: fixed, per_parameter, per_step"),
        ({"multi_step": -1}, "multi_step is -1"),
        ({"first_order_until": -2}, "first_order_until is -2"),
        ({"adapt": "("}, "adapt is '\\(', which is no regular expression"),
    ],
)
def test_settings_that_cannot_be(settings: dict[str, object], what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        MAML(**settings)


def test_a_pattern_that_matches_nothing_names_the_parameters(net: nn.Module) -> None:
    with pytest.raises(InvalidInput, match=r"adapt is 'head', which matches no parameter.*Known: 0.bias, 0.weight"):
        MetaLearner(net, ANIL("head"))
    with pytest.raises(InvalidInput, match="per_step_norm is 'norm'"):
        MetaLearner(net, MAMLPlusPlus(norms="norm"))


def test_fewer_tasks_at_once_are_smaller_chunks(net: nn.Module, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, real = [], MAML.meta_gradient
    monkeypatch.setattr(
        MAML, "meta_gradient", lambda self, s, m, batch: seen.append(len(batch)) or real(self, s, m, batch)
    )
    MetaLearner(net, MAML()).meta_gradient(tasks(9))
    MetaLearner(net, MAML(), at_once=2).meta_gradient(tasks(9))
    assert sorted(seen) == [1, 1, 2, 2, 2, 2, 4, 4]
    with pytest.raises(InvalidInput, match="at_once is 0"):
        MetaLearner(net, MAML(), at_once=0)
