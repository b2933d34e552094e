"""What every algorithm of meta-learning offers, and what it works with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from onward.learners.meta.engine import Chance, Engine, Loss, Params
from onward.learners.meta.tasks import TaskBatch


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """What a chunk of tasks is worked on with.

    Args:
        engine: the network.
        loss: of each task.
        chance: where dropout comes from; none outside training.
        at: number of the meta-training step, from 0 on, for what changes as training goes on.
    """

    engine: Engine
    loss: Loss
    chance: Chance = field(default_factory=Chance)
    at: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class MetaGradient:
    """What T tasks say of the meta-parameters.

    Args:
        grads: gradient of each task's outer loss, (T, ...) in the engine's layout; a name that is missing has none.
        losses: (steps + 1, T) support loss before each inner step; its last row is the outer loss.
        accuracy: (T,) share of the queries right, 0..1; `None` for regression.
    """

    grads: Params
    losses: Tensor
    accuracy: Tensor | None


@dataclass(frozen=True, slots=True, eq=False)
class Adapted:
    """T tasks learned.

    Args:
        params: (T, ...) in the engine's layout.
        losses: (steps + 1, T) support losses before each step and after the last; none of an algorithm without steps.
        accuracies: likewise the share of the support examples right, 0..1; `None` of real targets.
        support: what else predictions need, e.g. prototypes.
        beside: (T, m, ...) examples that few queries go through the network with, where it norms over a batch.
        enough: for each task, so many queries go alone.
    """

    params: Params
    losses: Tensor
    accuracies: Tensor | None = None
    support: Params = field(default_factory=dict)
    beside: Tensor | None = None
    enough: tuple[int, ...] = ()


class Trajectory:
    """Support losses of T tasks and the share of their examples right, step by step."""

    def __init__(self) -> None:
        self.losses: list[Tensor] = []
        self._right: list[Tensor | None] = []

    def add(self, losses: Tensor, outputs: Tensor, y: Tensor) -> None:
        """(T,) losses of (T, n, ...) outputs."""
        self.losses.append(losses)
        self._right.append(accuracy(outputs, y))

    def to(self, params: Params, setting: Setting, outputs: Tensor, y: Tensor) -> Adapted:
        """The tasks learned, with the support set judged once more."""
        self.add(setting.loss.value(outputs, y)[0], outputs, y)
        right = [each for each in self._right if each is not None]
        return Adapted(params, torch.stack(self.losses), torch.stack(right) if right else None)


class Algorithm(Protocol):
    """A way to learn from tasks how to learn. Frozen settings; the state is the meta-parameters.

    Meta-parameters are the network's own, by name, and whatever `start` adds. Each stands here as (1, ...) in the
    engine's layout. Its functions may be called by several threads at once.
    """

    @property
    def embeds(self) -> bool:
        """Whether it compares what the network gives for examples; else that is scores of classes, or real values."""
        ...

    @property
    def optimizer(self) -> str:
        """The outer optimiser it was published with: "adam" or "sgd"."""
        ...

    @property
    def outer_rate(self) -> float:
        """The outer learning rate where none is said."""
        ...

    def start(self, params: Params) -> Params:
        """Further meta-parameters, beside (*shape) ones of the network: (*shape) each, in the module's layout."""
        ...

    def like(self, name: str) -> str | None:
        """The parameter of the network whose shape one of the further meta-parameters has, if it has one's."""
        ...

    def meta_gradient(self, setting: Setting, meta: Params, batch: TaskBatch) -> MetaGradient:
        """Gradients of the outer loss of every task of a batch."""
        ...

    def adapt_tasks(
        self, setting: Setting, meta: Params, x: Tensor, y: Tensor, steps: int | None, rate: float | None
    ) -> Adapted:
        """Learn T tasks from their support sets, (T, n, ...) and (T, n, ...).

        Args:
            steps: instead of the algorithm's own number.
            rate: instead of the algorithm's own inner learning rate.
        """
        ...

    def outputs(self, setting: Setting, adapted: Adapted, x: Tensor) -> Tensor:
        """What T learned tasks say of (T, n, ...) inputs: (T, n, ...), scores of classes or real values."""
        ...


def laid_out(algorithm: Algorithm, lay: Callable[[Params], Params], meta: Params, names: frozenset[str]) -> Params:
    """Meta-parameters from the module's layout to the engine's, or back.

    Args:
        lay: `pack` or `unpack` of the engine: of (1, ...) or (T, ...) parameters of the network.
        names: of those.
    """
    out = lay({name: value for name, value in meta.items() if name in names})
    for name, value in meta.items():
        if name not in names:
            of = algorithm.like(name)
            out[name] = value if of is None else lay({of: value})[of]
    return out


def are_classes(outputs: tuple[int, ...], y: Tensor) -> bool:
    """Whether (T, n, ...) targets are classes where the outputs of an example have such a shape.

    Real targets are none, nor are whole numbers that a single output, or one output each, is held against.
    """
    return not y.is_floating_point() and outputs[-1:] not in {(), (1,)} and tuple(y.shape[2:]) == outputs[:-1]


def accuracy(outputs: Tensor, y: Tensor) -> Tensor | None:
    """(T,) share of (T, n, ..., classes) outputs whose largest is that of (T, n, ...) classes; `None`: they are none.

    >>> import torch
    >>> accuracy(torch.tensor([[[0.1, 0.9], [0.8, 0.2]]]), torch.tensor([[1, 1]]))
    tensor([0.5000])
    """
    if not are_classes(tuple(outputs.shape[2:]), y):
        return None
    return (outputs.argmax(-1) == y).float().flatten(1).mean(1)
