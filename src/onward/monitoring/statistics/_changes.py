"""Where the level of a series changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ._checks import checked_count, checked_level
from ._numbers import Numbers, instants, series
from ._steps import step

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import ArrayLike


SHORTEST: Final = 20  # points of a stretch in which a change is looked for
# Parts of it: a share of its length, at least so many points, and what the p-value is taken times.
PARTS: Final = ((1, SHORTEST, 1.5), (2, 30, 9.0), (4, 60, 28.0))


@dataclass(frozen=True, slots=True)
class ChangePoint:
    """One lasting change of level.

    Args:
        index: of the first point at the new level.
        time: of that point; None without times.
        before: mean from the change before, or the start, to this one.
        after: mean from here to the next change, or the end.
        p_value: for all places looked at.
    """

    index: int
    time: float | None
    before: float
    after: float
    p_value: float


def change_points(
    values: ArrayLike, times: ArrayLike | None = None, *, level: float = 0.05, at_most: int = 10
) -> tuple[ChangePoint, ...]:
    """The lasting changes of level of a series in order of arrival, by index; none with fewer than 20 points.

    A CUSUM of rank scores finds the likeliest step; its chance variance comes from what is left beside the step, which
    may hang together. The whole series is searched, and overlapping halves and quarters, since opposite steps hide each
    other (seeded segmentation, Kovacs et al. 2023); then the stretches before and after, at half the level each. Of
    series without a change at most a share `level` has any. A steady rise is no step, yet one may be found in it: ask
    `trend` first.

    Args:
        values: n finite numbers, up to 1e100.
        times: n POSIX seconds, never going back.
        level: above 0, at most 0.5.
        at_most: so many, the surest.

    Raises:
        InvalidInput: something else is given.

    >>> [change.index for change in change_points([0.8, 0.81, 0.79] * 10 + [0.7, 0.71, 0.69] * 10)]
    [30]
    """
    level, points = checked_level(level), series(values)
    when, most = instants(times, len(points)), checked_count(at_most, "at_most", 1)
    found = sorted(_search(points, 0, level, 1.0), key=lambda change: (change[1], change[0]))[:most]
    ordered = sorted(found)
    edges = [0, *(index for index, _ in ordered), len(points)]
    return tuple(
        ChangePoint(
            index=index,
            time=None if when is None else float(when[index]),
            before=float(points[edges[place] : index].mean()),
            after=float(points[index : edges[place + 2]].mean()),
            p_value=p_value,
        )
        for place, (index, p_value) in enumerate(ordered)
    )


def _search(points: Numbers, offset: int, level: float, times: float) -> list[tuple[int, float]]:
    """(index, p-value) of every change within a stretch; `times` is what its p-values are taken times."""
    best = _best(points)
    if best is None or best[1] * times > level:
        return []
    at, p_value = best
    before = _search(points[:at], offset, level, 2 * times)
    after = _search(points[at:], offset + at, level, 2 * times)
    return [*before, (offset + at, p_value * times), *after]


def _best(points: Numbers) -> tuple[int, float] | None:
    """The surest step of a stretch, in it all or in a part of it."""
    found = []
    for low, high, times in _parts(len(points)):
        one = step(points[low:high])
        found.append((one.p_value * times, low + one.at))
    return (min(found)[1], min(found)[0]) if found else None


def _parts(count: int) -> Iterator[tuple[int, int, float]]:
    """From, to and price of the stretches to look at: all, and halves and quarters that overlap by half."""
    for share, least, times in PARTS:
        length = count // share
        if length >= least:
            for at in range(2 * share - 1):
                low = min(at * length // 2, count - length)
                yield low, low + length, times
