"""One step in a series: where it is most likely, and whether chance alone would make one as large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from ._noise import block_size, noise, tail
from ._numbers import Numbers, block_means, scores

CAUTION: Final = 16.0  # as in _noise.py, for what is left beside the best step
EDGE: Final = 0.1  # a step has at least this share of the blocks on either side, and two of them


@dataclass(frozen=True, slots=True)
class Step:
    """A step before position `at`, and its p-value over all positions."""

    at: int
    p_value: float


def step(points: Numbers) -> Step:
    """The likeliest step of at least 16 points."""
    if (points == points[0]).all():
        return Step(len(points) // 2, 1.0)
    size = block_size(len(points))
    blocks = block_means(scores(points), size)
    edge = max(2, int(len(blocks) * EDGE))
    split = likeliest(blocks, edge)
    by = float(blocks[split:].mean() - blocks[:split].mean())
    positions = len(blocks) - 2 * edge + 1
    p_value = min(1.0, positions * tail(by, noise(blocks, split, CAUTION), len(blocks)))
    return Step(exact(points, len(points) - (len(blocks) - split) * size, size), p_value)


def likeliest(values: Numbers, edge: int) -> int:
    """Where the means before and after lie furthest apart, weighted for their numbers (the CUSUM of Page 1954)."""
    after = np.arange(edge, len(values) - edge + 1)
    reached = np.cumsum(values - values.mean())[after - 1]
    return int(after[np.argmax(np.abs(reached) / np.sqrt(after * (len(values) - after)))])


def exact(points: Numbers, about: int, reach: int) -> int:
    """The likeliest step within `reach` points of a position, by ranks at full resolution."""
    low, high = max(1, about - reach), min(len(points) - 1, about + reach)
    after = np.arange(low, high + 1)
    reached = np.cumsum(scores(points))[after - 1]
    return int(after[np.argmax(np.abs(reached) / np.sqrt(after * (len(points) - after)))])
