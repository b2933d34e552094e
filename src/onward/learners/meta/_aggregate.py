"""From what every task says to one meta-gradient: the mean, or what bounds how far one task can pull."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Final, Literal

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import above, plain_numbers, whole

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
        above(bound=self.bound)
        whole(3, groups=self.groups)
        plain_numbers(self)

    @property
    def adds(self) -> bool:
        """Whether a sum is all that is needed of many tasks."""
        return self.kind != "median_of_means"

    def __call__(self, grads: Params) -> Params:
        """(T, ...) gradients -> one each."""
        count = len(next(iter(grads.values()))) if grads else 0
        return self.mean(self.part(grads), count)

    def part(self, grads: Params) -> Params:
        """What is needed of (T, ...) gradients of some tasks: their sums, (1, ...), or, for medians, themselves."""
        if not self.adds:
            return grads
        return {name: value.sum(0, keepdim=True) for name, value in self.bounded(grads).items()}

    def together(self, parts: Sequence[Params]) -> Params:
        """Several parts as one."""
        if len(parts) == 1:
            return parts[0]
        names = dict.fromkeys(name for part in parts for name in part)
        each = {name: [part[name] for part in parts if name in part] for name in names}
        if self.adds:
            return {name: reduce(torch.add, values) for name, values in each.items()}
        return {name: torch.cat(values) for name, values in each.items()}

    def mean(self, part: Params, count: int) -> Params:
        """The gradient that the parts of `count` tasks make."""
        if not self.adds:
            return {name: _median(value, self.groups) for name, value in part.items()}
        return {name: value[0] / count for name, value in part.items()}

    def bounded(self, grads: Params) -> Params:
        """Each task's gradient, at most `bound` long where that is asked for."""
        if self.kind != "clip" or not grads:
            return grads
        factor = (self.bound / norms(grads).clamp_min(1e-12)).clamp_max(1)
        return {name: value * factor.view(-1, *[1] * (value.ndim - 1)) for name, value in grads.items()}


def _median(value: Tensor, groups: int) -> Tensor:
    parts: Sequence[Tensor] = value.tensor_split(min(groups, len(value)))
    return torch.stack([part.mean(0) for part in parts]).quantile(0.5, dim=0)


def norms(grads: Params) -> Tensor:
    """(T,) Euclidean norm of each task's gradient over all parameters."""
    return torch.stack([value.flatten(1).square().sum(1) for value in grads.values()]).sum(0).sqrt()
