"""All pairs of points: Kendall's S and its test, the Theil-Sen slope and Sen's interval."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ._noise import Noise, block_size, margin, noise, tail
from ._numbers import Numbers, block_means, rounded, scores, thinning

STILL: Final = 1e-9  # block means of rank scores, -1..1, that are no farther than this from 0 are all alike
TIED: Final = 0.25  # share of tied pairs above which slopes are taken from block means
# Kendall's tau of long Gaussian random walks: how far from 0, and the chance of that (50,000 walks of 300 points).
REACH: Final = (0.0, 0.433, 0.655, 0.735, 0.787, 0.832, 0.855, 0.873, 0.901, 0.93, 1.0)
CHANCE: Final = (1.0, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.001, 1e-4, 1e-6)
SHORT_WALK: Final = 0.7  # over the number of points: by how much short walks reach further


@lru_cache(maxsize=8)
def pairs(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the earlier and the later point of every pair; shared, never written to."""
    return np.triu_indices(count, 1)


def rises(values: Numbers) -> Numbers:
    """Later less earlier, of every pair."""
    earlier, later = pairs(len(values))
    return np.asarray(values[later] - values[earlier])


def kendall(differences: Numbers) -> int:
    """Kendall's S: pairs that rise less pairs that fall."""
    return int(np.count_nonzero(differences > 0)) - int(np.count_nonzero(differences < 0))


def mann_kendall(points: Numbers) -> tuple[int, float]:
    """Kendall's S and its two-sided p-value; thinned where too long.

    The lesser of two p-values: by the noise around a line, and by what a random walk reaches, since what hangs together
    less reaches less. A learning curve bends, so what is left beside a line looks like a random walk; the second still
    sees it. Where all blocks are alike, as when scores repeat in turn, S is what turns within them, and goes nowhere.
    """
    thin = block_means(points, thinning(len(points)))
    blocks = block_means(scores(thin), block_size(len(thin)))
    statistic = kendall(rises(thin))
    if np.abs(blocks).max() <= STILL:
        return statistic, 1.0
    p_value = tail(statistic, _noise_of_kendall(len(thin), blocks), len(blocks))
    return statistic, min(p_value, wandering(kendall(rises(blocks)), len(blocks)))


def wandering(statistic: int, count: int) -> float:
    """Chance that a Gaussian random walk of so many points reaches a Kendall's S as far from 0."""
    tau = 2 * abs(statistic) / (count * (count - 1)) - SHORT_WALK / count
    return float(np.exp(np.interp(tau, REACH, np.log(CHANCE))))


def _noise_of_kendall(count: int, blocks: Numbers) -> Noise:
    """Chance variance of S for points that hang together, by block means of their rank scores.

    S is to first order a sum of rank scores weighted with their position (Hajek's projection), so that its variance
    is that of a line's contrast through the scores.
    """
    found = noise(blocks)
    weight = _squares(count) / (_squares(len(blocks)) * block_size(count))
    return Noise(found.variance * (2 * weight) ** 2, found.freedom)


def _squares(count: int) -> float:
    """Sum of squared centred positions."""
    return count * (count**2 - 1) / 12


def line(points: Numbers, positions: Numbers, level: float) -> tuple[float, tuple[float, float]]:
    """Theil-Sen slope and its interval at 1 - level.

    Where over a quarter of the pairs are tied, as with 0 and 1, the slopes are those of block means.

    Args:
        points: n values.
        positions: n, never falling, not all equal.
        level: 1 - coverage.
    """
    size = thinning(len(points))
    values, where = block_means(points, size), block_means(positions, size)
    differences = rises(values)
    if np.count_nonzero(differences) < (1 - TIED) * len(differences):
        size = block_size(len(values))
        values, where = block_means(values, size), block_means(where, size)
        differences = rises(values)
    return _sen(values, where, differences, level)


def _sen(values: Numbers, where: Numbers, rise: Numbers, level: float) -> tuple[float, tuple[float, float]]:
    """Sen (1968), with a variance of S for dependent points."""
    over = rises(where)
    apart = over > 0
    slopes = np.asarray(rise / over if apart.all() else rise[apart] / over[apart])
    slopes.sort()
    count, middle = len(slopes), float(slopes[(len(slopes) - 1) // 2] + slopes[len(slopes) // 2]) / 2
    blocks = block_means(scores(rounded(values - middle * where)), block_size(len(values)))
    found = _noise_of_kendall(len(values), blocks)
    # Where chance reaches beyond all pairs, the outermost slopes are the best that can be said.
    low = max(0, int((count - margin(found, level)) / 2) - 1)
    return middle, (float(slopes[low]), float(slopes[count - 1 - low]))
