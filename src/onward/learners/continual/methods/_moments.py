"""Means and scatter of groups of rows, kept exactly while rows come and go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from onward.core import InvalidInput


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """What a linear rule needs of all rows seen: how many, their means, how they vary together. Always float64.

    Joining and taking away are exact up to rounding, in any order (Chan, Golub and LeVeque 1983, The American
    Statistician 37(3)). The rows themselves are not in it, nor can a row be found in it; to take one away it has to be
    given again.

    Args:
        count: (groups,) rows of each group.
        mean: (groups, d) of each; 0 where there are none.
        scatter: (d, d) sum over all rows of the outer product of what is left after the mean of their group.

    >>> some, more = torch.tensor([[0.0], [2.0]]), torch.tensor([[4.0]])
    >>> both = Moments.of(some).joined(Moments.of(more))
    >>> both.count.item(), both.mean.item(), both.scatter.item()
    (3.0, 2.0, 8.0)
    >>> both.without(Moments.of(more)).scatter.item()
    2.0
    """

    count: Tensor
    mean: Tensor
    scatter: Tensor

    @property
    def finite(self) -> bool:
        """Whether all of them are finite numbers."""
        return all(bool(part.isfinite().all()) for part in (self.mean, self.scatter))

    @classmethod
    def of(cls, rows: Tensor, group: Tensor | None = None, groups: int = 1) -> Moments:
        """Those of (n, d) rows.

        Args:
            group: (n,) the group of each, from 0; all of one where left out.
            groups: how many there are.
        """
        rows = rows.double()
        group = torch.zeros(len(rows), dtype=torch.int64, device=rows.device) if group is None else group
        member = torch.nn.functional.one_hot(group, groups).double()
        count = member.sum(0)
        mean = member.T @ rows / count.clamp_min(1)[:, None]
        left = rows - mean[group]
        return cls(count, mean, left.T @ left)

    def joined(self, other: Moments) -> Moments:
        """Those of both."""
        count = self.count + other.count
        share = other.count / count.clamp_min(1)
        gap = other.mean - self.mean
        between = (gap * (self.count * share)[:, None]).T @ gap
        return Moments(count, self.mean + gap * share[:, None], self.scatter + other.scatter + between)

    def without(self, other: Moments) -> Moments:
        """Those of what is left when the others are taken away; they must be among these.

        Raises:
            InvalidInput: there are more of a group to take away than there are.
        """
        count = self.count - other.count
        if bool((count < 0).any()):
            raise InvalidInput("More rows are taken away than there are.", mend="Take each away once.")
        mean = (self.mean * self.count[:, None] - other.mean * other.count[:, None]) / count.clamp_min(1)[:, None]
        mean = mean * (count > 0)[:, None]
        gap = other.mean - mean
        weight = count * other.count / self.count.clamp_min(1)
        return Moments(count, mean, self.scatter - other.scatter - (gap * weight[:, None]).T @ gap)

    def state(self) -> dict[str, Tensor]:
        """The three tensors by name."""
        return {"count": self.count, "mean": self.mean, "scatter": self.scatter}

    @classmethod
    def restored(cls, state: Mapping[str, Any], device: torch.device) -> Moments:
        """The way back."""
        return cls(*(state[name].to(device) for name in ("count", "mean", "scatter")))


def solved(matrix: Tensor, right: Tensor, inverse: Callable[[Tensor], Tensor]) -> Tensor:
    """What times a (d, d) symmetric matrix is `right` (d, m), where no eigenvalue is below 0 but for rounding.

    By Cholesky where no row is that of the others together, up to rounding; else by the eigenvalues, which takes
    several times as long.

    Args:
        inverse: (d,) eigenvalues in order -> what is taken as one over each; those within `rounding` may be anything.
    """
    factor, failed = torch.linalg.cholesky_ex(matrix)
    own = factor.diagonal().square() > len(matrix) * torch.finfo(matrix.dtype).eps * matrix.diagonal()
    if not bool(failed) and bool(own.all()):
        return torch.cholesky_solve(right, factor)
    values, vectors = torch.linalg.eigh(matrix)
    found: Tensor = vectors @ (inverse(values)[:, None] * (vectors.T @ right))
    return found


def rounding(values: Tensor) -> Tensor:
    """How far rounding may have moved the eigenvalues (d,), in order, of a matrix."""
    return len(values) * torch.finfo(values.dtype).eps * values[-1]
