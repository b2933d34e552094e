"""Learning curves: smoothed, with bands."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ._store import Curve
from ._summary import Floats


@dataclass(frozen=True, slots=True)
class LearningCurve:
    """A smoothed curve with what it was made of, all of one length, oldest first.

    Args:
        times: POSIX seconds.
        scores: the mean of the window that ends here, each measurement counting once.
        low, high: the lowest and the highest measurement in that window: no peak is lost, however many there were.
    """

    times: Floats
    scores: Floats
    low: Floats
    high: Floats


def smoothed(curve: Curve, window: int) -> LearningCurve:
    """The moving average over the last `window` measurements; over fewer at the beginning.

    Where the curve is of blocks larger than the window, each block stands for itself.
    """
    if not len(curve.values):
        return LearningCurve(curve.times, curve.values, curve.low, curve.high)
    wide = max(1, min(len(curve.values), round(window / float(np.median(curve.counts)))))
    reached = np.cumsum(curve.counts)
    sums = np.cumsum(curve.values * curve.counts)
    before = np.arange(len(sums)) - wide
    count = reached - np.where(before >= 0, reached[before], 0)
    total = sums - np.where(before >= 0, sums[before], 0)
    low, high = _extreme(curve.low, wide, np.minimum), _extreme(curve.high, wide, np.maximum)
    return LearningCurve(curve.times, np.clip(total / count, low, high), low, high)


def _extreme(values: Floats, wide: int, extreme: np.ufunc) -> Floats:
    """The extreme of each window that ends at a place, by doubling: windows of 1, 2, 4, ... overlap to any width."""
    found, reach = values.copy(), 1
    while reach < wide:
        step = min(reach, wide - reach)
        found[step:] = extreme(found[step:], found[:-step])
        reach += step
    return found
