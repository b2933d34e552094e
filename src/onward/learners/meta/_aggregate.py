"""From what every task says to one meta-gradient: the mean, or what bounds how far one task can pull."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import torch
from torch import Tensor

from onward.core import InvalidInput

from .engine import Params

Kind = Literal["mean", "clip", "median_of_means"]
KINDS: Final = ("mean", "clip", "median_of_means")


@dataclass(frozen=True, slots=True)
class Aggregate:
    """How task gradients become one.

    Args:
        kind: "mean"; "clip": the mean of gradients whose norm is at most `bound`, so that a poisoned task moves the
            mean by at most 2 * bound / T; "median_of_means": the median, number by number, of the means of `groups`
            groups of tasks, which fewer than half of the groups cannot move far (Lugosi and Mendelson 2019).
        bound: largest norm of a task's gradient, of "clip".
        groups: of "median_of_means", at least 3.

    Raises:
        InvalidInput: a value is out of its range.

    >>> Aggregate("clip", bound=1.0)({"w": torch.tensor([[3.0], [0.5]])})["w"]
    tensor([0.7500])
    """

    kind: Kind = "mean"
    bound: float = 10.0
    groups: int = 5

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidInput(f"No aggregation is called {self.kind!r}.", mend="Name a known one.", options=KINDS)
        if not self.bound > 0 or self.groups < 3:
            raise InvalidInput(
                f"A bound of {self.bound} with {self.groups} groups cannot aggregate.",
                mend="Give a bound above 0 and at least 3 groups.",
            )

    def __call__(self, grads: Params) -> Params:
        """(T, ...) gradients -> one each."""
        if self.kind == "median_of_means":
            return {name: _median(value, self.groups) for name, value in grads.items()}
        return {name: value.mean(0) for name, value in self.bounded(grads).items()}

    def bounded(self, grads: Params) -> Params:
        """Each task's gradient, at most `bound` long where that is asked for."""
        if self.kind != "clip" or not grads:
            return grads
        factor = (self.bound / norms(grads).clamp_min(1e-12)).clamp_max(1)
        return {name: value * factor.view(-1, *[1] * (value.ndim - 1)) for name, value in grads.items()}


def _median(value: Tensor, groups: int) -> Tensor:
    parts: Sequence[Tensor] = value.chunk(min(groups, len(value)))
    return torch.stack([part.mean(0) for part in parts]).quantile(0.5, dim=0)


def norms(grads: Params) -> Tensor:
    """(T,) Euclidean norm of each task's gradient over all parameters."""
    return torch.stack([value.flatten(1).square().sum(1) for value in grads.values()]).sum(0).sqrt()
