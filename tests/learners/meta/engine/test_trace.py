"""Which modules have rules, and what is said of those that have none."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.learners.meta.engine import Chance, Rules, choose_engine
from onward.learners.meta.engine._pointwise import Relu
from onward.learners.meta.engine._pool import MaxPool
from onward.learners.meta.engine._trace import Ruleless, nodes_of


class Says(nn.Module):
    """A layer, and then any function of what it gives."""

    def __init__(self, then: Callable[..., object], layer: nn.Module | None = None) -> None:
        super().__init__()
        self.layer = layer or nn.Linear(3, 4)
        self.then = then

    def forward(self, x: Tensor) -> object:
        return self.then(self.layer(x))


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.layer(x) + y


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else -self.layer(x)


class Own(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale = nn.Linear(3, 4), nn.Parameter(torch.ones(4))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.scale


class Itself(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor) -> Tensor:
        self.layer(x)
        return x


class Trains(nn.Module):
    """In training it does something more."""

    def __init__(self, more: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.layer, self.more = nn.Linear(3, 4), more

    def forward(self, x: Tensor) -> Tensor:
        x = self.layer(x)
        return self.more(x) if self.training else x


RULELESS = {
    "its forward takes more than one input": Two(),
    "cannot be traced": Branches(),
    "reads scale directly": Own(),
    "return what a layer gives": Itself(),
    "is another one in training": Trains(torch.relu),
    "draws random numbers": Trains(lambda x: x if torch.rand(()) < 0.5 else torch.relu(x)),
    "mul has no rules": Says(lambda x: x * 2),
    r"is no value of a layer": Says(lambda x: x + 1),
    r"a mean over \(1,\)|a mean over 1|has no rules": Says(lambda x: x.mean((1,), keepdim=True)),
    "softmax has no rules": Says(lambda x: x.softmax(-1)),
    "flatten has no rules": Says(lambda x: x.flatten(0)),
    "view has no rules": Says(lambda x: x.view(2, -1)),
    r"0 \(LSTM\) has no rules": nn.Sequential(nn.LSTM(3, 4)),
    "grouped, dilated": nn.Sequential(nn.Conv2d(2, 2, 3, groups=2)),
    "padded with something else": nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect")),
    "padded by 'same'": nn.Sequential(nn.Conv2d(2, 2, 3, padding="same")),
    "normalises 2 dimensions": nn.Sequential(nn.Linear(3, 4), nn.LayerNorm([2, 4])),
    "flattens only some": nn.Sequential(nn.Linear(3, 4), nn.Flatten(0)),
    "max-pool that rounds up": nn.Sequential(nn.Conv2d(2, 2, 3), nn.MaxPool2d(2, ceil_mode=True)),
    "overlaps, rounds up": nn.Sequential(nn.Conv2d(2, 2, 3), nn.AvgPool2d(2, 1)),
    "gives 2 places": nn.Sequential(nn.Conv2d(2, 2, 3), nn.AdaptiveAvgPool2d(2)),
    "bounds its norms": nn.Sequential(nn.Embedding(3, 4, max_norm=1.0)),
}


@pytest.mark.parametrize("why", RULELESS)
def test_what_has_no_rules_is_named(why: str) -> None:
    with pytest.raises(Ruleless, match=why):
        nodes_of(RULELESS[why])


@pytest.mark.parametrize("training", [True, False])
def test_what_is_drawn_or_the_mode_at_hand_decides_no_engine(training: bool) -> None:
    for seed in range(4):
        torch.manual_seed(seed)
        before = torch.get_rng_state()
        for net in (RULELESS["is another one in training"], RULELESS["draws random numbers"]):
            with pytest.raises(Ruleless):
                nodes_of(net.train(training))
            assert net.training == training
        assert torch.equal(before, torch.get_rng_state())


def test_another_engine_takes_over_and_says_why() -> None:
    choice = choose_engine(nn.Sequential(nn.Linear(3, 4), nn.Softmax(-1)), torch.randn(5, 3))
    assert choice.engine.name == "func"
    assert choice.why == "func, since 1 (Softmax) has no rules"
    choice = choose_engine(nn.Sequential(nn.Conv2d(2, 3, 3), nn.InstanceNorm2d(3)), torch.randn(5, 2, 6, 6))
    assert choice.engine.name == "loop"


class Lies(nn.Linear):
    """A kind of layer that does something else than its parent."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x) * 2


def test_rules_that_do_not_agree_with_the_module_are_not_used() -> None:
    """`Lies` would be read as what it inherits from, were it a leaf; traced or not, what it gives decides."""
    choice = choose_engine(nn.Sequential(Lies(3, 4), nn.ReLU()), torch.randn(5, 3))
    assert choice.engine.name == "func"


def test_rules_that_do_not_fit_the_inputs_are_not_used() -> None:
    net = nn.Sequential(nn.Conv1d(3, 4, 1), nn.BatchNorm1d(4), nn.ReLU())
    assert choose_engine(net, torch.randn(5, 3, 7)).engine.name == "loop"
    assert choose_engine(nn.Sequential(nn.BatchNorm1d(3), nn.Linear(7, 2)), torch.randn(5, 3, 7)).engine.name == "func"


def test_maxima_come_before_the_relu_that_nobody_else_reads() -> None:
    chain = nodes_of(nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(), nn.MaxPool2d(2)))
    assert [type(node.op) for node in chain[-2:]] == [MaxPool, Relu]

    class Skips(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.pool, self.other = nn.Conv2d(2, 3, 3), nn.MaxPool2d(2), nn.MaxPool2d(2)

        def forward(self, x: Tensor) -> Tensor:
            x = F.relu(self.conv(x))
            return (self.pool(x) + self.other(x)).flatten(1)

    assert isinstance(nodes_of(Skips())[1].op, Relu)
    assert isinstance(choose_engine(Skips(), torch.randn(5, 2, 6, 6)).engine, Rules)


class Aside(nn.Module):
    """A layer that nothing depends on, before the last one or behind it."""

    def __init__(self, *, behind: bool) -> None:
        super().__init__()
        self.body, self.aux, self.head = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)
        self.behind = behind

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.body(x))
        if self.behind:
            said: Tensor = self.head(x)
            self.aux(x)
            return said
        return self.head(x.view(self.aux(x).size(0), -1))


@pytest.mark.parametrize("behind", [False, True])
def test_a_layer_that_nothing_depends_on_is_left_out(behind: bool) -> None:
    net, x = Aside(behind=behind), torch.randn(5, 3)
    engine = choose_engine(net, x).engine
    assert isinstance(engine, Rules)
    params = engine.pack({name: value.detach().unsqueeze(0) for name, value in net.named_parameters()})
    for wrt in (frozenset({"aux.weight", "aux.bias"}), engine.names):
        said = engine.outputs(engine.prepare(params, x.unsqueeze(0), wrt, Chance()), params)
        torch.testing.assert_close(said[0], net(x).detach())


def test_coarse_products_do_not_decide() -> None:
    """With bfloat16 products allowed, the module differs from itself by more than rules ever do."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        net = nn.Sequential(nn.Conv2d(1, 64, 3), nn.ReLU(), nn.Conv2d(64, 64, 3), nn.Flatten(), nn.Linear(576, 5))
        assert choose_engine(net, torch.randn(5, 1, 7, 7)).engine.name == "rules"
    finally:
        torch.set_float32_matmul_precision(before)
