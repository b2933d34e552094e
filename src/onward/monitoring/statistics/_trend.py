"""Whether a series rises or falls, by how much, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ._checks import checked_level
from ._numbers import FEWEST, Numbers, instants, series
from ._pairs import line, mann_kendall

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


Direction = Literal["rising", "falling", "flat", "unknown"]


@dataclass(frozen=True, slots=True)
class Trend:
    """Where a series is heading.

    Args:
        direction: rising or falling where `p_value` is at most `level`, else flat; unknown with fewer than 8 points.
        slope: median slope over all pairs of points (Theil-Sen), in units of the values for each event.
        slope_interval: its interval at 1 - `level`, that of a straight line. On a bent curve it is wide and may hold
            0 although the direction is sure.
        slope_per_hour: the same slope by time; None without times or where all are equal.
        confidence: 1 - `p_value`.
        p_value: of the Mann-Kendall test, with a variance that holds under autocorrelation.
        level: false alarms allowed on series that go nowhere.
        points: how many were given.
        recent_average: mean of the latest tenth of the points, at least 10, or all; 0 without points.
    """

    direction: Direction
    slope: float
    slope_interval: tuple[float, float]
    slope_per_hour: float | None
    confidence: float
    p_value: float
    level: float
    points: int
    recent_average: float


def trend(values: ArrayLike, times: ArrayLike | None = None, *, level: float = 0.05) -> Trend:
    """The trend of a series of n points in order of arrival.

    Direction by the Mann-Kendall test (Mann 1945, Kendall 1975), whose variance is taken from block means of the rank
    scores and their autocorrelation, so that noise that hangs together, heavy tails and ties raise few false alarms.
    Slope by Theil and Sen. Series of more than 512 points are thinned to means of equal stretches. The figures stand
    in docs/guides/trends.md.

    Args:
        values: n finite numbers, up to 1e100.
        times: n POSIX seconds, never going back.
        level: above 0, at most 0.5.

    Raises:
        InvalidInput: something else is given.

    >>> found = trend([0.52, 0.55, 0.61, 0.58, 0.66, 0.71, 0.69, 0.74, 0.78, 0.77, 0.81, 0.84])
    >>> found.direction, round(found.slope, 3)
    ('rising', 0.029)
    >>> trend([0.8, 0.7]).direction
    'unknown'
    """
    level, points = checked_level(level), series(values)
    when = instants(times, len(points))
    recent = points[-max(10, len(points) // 10) :]
    average = float(recent.mean()) if len(points) else 0.0
    if len(points) < FEWEST:
        return Trend("unknown", 0.0, (0.0, 0.0), None, 0.0, 1.0, level, len(points), average)
    return _judged(points, when, level, average)


def _judged(points: Numbers, when: Numbers | None, level: float, average: float) -> Trend:
    import numpy as np

    statistic, p_value = mann_kendall(points)
    slope, interval = line(points, np.arange(len(points), dtype=np.float64), level)
    hours = when is not None and when[-1] > when[0]
    return Trend(
        direction=_direction(statistic) if p_value <= level else "flat",
        slope=slope,
        slope_interval=interval,
        slope_per_hour=line(points, (when - when[0]) / 3600, level)[0] if when is not None and hours else None,
        confidence=1 - p_value,
        p_value=p_value,
        level=level,
        points=len(points),
        recent_average=average,
    )


def _direction(statistic: int) -> Direction:
    return "rising" if statistic > 0 else "falling"
