"""How alike tasks are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np

from onward.core import InvalidInput
from onward.learners.neural import whole

from ._inputs import Floats

Kind = Literal["kernel", "cosine"]
USUAL: Final = 0.5  # the spread of a feature before any task is seen ...
WORTH: Final = 5  # ... which counts as much as so many tasks
NARROWEST: Final = 0.1
WIDTHS: Final = (0.03, 0.3)
BOUND: Final = 5.0


@dataclass(frozen=True)
class Scale:
    """Puts task vectors on one footing: each feature less its mean, over its spread, cut off at 5.

    The spread is drawn towards 0.5 while tasks are few, and is at least 0.1: a feature that was the same in every
    task so far still tells a new task apart.
    """

    mean: Floats
    spread: Floats

    @staticmethod
    def of(vectors: Floats) -> Scale:
        """The scale of (T, d) vectors."""
        count = len(vectors)
        variance = (count * vectors.var(axis=0) + WORTH * USUAL**2) / (count + WORTH)
        return Scale(vectors.mean(axis=0), np.maximum(np.sqrt(variance), NARROWEST))

    def __call__(self, vectors: Floats) -> Floats:
        scaled: Floats = np.clip((vectors - self.mean) / self.spread, -BOUND, BOUND)
        return scaled


@dataclass(frozen=True)
class Neighbourhood:
    """Known tasks, standardised, to compare others with.

    Args:
        scale: made from the known vectors.
        known: (T, d) standardised vectors.
        width: the kernel's unit: the median distance of a known task to its nearest other, from 0.03 to 0.3; 0.1 where
            there is a single task.
    """

    scale: Scale
    known: Floats
    width: float

    @staticmethod
    def of(vectors: Floats) -> Neighbourhood:
        """Around (T, d) vectors, T at least 1."""
        scale = Scale.of(vectors)
        known = scale(vectors)
        between = distances(known, known)
        np.fill_diagonal(between, np.inf)
        nearest = between.min(axis=1)
        usual = float(np.median(nearest)) if len(known) > 1 else 0.1
        return Neighbourhood(scale, known, float(np.clip(usual, *WIDTHS)))

    def distances(self, vectors: Floats) -> Floats:
        """(Q, T) root mean squared differences of standardised features."""
        return distances(self.scale(vectors), self.known)

    def similarities(self, vectors: Floats, kind: Kind = "kernel") -> Floats:
        """(Q, T): "kernel" exp(-(distance / 2 width)^2) in 0..1, or "cosine" of the standardised vectors in -1..1.

        Raises:
            InvalidInput: `kind` is another.
        """
        if kind == "kernel":
            kernel: Floats = np.exp(-((self.distances(vectors) / (2 * self.width)) ** 2))
            return kernel
        if kind == "cosine":
            given = _unit(self.scale(vectors))
            cosine: Floats = np.clip(given @ _unit(self.known).T, -1, 1)
            return cosine
        raise InvalidInput(f"No similarity is called {kind!r}.", options=get_args(Kind))


def most_similar(similarities: Floats, ids: Sequence[str], k: int) -> list[tuple[str, float]]:
    """The k highest, highest first; equal ones in their order.

    Raises:
        InvalidInput: k is no whole number, or below 1.
    """
    whole(1, k=k)
    order = np.argsort(-similarities, kind="stable")[:k]
    return [(ids[at], float(similarities[at])) for at in order]


def distances(left: Floats, right: Floats) -> Floats:
    """(L, R) root mean squared differences."""
    squared = (left**2).sum(axis=1)[:, None] + (right**2).sum(axis=1)[None, :] - 2 * left @ right.T
    found: Floats = np.sqrt(np.clip(squared, 0, None) / left.shape[1])
    return found


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Floats = vectors / np.where(length > 0, length, 1.0)
    return unit
