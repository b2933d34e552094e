"""What many measurements add up to: kept as they come, so that nothing has to be read again.

Quantiles come from a DDSketch (Masson, Rim and Lee 2019): counts in bins whose borders grow by a constant factor, so
that every value is known within 0.5 %, from 1e-100 up; sketches of parts add up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp, log
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

ACCURACY: Final = 0.005
GROWTH: Final = log((1 + ACCURACY) / (1 - ACCURACY))
SMALLEST: Final = 1e-100
OFFSET: Final = int(-log(SMALLEST) / GROWTH) + 2
FACTOR: Final = 4
FINEST: Final = 64
LEVELS: Final = tuple(FINEST * FACTOR**level for level in range(8))
"""How many measurements a block of each level holds."""


class Summary(NamedTuple):
    """Sums and extremes of some measurements of one series.

    Args:
        first, last: values, in order of arrival.
        first_time, last_time: the earliest and the latest, whatever the order of arrival.
    """

    size: int
    total: float
    rates: float
    convergences: float
    low: float
    high: float
    first: float
    last: float
    first_time: float
    last_time: float

    @property
    def average(self) -> float:
        """Mean value."""
        return self.total / self.size

    def plus(self, later: Summary) -> Summary:
        """Both together; `later` came after this."""
        return Summary(
            self.size + later.size,
            self.total + later.total,
            self.rates + later.rates,
            self.convergences + later.convergences,
            min(self.low, later.low),
            max(self.high, later.high),
            self.first,
            later.last,
            min(self.first_time, later.first_time),
            max(self.last_time, later.last_time),
        )


@dataclass(frozen=True, slots=True)
class Columns:
    """Measurements of one series as arrays of one length, in the order in which they came."""

    times: Floats
    values: Floats
    rates: Floats
    convergences: Floats

    def summaries(self, starts: Sequence[int] | NDArray[np.int64] = (0,)) -> list[Summary]:
        """Of each part that begins at one of these places, up to the next."""
        first = np.asarray(starts, dtype=np.int64)
        ends = np.append(first[1:], len(self.values))
        last = ends - 1
        columns = (
            ends - first,
            *(np.add.reduceat(part, first) for part in (self.values, self.rates, self.convergences)),
            np.minimum.reduceat(self.values, first),
            np.maximum.reduceat(self.values, first),
            self.values[first],
            self.values[last],
            np.minimum.reduceat(self.times, first),
            np.maximum.reduceat(self.times, first),
        )
        return [Summary(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]


def bins_of(values: Floats) -> dict[int, int]:
    """How many values fall into each bin."""
    size = np.abs(values)
    place = np.ceil(np.log(np.maximum(size, SMALLEST)) / GROWTH).astype(np.int64) + OFFSET
    signed = np.where(size < SMALLEST, 0, np.where(values < 0, -place, place))
    found, counts = np.unique(signed, return_counts=True)
    return dict(zip(found.tolist(), counts.tolist(), strict=True))


def quantiles(bins: Mapping[int, int], wanted: Sequence[float], low: float, high: float) -> list[float]:
    """Quantiles (0..1) of what fell into bins, between two values in proportion; none outside `low` and `high`."""
    places = sorted(bins)
    values = np.clip([_value(place) for place in places], low, high)
    reached = np.cumsum([bins[place] for place in places])
    rank = np.asarray(wanted) * (reached[-1] - 1)
    below, above = (values[np.searchsorted(reached, whole, side="right")] for whole in (np.floor(rank), np.ceil(rank)))
    found: list[float] = (below + (above - below) * (rank % 1)).tolist()
    return found


def _value(place: int) -> float:
    """The middle of a bin."""
    if place == 0:
        return 0.0
    middle = exp((abs(place) - OFFSET) * GROWTH) * (1 - ACCURACY)
    return middle if place > 0 else -middle
