"""The engines for any module: against each other, under chance, and where torch itself is wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from tests.learners.meta.engine.nets import NETS, Case, ask, case, difference
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap

from onward.core import InvalidInput
from onward.learners.meta.engine import Chance, Engine, choose_engine, loss_of
from onward.learners.meta.engine._functional import Func, Loop, stateless

CROSS_ENTROPY = loss_of("cross_entropy")


class Gated(nn.Module):
    """Something that no rule knows."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.one, self.other, self.head = nn.Linear(3, 5), nn.Linear(3, 5), nn.Linear(5, 4)
        self.spare = nn.Parameter(torch.ones(2))
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.one(x) * torch.sigmoid(self.other(x))
        return self.head(F.dropout(hidden, self.dropout, self.training))


def gated(dropout: float = 0.0) -> Case:
    torch.manual_seed(0)
    plain, net = case("linear"), Gated(dropout).double()
    params = {n: p.detach() + 0.1 * torch.randn(3, *p.shape, dtype=torch.float64) for n, p in net.named_parameters()}
    return Case(net, plain.x, plain.y, params, {n: torch.randn_like(p) for n, p in params.items()})


def engines(of: Case) -> list[Engine]:
    alone = stateless(of.net, of.x[0])
    return [Func(alone, of.names), Loop(alone, of.names)]


@pytest.mark.parametrize("kind", NETS)
def test_all_at_once_is_one_by_one(kind: str) -> None:
    of = case(kind)
    one, other = (ask(engine, of, of.head, CROSS_ENTROPY) for engine in engines(of))
    torch.testing.assert_close(one.outputs, other.outputs, rtol=1e-12, atol=1e-12)
    assert difference(one.grads, other.grads) < 1e-12
    assert difference(one.product, other.product) < 1e-11


def test_what_has_no_rules_is_finite_differences_too() -> None:
    of = gated()
    assert choose_engine(of.net, of.x[0]).engine.name == "func"
    found = [ask(engine, of, of.names, CROSS_ENTROPY) for engine in engines(of)]

    def slope(sign: int) -> dict[str, Tensor]:
        at = {n: p + sign * 1e-6 * of.direction[n] for n, p in of.params.items()}
        return ask(engines(of)[0], Case(of.net, of.x, of.y, at, of.direction), of.names, CROSS_ENTROPY).grads

    ahead, behind = slope(1), slope(-1)
    slopes = {n: (ahead[n] - behind[n]) / 2e-6 for n in ahead}
    for each in found:
        assert difference(each.product, slopes) < 1e-7
        assert not each.product["spare"].any()


@pytest.mark.parametrize("at", [0, 1])
def test_chance_is_that_of_the_generator(at: int) -> None:
    of = gated(0.5)
    engine = engines(of)[at]
    state = torch.get_rng_state()

    def said(seed: int) -> Tensor:
        return ask(engine, of, of.names, CROSS_ENTROPY, Chance(torch.Generator().manual_seed(seed))).outputs

    assert torch.equal(said(0), said(0))
    assert not torch.equal(said(0), said(1))
    torch.testing.assert_close(
        ask(engine, of, of.names, CROSS_ENTROPY).outputs[0],
        functional_call(of.net.eval(), {n: p[0] for n, p in of.params.items()}, (of.x[0],)),
    )
    of.net.train()
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("at", [0, 1])
def test_a_product_draws_what_its_gradient_drew(at: int) -> None:
    of = gated(0.5)
    engine = engines(of)[at]

    def said(by: float) -> Tensor:
        params = {n: p + by * of.direction[n] for n, p in of.params.items()}
        prepared = engine.prepare(params, of.x, of.names, Chance(torch.Generator().manual_seed(0)))
        return engine.gradient(prepared, params, of.y, CROSS_ENTROPY).grads["one.weight"]

    prepared = engine.prepare(of.params, of.x, of.names, Chance(torch.Generator().manual_seed(0)))
    step = engine.gradient(prepared, of.params, of.y, CROSS_ENTROPY, tape=True)
    product = engine.product(step.tape, of.direction)["one.weight"]
    torch.testing.assert_close(product, (said(1e-6) - said(-1e-6)) / 2e-6, rtol=1e-6, atol=1e-7)


def test_running_statistics_are_neither_used_nor_kept() -> None:
    of = case("batch norm")
    norm = of.net[1]
    norm.running_mean.fill_(100.0)
    for engine in [*engines(of), choose_engine(of.net, of.x[0]).engine]:
        said = ask(engine, of, of.names, CROSS_ENTROPY)
        assert float(said.loss.max()) < 10
    assert torch.equal(norm.running_mean, torch.full_like(norm.running_mean, 100.0))
    assert int(norm.num_batches_tracked) == 0
    norm.running_mean.zero_()


def test_threads_do_not_share_a_module() -> None:
    of = case("pools")
    engine = engines(of)[1]
    alone = ask(engine, of, of.names, CROSS_ENTROPY)
    with ThreadPoolExecutor(4) as pool:
        for each in pool.map(lambda _: ask(engine, of, of.names, CROSS_ENTROPY), range(24)):
            assert difference(each.product, alone.product) == 0


@pytest.mark.parametrize("norm", ["batch", "layer", "none"])
def test_torch_is_wrong_where_vmap_is_differentiated_and_we_are_not(norm: str) -> None:
    """Seen with torch 2.13 in float64. When it fails here, torch has been mended, and `Func` may say so no longer."""
    torch.manual_seed(0)
    layers = {"batch": nn.BatchNorm1d(4, track_running_stats=False), "layer": nn.LayerNorm(4), "none": nn.Identity()}
    layer = layers[norm]
    net = nn.Sequential(nn.Linear(3, 4), layer, nn.Tanh(), nn.Linear(4, 4)).double()
    plain = case("linear")
    params = {n: p.detach().expand(3, *p.shape).clone() for n, p in net.named_parameters()}
    of = Case(net, plain.x, plain.y, params, {n: torch.randn_like(p) for n, p in params.items()})
    exact = ask(engines(of)[1], of, of.names, CROSS_ENTROPY).product
    ours = ask(engines(of)[0], of, of.names, CROSS_ENTROPY).product
    assert difference(ours, exact) < 1e-12
    leaves = {n: p.clone().requires_grad_() for n, p in params.items()}
    task = grad(lambda p, x, y: F.cross_entropy(functional_call(net, p, (x,)), y))
    found = vmap(task)(leaves, of.x, of.y)
    top = sum((found[n] * of.direction[n]).sum() for n in found)
    outer = dict(zip(leaves, torch.autograd.grad(top, list(leaves.values())), strict=True))
    assert difference(outer, exact) > 1e-4 if norm != "none" else difference(outer, exact) < 1e-12


class Skipping(nn.Module):
    """A skip around its last layer, or a norm at its end."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other = nn.Linear(3, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.one(x)
        return hidden + self.other(hidden)


@pytest.mark.parametrize("net", [Skipping(), nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))])
def test_a_loss_of_ones_own_may_have_a_gradient_that_is_one_number_seen_many_times(net: nn.Module) -> None:
    loss = loss_of(lambda outputs, y: (outputs.sum(1) - y).square().mean())
    plain, double = case("linear"), net.double()
    params = {n: p.detach().expand(3, *p.shape) for n, p in double.named_parameters()}
    of = Case(double, plain.x, plain.y, params, {n: torch.randn_like(p) for n, p in params.items()})
    ours = choose_engine(double, of.x[0]).engine
    assert ours.name == "rules"
    one, other = (ask(engine, of, of.names, loss) for engine in (ours, Func(stateless(double, of.x[0]), of.names)))
    assert difference(one.grads, other.grads) < 1e-10
    assert difference(one.product, other.product) < 1e-10


def test_layers_that_share_a_weight_are_for_the_general_engines() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 3), nn.Tanh(), nn.Linear(3, 3))
    net[2].weight = net[0].weight
    chosen = choose_engine(net, torch.randn(5, 3))
    assert chosen.engine.name == "func"
    assert "share a parameter" in chosen.why


@pytest.mark.parametrize("x", [torch.ones(4, 3, dtype=torch.float64), torch.ones(4, 3).long(), torch.ones(4, 2)])
def test_examples_that_the_network_does_not_take_are_named(x: Tensor) -> None:
    with pytest.raises(InvalidInput, match=r"does not take the examples of a task: .*\(4, .\).*float32"):
        choose_engine(nn.Linear(3, 2), x)


@pytest.mark.filterwarnings("ignore:dropout2d")
def test_dropout_of_channels_is_torchs_own_where_there_is_no_image() -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(20, 2))
    assert choose_engine(net, torch.randn(6, 5, 3)).engine.name == "func"


def test_weights_that_begin_at_zero_do_not_hide_a_layer_that_the_rules_take_for_another() -> None:
    net = nn.Sequential(nn.Conv2d(2, 5, 1), nn.LayerNorm(5), nn.Flatten(), nn.Linear(125, 3))  # of width, not channels
    for value in net.parameters():
        nn.init.zeros_(value)
    assert choose_engine(net, torch.randn(4, 2, 5, 5)).engine.name == "loop"
