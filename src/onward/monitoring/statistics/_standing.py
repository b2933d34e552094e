"""Where a series that goes on has settled, and when it leaves that place again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from ._convergence import RANGE, SHORTEST, WINDOW, settled, spread_of
from ._numbers import series
from ._pairs import mann_kendall

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

SHARE: Final = 0.15  # of the level for each look, since there are many


class Standing(NamedTuple):
    """Where a series has settled.

    Args:
        level: mean of the window in which it did.
        within: how far it may go from there without learning again.
    """

    level: float
    within: float


def standing(
    values: ArrayLike,
    before: Standing | None,
    extremes: tuple[float, float],
    *,
    tolerance: float | None = None,
    level: float = 0.05,
    window: int = WINDOW,
) -> Standing | None:
    """Where a series stands by its newest values, looked at again and again; `None` while it learns.

    A series that learns settles as `convergence` judges, at 0.15 of the level, as it is looked at often. One that has
    settled learns again when the mean of the window leaves its level by more than the tolerance, or a trend moves the
    window's fifths apart by more than that.

    Args:
        values: the newest ones, in order of arrival; the last `window` of them count, and fewer than 40 tell nothing.
        before: how it stood when it was last looked at.
        extremes: lowest and highest value so far, or mean of a stretch: 1 % of that range is tolerated at least.
        tolerance, level, window: as in `convergence`.

    >>> settles = standing([0.9, 0.91] * 50, None, (0.2, 0.91))
    >>> round(settles.level, 3), standing([0.5, 0.51] * 50, settles, (0.2, 0.91))
    (0.905, None)
    """
    newest = series(values)[-window:]
    if len(newest) < SHORTEST:
        return before
    if before is None:
        found = settled(newest, tolerance, RANGE * (extremes[1] - extremes[0]), SHARE * level)
        return Standing(found.level, found.tolerance) if found.settled else None
    moved = abs(float(newest.mean()) - before.level) > before.within
    if moved or (spread_of(newest) > before.within and mann_kendall(newest)[1] <= level):
        return None
    return before
