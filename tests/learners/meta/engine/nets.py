"""Networks of every layer kind with rules, small, in double precision; and what the engines are asked of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.learners.meta.engine import Chance, Engine, Loss, Params

TASKS, EXAMPLES, CLASSES = 3, 6, 4


class Residual(nn.Module):
    """Two paths that meet."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.other, self.norm = nn.Linear(6, 6), nn.Linear(6, 6), nn.LayerNorm(6)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.other(torch.relu(self.norm(self.one(x))))


class Tied(nn.Module):
    """One layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.head = nn.Linear(3, 3), nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.layer(torch.sigmoid(self.layer(x)))))


class TiedNorm(nn.Module):
    """One batch norm used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm, self.head = nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.norm(self.layer(torch.tanh(self.norm(self.layer(x)))))))


class Written(nn.Module):
    """Functions and methods instead of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.head = nn.Linear(27, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.norm(self.conv(x))), 2)
        return self.head(x.view(x.size(0), -1))


class Meaned(nn.Module):
    """Other ways to say it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.head = nn.Conv2d(2, 3, (2, 3), stride=(1, 2), padding=(0, 1)), nn.Linear(3, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.conv(x).tanh().mean(dim=(2, 3), keepdim=True)
        return self.head(pooled.reshape((pooled.shape[0], -1)))


NETS = {
    "linear": lambda: nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 8, bias=False), nn.Tanh(), nn.Linear(8, 4)),
    "activations": lambda: nn.Sequential(
        nn.Linear(3, 8), nn.GELU(), nn.Linear(8, 8), nn.SiLU(), nn.Linear(8, 8), nn.LeakyReLU(), nn.Linear(8, 8),
        nn.ELU(), nn.Linear(8, 8), nn.Softplus(), nn.Linear(8, 8), nn.Sigmoid(), nn.Identity(), nn.Linear(8, 4),
    ),
    "batch norm": lambda: nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.BatchNorm1d(8, affine=False), nn.Tanh(),
        nn.Linear(8, 4),
    ),
    "layer norm": lambda: nn.Sequential(
        nn.Linear(3, 8), nn.LayerNorm(8), nn.ReLU(), nn.Linear(8, 8), nn.LayerNorm(8, elementwise_affine=False),
        nn.Linear(8, 8), nn.LayerNorm(8, bias=False), nn.Linear(8, 4),
    ),
    "residual": lambda: nn.Sequential(nn.Linear(3, 6), Residual(), Residual(), nn.Linear(6, 4)),
    "tied": Tied,
    "tied norm": TiedNorm,
    "convolution": lambda: nn.Sequential(
        nn.Conv2d(2, 5, 3, 2, 1), nn.BatchNorm2d(5), nn.ReLU(), nn.Conv2d(5, 4, 3, 1, 1), nn.GroupNorm(2, 4), nn.ReLU(),
        nn.Conv2d(4, 4, (2, 3), (1, 2)), nn.LayerNorm([4, 3, 1]), nn.ELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 4),
    ),
    "uneven convolution": lambda: nn.Sequential(
        nn.Conv2d(2, 3, 5, stride=3, padding=2), nn.Tanh(), nn.Conv2d(3, 4, 2, stride=3, padding=1), nn.Flatten(),
        nn.Linear(16, 4),
    ),
    "pools": lambda: nn.Sequential(
        nn.Conv2d(2, 5, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(5, 4, 3, 1, 1, bias=False), nn.Tanh(),
        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(16, 4),
    ),
    "pools apart": lambda: nn.Sequential(
        nn.Conv2d(2, 5, 3, 1, 1), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(45, 4)
    ),
    "written": Written,
    "meaned": Meaned,
    "embedding": lambda: nn.Sequential(nn.Embedding(11, 4, padding_idx=0), nn.Flatten(), nn.Linear(12, 4)),
}  # fmt: skip
IMAGES = {"convolution", "uneven convolution", "pools", "pools apart", "written", "meaned"}


@dataclass(frozen=True)
class Case:
    """A network and some tasks for it.

    Args:
        params, direction: (T, ...) each.
    """

    net: nn.Module
    x: Tensor
    y: Tensor
    params: Params
    direction: Params

    @property
    def names(self) -> frozenset[str]:
        return frozenset(self.params)

    @property
    def head(self) -> frozenset[str]:
        last = [name for name, _ in self.net.named_children()][-1]
        return frozenset(name for name in self.params if name.startswith(last))


@cache
def case(kind: str) -> Case:
    """A case of `NETS`, always the same."""
    generator = torch.Generator().manual_seed(len(kind))
    with torch.random.fork_rng():
        torch.manual_seed(len(kind))
        net = NETS[kind]().double()

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    shape = (2, 7, 7) if kind in IMAGES else (3,)
    x = draw(TASKS, EXAMPLES, *shape)
    if kind == "embedding":
        x = torch.randint(0, 11, (TASKS, EXAMPLES, 3), generator=generator)
    y = torch.randint(0, CLASSES, (TASKS, EXAMPLES), generator=generator)
    params = {name: p.detach() + 0.1 * draw(TASKS, *p.shape) for name, p in net.named_parameters()}
    direction = {name: draw(*p.shape) for name, p in params.items()}
    if kind == "embedding":
        direction["0.weight"][:, 0] = 0  # no outer gradient ever points along the padding
    return Case(net, x, y, params, direction)


@dataclass(frozen=True)
class Asked:
    """What an engine says of a case: losses, outputs, gradients `wrt`, gradients of all, products; by name, module's
    layout."""

    loss: Tensor
    outputs: Tensor
    grads: Params
    every: Params
    product: Params


def ask(engine: Engine, case: Case, wrt: frozenset[str], loss: Loss, chance: Chance | None = None) -> Asked:
    chance = chance or Chance()
    packed = engine.pack(case.params)
    direction = {name: value for name, value in engine.pack(case.direction).items() if name in wrt}
    prepared = engine.prepare(packed, case.x, wrt, chance)
    step = engine.gradient(prepared, packed, case.y, loss, tape=True)
    product = added(engine.product(step.tape, direction), engine.rest(prepared))
    prepared = engine.prepare(packed, case.x, wrt, chance)
    every = engine.gradient(prepared, packed, case.y, loss, every=True)
    whole = added(every.grads, engine.rest(prepared))
    return Asked(step.loss, step.outputs, *(engine.unpack(one) for one in (step.grads, whole, product)))


def added(one: Params, other: Params) -> Params:
    return {n: sum(part[n] for part in (one, other) if n in part) for n in one.keys() | other.keys()}


def difference(one: Params, other: Params) -> float:
    """The largest difference, where a name that is missing is zero."""
    zero = torch.zeros((), dtype=torch.float64)
    return max(float((one.get(n, zero) - other.get(n, zero)).abs().max()) for n in one.keys() | other.keys())
