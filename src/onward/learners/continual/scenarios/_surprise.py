"""How unlike examples are to those before."""

from __future__ import annotations

import torch
from torch import Tensor

FLOOR = 1e-2
"""Least variance of a feature, as a share of the mean variance: features that were constant are not all that counts."""


class Surprise:
    """Mean and variance of each feature so far, and the distance of new examples from them.

    >>> surprise = Surprise(torch.tensor([[0.0], [2.0]]))
    >>> surprise.of(torch.tensor([[1.0], [5.0]]))
    [0.0, 2.83...]
    """

    def __init__(self, x: Tensor | None = None) -> None:
        self._count = 0
        self._mean = self._squares = torch.empty(0)
        if x is not None:
            self.learn(x)

    def learn(self, x: Tensor) -> None:
        """Take examples (n, ...) in (Chan, Golub and LeVeque 1983)."""
        if not len(x):
            return
        rows = x.flatten(1).double() if x.ndim > 1 else x.double().unsqueeze(1)
        mean, squares = rows.mean(0), (rows - rows.mean(0)).square().sum(0)
        if not self._count:
            self._count, self._mean, self._squares = len(x), mean, squares
            return
        total = self._count + len(x)
        gap = mean - self._mean
        self._squares = self._squares + squares + gap.square() * (self._count * len(x) / total)
        self._mean = self._mean + gap * (len(x) / total)
        self._count = total

    def of(self, x: Tensor) -> list[float]:
        """log(1 + squared distance in standard deviations, mean over the features) of each of (n, ...) examples."""
        if not self._count:
            return Surprise(x).of(x)
        rows = x.flatten(1).double() if x.ndim > 1 else x.double().unsqueeze(1)
        variance = self._squares / self._count
        variance = variance.maximum(FLOOR * variance.mean()).clamp_min(1e-12)
        found: list[float] = ((rows - self._mean).square() / variance).mean(1).log1p().tolist()
        return found
