"""A short training that smaller networks share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import repeat
from math import isfinite

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._checks import answered
from onward.learners.continual._method import Prepare, unchanged
from onward.learners.neural import Adam, above, plain_numbers, seed_of_torch, whole

from ._narrow import BatchNorm

LossOf = Callable[[Tensor, Tensor], Tensor]
"""(outputs (b, ...), rows (b,) of the examples) -> a scalar."""


@dataclass(frozen=True, slots=True)
class Lessons:
    """How a smaller network is trained.

    Args:
        epochs: passes over the examples; 0: not at all.
        rate: learning rate of Adam, above 0.
        batch_size: at least 1.
        prepare: makes inputs of examples.
        seed: of the order of the examples, and of dropout.

    Raises:
        InvalidInput: a value is out of its range.

    >>> Lessons(epochs=5).rate
    0.001
    """

    epochs: int = 30
    rate: float = 1e-3
    batch_size: int = 128
    prepare: Prepare = unchanged
    seed: int = 0

    def __post_init__(self) -> None:
        above(rate=self.rate)
        whole(0, epochs=self.epochs, seed=self.seed)
        whole(1, batch_size=self.batch_size)
        plain_numbers(self)


def teach(
    network: nn.Module, x: Tensor, loss: LossOf, lessons: Lessons, after: Callable[[], None] = lambda: None
) -> None:
    """Train a network in place; dropout draws by the seed, and nobody else's draws change.

    Args:
        after: called after every step.

    Raises:
        InvalidInput: no parameter is trained; the loss, or a parameter, is no longer a number; or the network norms
            over a batch of one example.
    """
    trained = [value for value in network.parameters() if value.requires_grad]
    if not lessons.epochs:
        return
    if not trained:
        raise InvalidInput("No parameter is trained.", mend="Let one have requires_grad=True, or give no lessons.")
    optimizer = Adam(trained, lr=lessons.rate)
    seed = seed_of_torch(lessons.seed)
    generator = torch.Generator().manual_seed(seed)
    total = torch.zeros(())
    normed = any(isinstance(module, BatchNorm) for module in network.modules())
    network.train()
    with torch.random.fork_rng([x.device] if x.is_cuda else []), torch.enable_grad():
        torch.manual_seed(seed)
        for _ in repeat(None, lessons.epochs):
            for rows in torch.randperm(len(x), generator=generator).to(x.device).split(lessons.batch_size):
                if normed and len(rows) == 1 < len(x) and lessons.batch_size > 1:
                    continue  # a rest of one example has no spread to norm by
                total = loss(answered(network, lessons.prepare(x[rows])), rows)
                optimizer.zero_grad()
                total.backward()
                optimizer.step()
                after()
    if not (isfinite(float(total.detach())) and all(bool(value.isfinite().all()) for value in trained)):
        raise InvalidInput("The training of the smaller network diverged.", mend="Lower the rate.")
