"""The rules of every layer kind against autograd, against finite differences, and against themselves."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.learners.meta.engine.nets import NETS, Case, ask, case, difference
from torch import nn

from onward.learners.meta.engine import Chance, Rules, _batch_norm, _linear, _rules, choose_engine, loss_of
from onward.learners.meta.engine._functional import Loop, stateless

CROSS_ENTROPY = loss_of("cross_entropy")


def rules(of: Case) -> Rules:
    choice = choose_engine(of.net, of.x[0])
    assert isinstance(choice.engine, Rules), choice.why
    return choice.engine


def loop(of: Case) -> Loop:
    return Loop(stateless(of.net, of.x[0]), of.names)


@pytest.fixture(params=["few", "between", "many"])
def ways(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """All ways that there are: products of all tasks for few examples, the CPU's own functions for many, and both."""
    for module in (_linear, _batch_norm, _rules):
        monkeypatch.setattr(module, "MANY", 0 if request.param == "many" else 10**9)
    monkeypatch.setattr(_linear, "FEW", 10**9 if request.param == "few" else 0)
    monkeypatch.setattr(_linear, "THIN", 0)
    return request.param


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("part", ["all", "head"])
@pytest.mark.parametrize("kind", NETS)
def test_every_layer_kind_agrees_with_autograd(kind: str, part: str) -> None:
    of = case(kind)
    wrt = of.names if part == "all" else of.head
    ours, theirs = (ask(engine, of, wrt, CROSS_ENTROPY) for engine in (rules(of), loop(of)))
    torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(ours.outputs, theirs.outputs, rtol=1e-12, atol=1e-12)
    assert difference(ours.grads, theirs.grads) < 1e-12
    assert difference(ours.every, theirs.every) < 1e-12
    expected = dict(theirs.product)
    if kind == "embedding":
        expected["0.weight"] = _without_padding(expected["0.weight"])
    assert difference(ours.product, expected) < 1e-11


def _without_padding(table: torch.Tensor) -> torch.Tensor:
    """Autograd differentiates the row of the padding once it is differentiated twice; it is never learned."""
    return torch.cat([torch.zeros_like(table[:, :1]), table[:, 1:]], 1)


@pytest.mark.parametrize("kind", sorted(NETS.keys() - {"pools", "pools apart", "written"}))
def test_products_are_finite_differences_of_gradients(kind: str) -> None:
    of, step = case(kind), 1e-6
    engine = rules(of)
    found = ask(engine, of, of.names, CROSS_ENTROPY).product

    def grads(sign: int) -> dict[str, torch.Tensor]:
        at = {name: p + sign * step * of.direction[name] for name, p in of.params.items()}
        packed = engine.pack(at)
        prepared = engine.prepare(packed, of.x, of.names, Chance())
        return engine.unpack(engine.gradient(prepared, packed, of.y, CROSS_ENTROPY).grads)

    ahead, behind = grads(1), grads(-1)
    slopes = {name: (ahead[name] - behind[name]) / (2 * step) for name in ahead}
    assert difference(found, slopes) < 1e-6 * max(1.0, *[float(v.abs().max()) for v in slopes.values()])


@pytest.mark.parametrize("loss", ["mse", "a function"])
def test_losses(loss: str) -> None:
    of = case("linear")
    of = Case(of.net, of.x, torch.randn(3, 6, 4, dtype=torch.float64), of.params, of.direction)
    used = loss_of("mse") if loss == "mse" else loss_of(lambda outputs, y: (outputs - y).abs().pow(2.5).mean())
    ours, theirs = (ask(engine, of, of.names, used) for engine in (rules(of), loop(of)))
    torch.testing.assert_close(ours.loss, theirs.loss, rtol=1e-12, atol=1e-12)
    assert difference(ours.grads, theirs.grads) < 1e-12
    assert difference(ours.product, theirs.product) < 1e-12


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("kind", NETS)
def test_nothing_handed_in_is_changed(kind: str) -> None:
    of = case(kind)
    before = {name: p.clone() for name, p in of.params.items()}, of.x.clone(), of.net.state_dict()
    module = {name: value.clone() for name, value in before[2].items()}
    ask(rules(of), of, of.names, CROSS_ENTROPY)
    assert difference(before[0], of.params) == 0
    assert torch.equal(before[1], of.x)
    assert all(torch.equal(value, of.net.state_dict()[name]) for name, value in module.items())


@pytest.mark.usefixtures("ways")
@pytest.mark.parametrize("kind", NETS)
def test_tasks_do_not_see_one_another(kind: str) -> None:
    of = case(kind)
    engine = rules(of)
    together = ask(engine, of, of.names, CROSS_ENTROPY)
    for t in range(len(of.x)):
        one = slice(t, t + 1)
        alone = Case(
            of.net, of.x[one], of.y[one], *({n: p[one] for n, p in part.items()} for part in (of.params, of.direction))
        )
        said = ask(engine, alone, of.names, CROSS_ENTROPY)
        assert difference({n: v[one] for n, v in together.grads.items()}, said.grads) < 1e-13
        assert difference({n: v[one] for n, v in together.product.items()}, said.product) < 1e-12


@pytest.mark.parametrize("kind", NETS)
def test_packing_and_back(kind: str) -> None:
    of = case(kind)
    engine = rules(of)
    assert difference(engine.unpack(engine.pack(of.params)), of.params) == 0


@pytest.mark.parametrize("channels", [False, True])
def test_dropout_is_of_the_seed_and_moves_with_nothing_else(channels: bool) -> None:
    layer = nn.Dropout2d(0.4) if channels else nn.Dropout(0.4)
    net = nn.Sequential(nn.Conv2d(2, 4, 3), layer, nn.Tanh(), nn.Flatten(), nn.Linear(100, 4)).double()
    plain = case("convolution")
    params = {n: p.detach().expand(3, *p.shape) for n, p in net.named_parameters()}
    of = Case(net, plain.x, plain.y, params, {n: torch.randn_like(p) for n, p in params.items()})
    engine = rules(of)

    def chance(seed: int) -> Chance:
        return Chance(torch.Generator().manual_seed(seed))

    def said(seed: int, by: float = 0.0) -> torch.Tensor:
        packed = engine.pack({n: p + by * of.direction[n] for n, p in params.items()})
        prepared = engine.prepare(packed, of.x, of.names, chance(seed))
        return engine.unpack(engine.gradient(prepared, packed, of.y, CROSS_ENTROPY).grads)["0.weight"]

    assert torch.equal(said(1), said(1))
    assert not torch.equal(said(1), said(2))
    packed = engine.pack(params)
    step = engine.gradient(engine.prepare(packed, of.x, of.names, chance(1)), packed, of.y, CROSS_ENTROPY, tape=True)
    product = engine.unpack(engine.product(step.tape, engine.pack(of.direction)))["0.weight"]
    torch.testing.assert_close(product, (said(1, 1e-6) - said(1, -1e-6)) / 2e-6, rtol=1e-5, atol=1e-6)
    asked = engine.prepare(packed, of.x, of.names, Chance())
    torch.testing.assert_close(engine.outputs(asked, packed)[0], net.eval()(of.x[0]))
    net.train()


def test_a_channel_is_dropped_as_a_whole() -> None:
    net = nn.Sequential(nn.Conv2d(1, 50, 1), nn.Dropout2d(0.5), nn.Flatten(), nn.Linear(50 * 4, 200)).double()
    with torch.no_grad():
        net[3].weight.copy_(torch.eye(200))
        net[3].bias.zero_()
    params = {n: p.detach().unsqueeze(0) for n, p in net.named_parameters()}
    engine = choose_engine(net, torch.randn(3, 1, 2, 2, dtype=torch.float64)).engine
    packed = engine.pack(params)
    x = torch.randn(1, 3, 1, 2, 2, dtype=torch.float64)
    prepared = engine.prepare(packed, x, engine.names, Chance(torch.Generator().manual_seed(0)))
    zeros = (engine.outputs(prepared, packed)[0].view(3, 50, 4) == 0).sum(-1)
    assert set(zeros.flatten().tolist()) == {0, 4}
    assert 30 < int((zeros == 4).sum()) < 120


LAYERS = {
    "linear": lambda n: nn.Linear(n, n),
    "bare linear": lambda n: nn.Linear(n, n, bias=False),
    "relu": lambda n: nn.ReLU(),
    "tanh": lambda n: nn.Tanh(),
    "gelu": lambda n: nn.GELU(),
    "batch norm": nn.BatchNorm1d,
    "layer norm": nn.LayerNorm,
    "dropout": lambda n: nn.Dropout(0.3),
}


@settings(max_examples=40, deadline=None)
@given(
    kinds=st.lists(st.sampled_from(sorted(LAYERS)), max_size=7),
    width=st.integers(1, 5),
    tasks=st.integers(1, 4),
    examples=st.integers(2, 7),
    data=st.data(),
)
def test_any_chain_of_layers(kinds: list[str], width: int, tasks: int, examples: int, data: st.DataObject) -> None:
    torch.manual_seed(data.draw(st.integers(0, 99)))
    net = nn.Sequential(*[LAYERS[kind](width) for kind in kinds], nn.Linear(width, 2)).double()
    x = torch.randn(tasks, examples, width, dtype=torch.float64)
    params = {
        n: p.detach() + 0.1 * torch.randn(tasks, *p.shape, dtype=torch.float64) for n, p in net.named_parameters()
    }
    of = Case(
        net, x, torch.randint(0, 2, (tasks, examples)), params, {n: torch.randn_like(p) for n, p in params.items()}
    )
    wrt = frozenset(data.draw(st.sets(st.sampled_from(sorted(params)), min_size=1)))
    ours, theirs = (ask(engine, of, wrt, CROSS_ENTROPY) for engine in (rules(of), loop(of)))
    size = max(1.0, *[float(v.abs().max()) for v in theirs.product.values()])
    assert difference(ours.every, theirs.every) < 1e-9
    assert difference(ours.product, theirs.product) < 1e-8 * size


def test_norms_come_first_too(ways: str) -> None:
    """Nobody asks for the cotangent of the inputs."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(75, 4)).double()
    plain = case("convolution")
    params = {n: p.detach().expand(3, *p.shape) for n, p in net.named_parameters()}
    of = Case(net, plain.x, plain.y, params, {n: torch.randn_like(p) for n, p in params.items()})
    ours, theirs = (ask(engine, of, of.names, CROSS_ENTROPY) for engine in (rules(of), loop(of)))
    assert difference(ours.every, theirs.every) < 1e-12, ways
    assert difference(ours.product, theirs.product) < 1e-11, ways
