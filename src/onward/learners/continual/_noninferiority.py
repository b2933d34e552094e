"""Whether something is surely not worse: the exact unconditional test for pairs, and its kin for real outcomes."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any, Final

import numpy as np
from scipy import stats
from scipy.special import gammaln, xlogy

Numbers = np.ndarray[Any, np.dtype[np.float64]]
EXACT: Final = 200
"""Up to so many examples the test is exact; beyond, the score test's level is off by less than 1 point in 100."""
GRID: Final = 128
"""Chances of a win that are tried, from 0 to the largest, dense at both ends."""
TIE: Final = 1e-9
FLAT: Final = 1e-12


def surely_not_worse(differences: Numbers, margin: float) -> float:
    """Chance of differences this good or better if their true mean were -margin.

    Args:
        differences: (n,) after minus before; those of right and wrong answers are -1, 0 or 1.
        margin: 0 or more.

    >>> round(surely_not_worse(np.zeros(59), 0.05), 3)
    0.048
    """
    count = len(differences)
    if not np.isin(differences, (-1.0, 0.0, 1.0)).all():
        return mean_above(differences, -margin)
    won, lost = int((differences > 0).sum()), int((differences < 0).sum())
    if margin >= 1:
        return 0.0
    if not margin:
        return more_often(won, lost)
    score = float(_score(np.array(won), np.array(lost), count, margin))
    return _exact(score, count, margin) if count <= EXACT else float(stats.norm.sf(score))


def more_often(often: int, seldom: int) -> float:
    """Chance of so many of one kind, or more, if both were as likely: McNemar's exact test, one-sided.

    >>> more_often(3, 0), more_often(0, 0)
    (0.125, 1.0)
    """
    count = often + seldom
    return float(stats.binomtest(often, count, 0.5, alternative="greater").pvalue) if count else 1.0


def mean_above(values: Numbers, bound: float) -> float:
    """Chance of so large a mean, or a larger one, if the true one were the bound: Student's t, one-sided.

    Where none differs from the others, the sign test.

    >>> mean_above(np.array([0.5, 0.5, 0.5]), 0.4)
    0.125
    """
    mean, spread = float(values.mean()), float(values.std(ddof=1)) if len(values) > 1 else 0.0
    if spread <= FLAT * max(1.0, abs(mean)):
        return math.ldexp(1.0, -len(values)) if mean > bound else 1.0
    return float(stats.t.sf((mean - bound) * math.sqrt(len(values)) / spread, len(values) - 1))


def _score(won: Numbers, lost: Numbers, count: int, margin: float) -> Numbers:
    """The score of Tango (1998, Statistics in Medicine 17:891-908): how far the mean is above -margin."""
    linear = (2 * count - lost + won) * margin - lost - won
    root = np.sqrt(linear**2 + 8 * count * won * margin * (1 - margin))
    wins = (root - linear) / (4 * count)  # the likeliest chance of a win, given that mean
    found: Numbers = (won - lost + count * margin) / np.sqrt(count * (2 * wins + margin * (1 - margin)))
    return found


@lru_cache(maxsize=256)
def _exact(score: float, count: int, margin: float) -> float:
    """Chance of that score or a higher one, at the chance of a win that makes it largest (Hsueh et al. 2001)."""
    logs, won, lost, scores = _table(count, margin)
    best = np.flatnonzero(scores >= score - TIE)
    logs, won, lost = logs[best], won[best], lost[best]
    chance = 0.0
    for wins in (1 - np.cos(np.linspace(0, np.pi, GRID))) * (1 - margin) / 4:
        rest = max(0.0, 1 - 2 * wins - margin)
        terms = logs + xlogy(won, wins) + xlogy(lost, wins + margin) + xlogy(count - won - lost, rest)
        chance = max(chance, float(np.exp(terms).sum()))
    return min(1.0, chance)


@lru_cache(maxsize=8)
def _table(count: int, margin: float) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """All pairs of wins and losses: log of the number of ways, wins, losses, scores."""
    grid: Numbers = np.indices((count + 1, count + 1), dtype=np.float64).reshape(2, -1)
    won, lost = grid[:, grid.sum(0) <= count]
    logs = gammaln(count + 1) - gammaln(won + 1) - gammaln(lost + 1) - gammaln(count - won - lost + 1)
    return logs, won, lost, _score(won, lost, count, margin)
