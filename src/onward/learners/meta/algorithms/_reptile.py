"""Reptile: move to where the inner loop leads. No second derivatives, and no query set apart."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.meta.engine import Params, Step
from onward.learners.meta.tasks import TaskBatch
from onward.learners.neural import above, plain_numbers, seed_of_torch, whole

from ._algorithm import Adapted, MetaGradient, Setting, Trajectory, accuracy
from ._stacked import asked, nothing_more, of_its_own, spread

OPTIMIZERS: Final = ("adam", "sgd")
DECAY: Final = 0.999
TINY: Final = 1e-8


@dataclass(frozen=True, slots=True)
class Reptile:
    """Reptile (Nichol, Achiam and Schulman 2018, arXiv:1803.02999), as its authors train it for classification.

    In meta-training, every task takes steps on minibatches of its support and query examples together; the
    meta-gradient is where it began minus where it came to. It wants a large outer rate, falling to 0: the authors'
    is 1, as is the default (`MetaLearner(net, Reptile(), outer_schedule=lambda step: 1 - step / steps)`). The figures
    of a training step (losses, accuracy) are those of the minibatches, each before its step.

    All tasks of a step meet their examples in one order, which `seed` and the number of the meta-training step decide.

    Args:
        inner_steps: in meta-training, at least 1.
        inner_rate: their learning rate, above 0.
        inner_optimizer: "adam", without momentum (beta1 = 0) and begun anew with every task; or "sgd".
        batch_size: examples of a minibatch; they go round, every one once before any comes again. 0: the whole set.
        adapt_steps: on the support set of a new task, 0 or more.
        adapt_batch_size: examples of their minibatches; `batch_size` if not said.
        seed: of the order of the examples.

    Raises:
        InvalidInput: a value is out of its range.

    >>> Reptile(inner_steps=3).optimizer
    'sgd'
    """

    embeds: ClassVar = False
    optimizer: ClassVar = "sgd"
    outer_rate: ClassVar = 1.0
    inner_steps: int = 5
    inner_rate: float = 1e-3
    inner_optimizer: Literal["adam", "sgd"] = "adam"
    batch_size: int = 10
    adapt_steps: int = 50
    adapt_batch_size: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        whole(1, inner_steps=self.inner_steps)
        whole(0, batch_size=self.batch_size, adapt_steps=self.adapt_steps)
        if self.adapt_batch_size is not None:
            whole(0, adapt_batch_size=self.adapt_batch_size)
        above(inner_rate=self.inner_rate)
        whole(None, seed=self.seed)
        if self.inner_optimizer not in OPTIMIZERS:
            raise InvalidInput(f"inner_optimizer is {self.inner_optimizer!r}.", mend="Choose one.", options=OPTIMIZERS)
        plain_numbers(self)

    start = nothing_more
    like = of_its_own
    outputs = asked

    def meta_gradient(self, setting: Setting, meta: Params, batch: TaskBatch) -> MetaGradient:
        x = torch.cat([batch.support_x, batch.query_x], 1)
        y = torch.cat([batch.support_y, batch.query_y], 1)
        walk = _Walk(self, setting, spread(meta, len(batch)))
        parts = self._minibatches(x.shape[1], self.inner_steps, self.batch_size, setting.at)
        losses: list[Tensor] = []
        said, target = x, y
        for part in parts:
            target = _of(y, part)
            step = walk.step(_of(x, part), target)
            losses.append(step.loss)
            said = step.outputs
        return MetaGradient(walk.way(), torch.stack(losses), accuracy(said, target))

    def adapt_tasks(
        self, setting: Setting, meta: Params, x: Tensor, y: Tensor, steps: int | None, rate: float | None
    ) -> Adapted:
        walk = _Walk(self, setting, spread(meta, len(x)), rate)
        size = self.batch_size if self.adapt_batch_size is None else self.adapt_batch_size
        count = self.adapt_steps if steps is None else steps
        parts = self._minibatches(x.shape[1], count, size, setting.at)
        trajectory = Trajectory()
        for part in parts:
            target = _of(y, part)
            step = walk.step(_of(x, part), target)
            trajectory.add(step.loss, step.outputs, target)
        return trajectory.to(walk.params, setting, asked(self, setting, Adapted(walk.params, torch.empty(0)), x), y)

    def _minibatches(self, count: int, steps: int, size: int, at: int) -> Iterator[Tensor | None]:
        """Positions of the examples of each step; `None` for all of them."""
        if not 0 < size < count:
            return iter([None] * steps)
        generator = torch.Generator().manual_seed(seed_of_torch(self.seed * 1_000_003 + at))
        rounds = math.ceil(steps * size / count)
        order = [torch.randperm(count, generator=generator) for _ in range(rounds)]
        return iter(torch.cat(order)[: steps * size].split(size)) if steps else iter(())


def _of(values: Tensor, part: Tensor | None) -> Tensor:
    return values if part is None else values.index_select(1, part.to(values.device))


class _Walk:
    """The parameters of T tasks on their way."""

    def __init__(self, reptile: Reptile, setting: Setting, theta: Params, rate: float | None = None) -> None:
        self._setting, self._begun, self.params = setting, theta, theta
        self._rate = reptile.inner_rate if rate is None else rate
        self._adam = reptile.inner_optimizer == "adam"
        self._squares: Params = {}
        self._steps = 0

    def step(self, x: Tensor, y: Tensor) -> Step:
        engine = self._setting.engine
        prepared = engine.prepare(self.params, x, engine.names, self._setting.chance)
        found = engine.gradient(prepared, self.params, y, self._setting.loss)
        self._steps += 1
        moved = {n: torch.add(self.params[n], self._scaled(n, g), alpha=-self._rate) for n, g in found.grads.items()}
        self.params = self.params | moved
        return found

    def _scaled(self, name: str, grad: Tensor) -> Tensor:
        """Adam's step without momentum: the gradient over the root of the mean of its squares (Kingma and Ba 2015)."""
        if not self._adam:
            return grad
        squares = self._squares.get(name)
        fresh = grad.square().mul_(1 - DECAY)
        self._squares[name] = fresh if squares is None else squares.mul_(DECAY).add_(fresh)
        root = (self._squares[name] / (1 - DECAY**self._steps)).sqrt_().add_(TINY)
        return grad / root

    def way(self) -> Params:
        """Where the tasks began minus where they are."""
        return {n: self._begun[n] - value for n, value in self.params.items() if value is not self._begun[n]}
