"""When a series will meet a goal, if it keeps its trend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from onward.core import InvalidInput

from ._checks import LARGEST, checked_convergence_level
from ._noise import block_size
from ._numbers import Numbers, block_means, instants, series
from ._pairs import line, mann_kendall
from ._trend import trend

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


LATER: Final = 20  # points of a later half that is looked at by itself


@dataclass(frozen=True, slots=True)
class Reach:
    """When a goal will be met.

    Args:
        at: points from now on, or POSIX seconds where times were given; None where the trend does not lead there.
        interval: earliest and latest, from the slope's interval at 1 - level; None where there is no latest.
        reason: what it rests on.
    """

    at: float | None
    interval: tuple[float, float] | None
    reason: str


def time_to_reach(
    values: ArrayLike,
    times: ArrayLike | None,
    target: float,
    *,
    direction: Literal["maximize", "minimize"],
    level: float = 0.05,
) -> Reach:
    """When a series in order of arrival will reach a target, along the straight line of its trend.

    Where the later half has another slope than the whole, beyond its interval, it is followed, and there is no date
    if it has levelled off. Learning curves bend all the same, so a date far ahead is too early. There is none without a
    trend in the right direction.

    Args:
        values: n finite numbers, up to 1e100.
        times: n POSIX seconds, never going back, or None.
        target: the value to reach.
        direction: whether more ("maximize") or less ("minimize") is better.
        level: above 0, at most 0.25.

    Raises:
        InvalidInput: something else is given.

    >>> rising = [0.5 + 0.002 * at + 0.005 * (-1) ** at for at in range(100)]
    >>> round(time_to_reach(rising, None, 0.9, direction="maximize").at)
    101
    >>> time_to_reach(rising, None, 0.9, direction="minimize").reason
    'Reached already.'
    """
    import numpy as np

    level, points = checked_convergence_level(level), series(values)
    when = instants(times, len(points))
    goal, sign = _checked_target(target), _sign(direction)
    found = trend(points, level=level)
    if len(points) and sign * (found.recent_average - goal) >= 0:
        return _now(when)
    wanted = "rising" if sign > 0 else "falling"
    if found.direction != wanted:
        told = "too short to tell" if found.direction == "unknown" else found.direction
        return Reach(None, None, f"The series is {told}; the target needs it {wanted}.")
    if when is not None and when[-1] == when[0]:
        return Reach(None, None, "All times are equal, so there is no speed to go by.")
    where = np.arange(len(points), dtype=np.float64) if when is None else when - when[0]
    return _ahead(sign * points, where, sign * goal, level, 0.0 if when is None else float(when[-1]))


def _now(when: Numbers | None) -> Reach:
    at = 0.0 if when is None else float(when[-1])
    return Reach(at, (at, at), "Reached already.")


def _ahead(points: Numbers, where: Numbers, goal: float, level: float, now: float) -> Reach:
    """Along the line to a goal above; along the later half's where that has another slope."""
    slope, interval = line(points, where, level)
    half = len(points) // 2
    if half >= LATER and where[-1] > where[half]:
        newer, least_and_most = line(points[half:], where[half:], level)
        if not least_and_most[0] <= slope <= least_and_most[1]:
            points, where, slope, interval = points[half:], where[half:], newer, least_and_most
            if slope <= 0 or mann_kendall(points)[1] > level:
                return Reach(None, None, "The series has levelled off: its later half has no trend to the target.")
    return _along(points, where, goal, now, slope, interval)


def _along(
    points: Numbers, where: Numbers, goal: float, now: float, slope: float, interval: tuple[float, float]
) -> Reach:
    """Every slope of the interval is that of a line through the middle of the blocks' means."""
    import numpy as np

    def left(by: float) -> float:
        level = block_means(points - by * (where - where[-1]), block_size(len(points)))
        return goal - float(np.median(level))

    if slope <= 0:
        return Reach(None, None, "The direction is sure, but the slope cannot be told from none.")
    if left(slope) <= 0:
        return Reach(now, (now, now), "The trend's line has reached the target.")
    low, high = interval
    at, earliest = now + left(slope) / slope, now + max(0.0, left(high) / high)
    if low <= 0:
        return Reach(at, None, f"At a slope of {slope:.3g}; it may be so small that there is no latest time.")
    return Reach(at, (earliest, now + left(low) / low), f"At a slope of {slope:.3g}, between {low:.3g} and {high:.3g}.")


def _checked_target(target: Any) -> float:
    if isinstance(target, bool) or not isinstance(target, int | float) or not abs(target) <= LARGEST:
        raise InvalidInput(f"target is {target!r}.", mend="Give a finite number.")
    return float(target)


def _sign(direction: Any) -> int:
    if direction not in ("maximize", "minimize"):
        raise InvalidInput(f"No direction is called {direction!r}.", options=["maximize", "minimize"])
    return 1 if direction == "maximize" else -1
