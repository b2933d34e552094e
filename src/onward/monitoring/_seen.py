"""What pictures and pages show of a task: its smoothed curve, with the moments that are marked on it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from onward.monitoring.statistics import change_points
from onward.monitoring.tracker._curves import smoothed

if TYPE_CHECKING:
    from onward.monitoring.tracker import Measurement, Source, Store
    from onward.monitoring.tracker._store import Curve
    from onward.monitoring.tracker._summary import Floats, Summary

    Columns = tuple[Floats, Floats, Floats, Floats, Floats]

WIDEST: Final = 100
SHARE: Final = 15
MOMENTS: Final = 1_000
FINEST: Final = 512
STEPS: Final = 3
BESIDE: Final = 48
SURE: Final = 10.0
"""Twice the logarithm of how much likelier a step is than a bend."""
TINY: Final = 1e-12
EARLIEST, LATEST, SHORTEST = -2e9, 7e9, 0.01
"""Seconds between which a calendar makes sense (1906 to 2191), and the least that a time axis can span."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a curve: the place is counted in events, from 1; `rise` is what was added there."""

    time: float
    place: float
    score: float
    rise: float = 0.0


@dataclass(frozen=True, slots=True)
class Seen:
    """A task as it is drawn; the arrays are of one length, in order of time.

    Args:
        name: of the task.
        summary: sums over all its events.
        times: POSIX seconds.
        places: number of the event, counted from 1.
        scores: moving average.
        low, high: extremes within it: no peak is lost, however few points are drawn.
        converged: when it settled.
        changed: when its level changed for good, in one step.
    """

    name: str
    summary: Summary
    times: Floats
    places: Floats
    scores: Floats
    low: Floats
    high: Floats
    converged: tuple[Mark, ...]
    changed: tuple[Mark, ...]


def see(store: Store, sources: Iterable[Source], points: int) -> list[Seen]:
    """The tasks with so many points each at most, in the order given."""
    summaries, moments = store.summaries("task"), store.newest("convergence", MOMENTS)
    return [_one(store, source, summaries[source], moments, points) for source in sources]


def latest(summaries: Mapping[Source, Summary], sources: Sequence[Source], most: int) -> list[Source]:
    """So many of the sources at most: those that were recorded last, in the order given."""
    newest = sorted(sources, key=lambda source: -summaries[source].last_time)[:most]
    return [source for source in sources if source in newest]


def by_time(tasks: Sequence[Seen]) -> bool:
    """Whether the tasks can be drawn over time: it passed, and few of their points share a moment."""
    if not tasks:
        return False
    first, last = min(task.times[0] for task in tasks), max(task.times[-1] for task in tasks)
    apart = all(len(np.unique(task.times)) * 2 > len(task.times) for task in tasks)
    return bool(apart and first >= EARLIEST and last <= LATEST and last - first >= SHORTEST)


def _one(store: Store, source: Source, summary: Summary, moments: Sequence[Measurement], points: int) -> Seen:
    curve = store.curve(source)
    line = smoothed(curve, max(1, min(WIDEST, int(curve.counts.sum()) // SHARE)))
    places = np.cumsum(curve.counts)
    places += summary.size - places[-1]  # in memory the oldest events are gone, and still count
    order = np.argsort(line.times, kind="stable")
    columns = line.times[order], places[order], line.scores[order], line.low[order], line.high[order]
    marks = [_mark(columns, one.time) for one in moments if one.source.name == source.name]
    return Seen(source.name, summary, *_thinned(columns, points), tuple(marks), tuple(_changes(curve, columns)))


def _mark(columns: Columns, time: float) -> Mark:
    at = min(int(np.searchsorted(columns[0], time, side="right")), len(columns[0])) - 1
    return Mark(time, float(columns[1][at]), float(columns[2][at]))


def _thinned(columns: Columns, points: int) -> Columns:
    """Blocks of points instead of points, where there are more: the average line, the whole band."""
    times, places, scores, low, high = columns
    if len(times) <= points:
        return columns
    starts = np.linspace(0, len(times), points, endpoint=False).astype(np.int64)
    ends = np.append(starts[1:], len(times))
    means = np.add.reduceat(scores, starts) / (ends - starts)
    means[0], means[-1] = scores[0], scores[-1]  # where it began and where it stands are told exactly
    return (
        times[ends - 1],
        places[ends - 1],
        means,
        np.minimum.reduceat(low, starts),
        np.maximum.reduceat(high, starts),
    )


def _changes(curve: Curve, columns: Columns) -> list[Mark]:
    """Lasting changes of level; a bend, in which steps are found as well, is none of them."""
    width = -(-len(curve.values) // FINEST)
    starts = np.arange(0, len(curve.values), width)
    means = np.add.reduceat(curve.values * curve.counts, starts) / np.add.reduceat(curve.counts, starts)
    found = []
    for change in change_points(means, at_most=STEPS):
        at = change.index
        before, after = means[max(0, at - BESIDE) : at], means[at : at + BESIDE]
        if _is_step(before, after):
            mark = _mark(columns, float(curve.times[starts[at]]))
            found.append(Mark(mark.time, mark.place, mark.score, float(after.mean() - before.mean())))
    return found


def _is_step(before: Floats, after: Floats) -> bool:
    """Whether two levels describe what lies on both sides of a place much better than a parabola through it does."""
    both = np.concatenate([before, after])
    at = np.linspace(-1, 1, len(both))
    bend = both - np.polynomial.Polynomial.fit(at, both, 2)(at)
    level = np.concatenate([before - before.mean(), after - after.mean()])
    return bool(len(both) * np.log((bend @ bend + TINY) / (level @ level + TINY)) > SURE)
