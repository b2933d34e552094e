"""Series as numpy arrays: checked, thinned to a bounded size, ranked, cut into blocks."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from onward.core import InvalidInput

from ._checks import LARGEST

Numbers = NDArray[np.float64]

LIMIT: Final = 512  # points that pairs are made of; longer series are thinned to means of equal stretches
FEWEST: Final = 8  # with fewer points nothing can be said that holds under autocorrelation


def series(values: ArrayLike, name: str = "values") -> Numbers:
    """A one-dimensional array of finite numbers.

    Raises:
        InvalidInput: something else.
    """
    try:
        given = np.asarray(values)
        if given.dtype.kind not in "biufO":
            raise InvalidInput(
                f"{name} are not numbers.", why=f"They are {given.dtype}.", mend="Give a list of floats."
            )
        found = given.astype(np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(f"{name} are not numbers.", why=f"{error}.", mend="Give a list of floats.") from error
    if found.ndim != 1:
        raise InvalidInput(f"{name} have {found.ndim} dimensions.", mend="Give one number for each event, in order.")
    return _finite(found, name)


def _finite(found: Numbers, name: str) -> Numbers:
    bad = ~(np.abs(found) <= LARGEST)
    if bad.any():
        at = int(np.argmax(bad))
        raise InvalidInput(
            f"{name}[{at}] is {found[at]}.",
            why=f"Only finite numbers up to {LARGEST:g} can be compared.",
            mend="Leave such points out before.",
        )
    return found


def instants(times: ArrayLike | None, count: int) -> Numbers | None:
    """POSIX seconds of `count` points, never going back; None where there are none.

    Raises:
        InvalidInput: another number of times, or a time before the one before it.
    """
    if times is None:
        return None
    found = series(times, "times")
    if len(found) != count:
        raise InvalidInput(f"{len(found)} times for {count} values.", mend="Give one time for each value.")
    if (np.diff(found) < 0).any():
        at = int(np.argmax(np.diff(found) < 0)) + 1
        raise InvalidInput(
            f"times[{at}] lies before times[{at - 1}].",
            why="Points are taken in the order of arrival.",
            mend="Sort values and times by time, or leave the times out.",
        )
    return found


def block_means(values: Numbers, size: int) -> Numbers:
    """Means of stretches of `size` points, `rounded`; what is left over goes to a shorter first stretch."""
    if size <= 1 or len(values) == 0:
        return values
    starts = np.r_[0, np.arange(len(values) % size or size, len(values), size)]
    return rounded(np.add.reduceat(values, starts) / np.diff(np.r_[starts, len(values)]))


def rounded(values: Numbers) -> Numbers:
    """To 40 bits of the largest, so that what is equal stays so whatever it was computed from."""
    unit = np.ldexp(1.0, max(int(np.frexp(np.abs(values).max())[1]) - 40, -1000))
    return np.asarray(np.round(values / unit) * unit)


def thinning(count: int, limit: int = LIMIT) -> int:
    """Points to a stretch so that at most `limit` stretches remain."""
    return max(1, -(-count // limit))


def scores(values: Numbers) -> Numbers:
    """Mid-ranks, scaled to -1..1: heavy tails and units no longer count, only the order."""
    _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2
    return np.asarray((2 * ranks[where] - len(values) - 1) / len(values))
