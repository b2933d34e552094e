"""Exact tests for paired scores, and corrections for asking several questions at once. README.md has the reasons."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

STEPS = 24  # per point of score: halves, thirds, quarters, sixths and eighths are kept exactly


def sign_flip(differences: NDArray[np.float64]) -> float:
    """Chance of a sum this large or larger if each difference had either sign with chance 1/2 (one-sided, exact).

    Fisher's randomisation test for paired scores (The Design of Experiments, 1935). On differences in {-1, 0, 1} it
    is McNemar's exact test. Differences, -1..1, are rounded to 1/24. The distribution of all 2^n sums is computed, not
    sampled: the inverse Fourier transform of the product of cos(t * |difference|), with an error near 1e-16.

    >>> import numpy as np
    >>> sign_flip(np.array([1.0, 1.0, 1.0, 0.0]))
    0.125
    """
    import numpy as np

    steps = _steps(differences)
    sizes, counts = np.unique(np.abs(steps), return_counts=True)
    if not len(sizes):
        return 1.0
    unit = np.gcd.reduce(sizes)
    chance = _upper_tail(sizes // unit, counts, int(steps.sum() // unit))
    return min(1.0, max(chance, least_chance(differences)))


def least_chance(differences: NDArray[np.float64]) -> float:
    """The smallest chance that `sign_flip` could return for differences of these sizes: all of them positive."""
    return math.ldexp(1.0, -len(_steps(differences)))


def surely_not_worse(differences: NDArray[np.float64], margin: float) -> float:
    """Chance, at most, of differences this good if their true mean were -margin: the score test of Tango (1998).

    Statistics in Medicine 17:891-908, for differences in {-1, 0, 1}. Fractional differences enter as that much of a
    win or loss, which overstates their variance and so errs on the safe side.

    Args:
        differences: (n,) -1..1, n > 0.
        margin: above 0 and below 1.
    """
    count = len(differences)
    won = float(differences[differences > 0].sum())
    lost = -float(differences[differences < 0].sum())
    linear = (2 * count - lost + won) * margin - lost - won
    root = math.sqrt(linear**2 + 8 * count * won * margin * (1 - margin))
    wins = (root - linear) / (4 * count)  # the likeliest chance of a win, given that mean
    z = (lost - won - count * margin) / math.sqrt(count * (2 * wins + margin * (1 - margin)))
    return math.erfc(-z / math.sqrt(2)) / 2


def at_least(successes: int, trials: int, rate: float) -> float:
    """Chance of so many successes or more in so many trials, each with chance `rate`: the exact binomial test."""
    from scipy.special import bdtrc

    return float(bdtrc(successes - 1, trials, rate))


def holm(chances: Sequence[float]) -> list[float]:
    """The chances adjusted so that the smallest may be held against the level (Holm, Scand. J. Statist. 6, 1979).

    >>> holm([0.5, 0.25, 0.125])
    [0.5, 0.5, 0.375]
    """
    adjusted, floor = [0.0] * len(chances), 0.0
    for rank, at in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        floor = max(floor, min(1.0, (len(chances) - rank) * chances[at]))
        adjusted[at] = floor
    return adjusted


def tarone(least: Sequence[float], level: float) -> float:
    """The level to hold each of several exact tests against, so that all together err with chance `level` at most.

    Tests which cannot reach it (`least`: the smallest chance that each could show) cost nothing (Tarone, Biometrics
    46, 1990): with many sets on which hardly an answer differs, it stays near `level`, where Bonferroni divides by all.

    >>> tarone([0.5, 0.5, 0.001], 0.05)
    0.05
    """
    count = 1
    while sum(chance <= level / count for chance in least) > count:
        count += 1
    return level / count


def _steps(differences: NDArray[np.float64]) -> NDArray[np.intp]:
    import numpy as np

    steps = np.rint(differences * STEPS).astype(np.intp)
    return np.extract(steps, steps)


def _upper_tail(sizes: NDArray[np.intp], counts: NDArray[np.intp], total: int) -> float:
    """Chance that sizes[i], each taken counts[i] times and each time with a random sign, add up to total or more."""
    import numpy as np

    length = 2 << int(sizes @ counts).bit_length()
    angles = np.arange(length // 2 + 1) * (2 * np.pi / length)
    spectrum = np.ones_like(angles)
    for size, count in zip(sizes, counts, strict=True):
        spectrum *= np.cos(size * angles) ** count
    chances = np.roll(np.fft.irfft(spectrum, length), length // 2)
    return float(chances[length // 2 + total :].sum())
