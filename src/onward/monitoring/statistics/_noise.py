"""How much a contrast of block means varies by chance when the points hang together. See README.md beside this."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from ._numbers import Numbers

# Autocorrelation between neighbouring blocks, up to what cannot be told from a random walk.
GRID: Final = np.r_[np.arange(0.0, 0.9, 0.04), np.arange(0.9, 0.99, 0.02), 0.99, 0.999]
# Autocorrelation estimated from few blocks is too small as often as too large, and too small raises false alarms. So
# it is taken larger, and known with half the degrees of freedom. Both were chosen by benchmarks/trend_power.py.
CAUTION: Final = 20.0  # times blocks^-1.5: added to the lag-1 autocorrelation of a line's residuals
KNOWN: Final = 0.5  # times the degrees of freedom


def block_size(count: int) -> int:
    """Points to a block: 24 blocks or more, in long series count^0.6 up to 64; 2 in series of 16 to 47 points."""
    return max(1 if count < 16 else 2, count // min(64, max(24, int(count**0.6))))


@dataclass(frozen=True, slots=True, eq=False)
class Noise:
    """The chance variance of a contrast, and the degrees of freedom it is known with."""

    variance: float
    freedom: float


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """For one fit to q block means, by autocorrelation: what its residuals look like and what they say.

    Args:
        residual: q x q, takes the fit away.
        lag: expected lag-1 autocorrelation of the residuals; rising.
        factor: variance of the contrast over the expected sum of squared residuals.
        freedom: degrees of freedom of that sum (Satterthwaite 1946).
    """

    residual: Numbers
    lag: Numbers
    factor: Numbers
    freedom: Numbers


@lru_cache(maxsize=512)
def table(blocks: int, split: int) -> Table:
    """For a straight line through so many blocks (split 0), or a step before block `split`."""
    contrast = np.arange(blocks) - (blocks - 1) / 2
    if split:
        contrast = np.where(np.arange(blocks) < split, -1 / split, 1 / (blocks - split))
    residual = np.eye(blocks) - 1 / blocks - np.outer(contrast, contrast) / (contrast @ contrast)
    apart = np.abs(np.subtract.outer(np.arange(blocks), np.arange(blocks)))
    covariance = GRID[:, None, None] ** apart
    left = residual @ covariance @ residual
    total = np.trace(left, axis1=1, axis2=2)
    lag = np.trace(left[:, 1:, :-1], axis1=1, axis2=2) / total
    return Table(
        residual,
        np.maximum.accumulate(lag),
        contrast @ covariance @ contrast / total,
        total**2 / np.square(left).sum(axis=(1, 2)),
    )


def noise(blocks: Numbers, split: int = 0, caution: float = CAUTION) -> Noise:
    """Chance variance of the contrast (line: sum of centred position x mean; step: after less before) of block means.

    Args:
        blocks: q block means, q >= 4.
        split: the fit taken away before, as in `table`.
        caution: see CAUTION.
    """
    expected = table(len(blocks), split)
    left = expected.residual @ blocks
    squares = float(left @ left)
    if squares <= 1e-18 * max(float(blocks @ blocks), 1e-300):
        return Noise(0.0, KNOWN * (len(blocks) - 2))
    lag = float(left[1:] @ left[:-1]) / squares + caution * len(blocks) ** -1.5
    return Noise(
        squares * float(np.interp(lag, expected.lag, expected.factor)),
        KNOWN * float(np.interp(lag, expected.lag, expected.freedom)),
    )


def tail(statistic: float, found: Noise, blocks: int) -> float:
    """Two-sided p-value of a contrast; never below the chance that a random walk of so many blocks turns nowhere."""
    from scipy.special import stdtr

    least = 2.0 ** (2 - blocks)
    if statistic == 0:
        return 1.0
    if found.variance == 0:
        return least
    return max(least, float(2 * stdtr(found.freedom, -abs(statistic) / found.variance**0.5)))


def margin(found: Noise, level: float) -> float:
    """How far a contrast goes by chance: both sides together in a share `level` of cases."""
    from scipy.special import stdtrit

    return float(stdtrit(found.freedom, 1 - level / 2) * found.variance**0.5)
