"""Measurements in memory: the newest ones as they are, sums of all."""

from __future__ import annotations

import os
import threading
from array import array
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import isnan
from typing import Any, Final
from weakref import WeakSet

import msgspec
import numpy as np
from numpy.typing import NDArray

from onward.monitoring.statistics import Standing, standing

from ._records import Kind, Measurement, Source
from ._store import POINTS, RAW, SOONEST, TAIL, Change, Curve, Notes, Standings, by_time, in_order, patience
from ._summary import Columns, Floats, Summary, bins_of, quantiles

TOGETHER: Final = 4_096
WIDTH: Final = 6
CODE, TIME, VALUE, STEP, RATE, CONVERGENCE = range(WIDTH)
UNKNOWN: Final = float("nan")
RARE: Final = frozenset({"goal", "convergence"})


@dataclass(slots=True, eq=False)
class _Series:
    """One series: its sums, its newest measurements, and how many may come before it is looked at again."""

    source: Source
    code: int
    left: int = SOONEST
    examined: int = 0
    standing: Standing | None = None
    summary: Summary | None = None
    bins: Counter[int] = field(default_factory=Counter)
    tail: Floats = field(default_factory=lambda: np.empty((0, 2)))


_FORKED: Final[WeakSet[MemoryStore]] = WeakSet()


def _hold() -> None:
    """Before a fork: nobody is in the middle of recording, for nobody in the child would ever end it."""
    for store in tuple(_FORKED):
        store.lock.acquire()


def _let_go() -> None:
    for store in tuple(_FORKED):
        with suppress(RuntimeError):  # made meanwhile, by another thread
            store.lock.release()


os.register_at_fork(before=_hold, after_in_parent=_let_go, after_in_child=_let_go)


class MemoryStore:
    """Keeps the newest events and metrics of all series together; sums and quantiles count what was dropped as well.

    Args:
        at_most: measurements kept; each takes 48 bytes, and its metadata.
    """

    def __init__(self, at_most: int) -> None:
        self._at_most = at_most
        self._series: dict[Source, _Series] = {}
        self._codes: list[_Series] = []
        self._ring = np.empty((WIDTH, min(at_most, TOGETHER)))
        self._absorbed = 0
        self._pending = array("d")
        self._waiting = 0
        self._bodies: dict[int, str] = {}
        self._rare: dict[str, deque[Measurement]] = {kind: deque(maxlen=at_most) for kind in RARE}
        self._notes: dict[str, dict[str, dict[str, Any]]] = {}
        self._examines, self._converged = True, 0
        self.lock = threading.RLock()
        _FORKED.add(self)

    def add(self, measurements: Sequence[Measurement]) -> None:
        for one in measurements:
            self.add_one(*one)

    def add_one(
        self,
        source: Source,
        time: float,
        value: float,
        step: int | None,
        rate: float | None,
        convergence: float | None,
        body: str,
    ) -> None:
        """Keep one measurement: the hot path, so it only notes it; sums are made for thousands at once."""
        with self.lock:
            series = self._series.get(source) or self._new(source)
            if source.kind in RARE:
                self._keep_rare(series, Measurement(source, time, value, step, rate, convergence, body))
                return
            if body:
                self._bodies[self._absorbed + self._waiting] = body
            self._pending.extend(
                (
                    series.code,
                    time,
                    value,
                    UNKNOWN if step is None else step,
                    UNKNOWN if rate is None else rate,
                    UNKNOWN if convergence is None else convergence,
                )
            )
            self._waiting += 1
            series.left -= 1
            if not series.left or self._waiting == TOGETHER:
                self._absorb()

    def _keep_rare(self, series: _Series, one: Measurement) -> None:
        """Moments of convergence and steps to goals are few, and pushed out by nothing but their like."""
        self._rare[one.source.kind].append(one)
        self._sum_up(series, np.array([[series.code, one.time, one.value, UNKNOWN, UNKNOWN, UNKNOWN]]).T)

    def standings(self) -> Standings:
        with self.lock:
            self._absorb()
            tasks = [one for one in self._codes if one.source.kind == "task"]
            return {one.source.name: (one.examined, *(one.standing or (None, None))) for one in tasks}

    def restore(self, measurements: Sequence[Measurement], notes: Notes, standings: Standings) -> None:
        with self.lock:
            self._examines = False
            try:
                self.add(measurements)
                self._absorb()
            finally:
                self._examines = True
            self._converged = sum(one.source.kind == "convergence" for one in measurements)
            for name, (examined, level, within) in standings.items():
                series = self._series.get(Source("task", name))
                if series is not None and series.summary is not None:
                    series.examined = examined
                    series.left = max(1, examined + patience(examined) - series.summary.size)
                    series.standing = None if level is None or within is None else Standing(level, within)
            for kind, name, record in notes:
                self._notes.setdefault(kind, {})[name] = record

    def _new(self, source: Source) -> _Series:
        series = self._series[source] = _Series(source, len(self._codes))
        self._codes.append(series)
        return series

    # Taking in what waits --------------------------------------------------------------------------------------------

    def _absorb(self) -> None:
        while self._waiting:  # a moment of convergence is a measurement, too
            self._take_in()

    def _take_in(self) -> None:
        new = np.frombuffer(self._pending).reshape(-1, WIDTH).T.copy()
        self._pending, self._waiting = array("d"), 0
        self._write(new)
        order = np.argsort(new[CODE], kind="stable")
        grouped = new[:, order]
        starts = np.flatnonzero(np.diff(grouped[CODE], prepend=-1))
        for part in np.split(grouped, starts[1:], axis=1):
            self._sum_up(self._codes[int(part[CODE, 0])], part)
        self._forget_bodies()

    def _write(self, new: Floats) -> None:
        """Into the ring, which grows until it holds as many as it may."""
        while self._ring.shape[1] < min(self._at_most, self._absorbed + new.shape[1]):
            more = min(self._ring.shape[1], self._at_most - self._ring.shape[1])
            self._ring = np.concatenate([self._ring, np.empty((WIDTH, more))], axis=1)
        size = self._ring.shape[1]
        places = np.arange(self._absorbed, self._absorbed + new.shape[1]) % size
        self._ring[:, places[-size:]] = new[:, -size:]
        self._absorbed += new.shape[1]

    def _sum_up(self, series: _Series, new: Floats) -> None:
        rates, convergences = np.nan_to_num(new[RATE]), np.nan_to_num(new[CONVERGENCE])
        (summary,) = Columns(new[TIME], new[VALUE], rates, convergences).summaries()
        series.summary = summary if series.summary is None else series.summary.plus(summary)
        series.bins.update(bins_of(new[VALUE]))
        series.tail = np.concatenate([series.tail, new[[TIME, VALUE]].T])[-TAIL:]
        if series.left <= 0:
            self._examine(series, new)

    def _examine(self, series: _Series, new: Floats) -> None:
        assert series.summary is not None
        series.examined = series.summary.size
        series.left = patience(series.examined)
        if series.source.kind != "task" or not self._examines:
            return
        extremes = series.summary.low, series.summary.high
        before, series.standing = series.standing, standing(series.tail[:, 1], series.standing, extremes)
        if series.standing and not before:
            last = new[:, -1]
            moment = Measurement(Source("convergence", series.source.name), last[TIME].item(), last[CONVERGENCE].item())
            self._converged += 1
            self.add([moment])

    def _forget_bodies(self) -> None:
        oldest = self._absorbed - self._ring.shape[1]
        while self._bodies and (first := next(iter(self._bodies))) < oldest:
            del self._bodies[first]

    # Reading ---------------------------------------------------------------------------------------------------------

    def summaries(self, kind: Kind) -> dict[Source, Summary]:
        with self.lock:
            self._absorb()
            found = {one.source: one.summary for one in self._codes if one.source.kind == kind and one.summary}
        return dict(sorted(found.items()))

    def quantiles(self, sources: Sequence[Source], wanted: Sequence[float]) -> list[float]:
        with self.lock:
            self._absorb()
            found = [self._series[source] for source in sources]
            bins = sum((one.bins for one in found), Counter[int]())
            low, high = (
                extreme(getattr(one.summary, name) for one in found) for extreme, name in ((min, "low"), (max, "high"))
            )
        return quantiles(bins, wanted, low, high)

    def tail(self, source: Source, count: int) -> tuple[Floats, Floats]:
        with self.lock:
            self._absorb()
            series = self._series.get(source)
            if series is None:
                return np.empty(0), np.empty(0)
            times, values = by_time(*series.tail[-count:].T)
            return times, values

    def curve(self, source: Source) -> Curve:
        with self.lock:  # to the end: what is kept is not copied
            self._absorb()
            return _drawn(*self._history(source))

    def _history(self, source: Source) -> tuple[Floats, Floats]:
        """Times and values of all that is kept of a series, in order of arrival."""
        if source.kind in RARE:
            rare = [(one.time, one.value) for one in self._rare[source.kind] if one.source == source]
            times, values = np.array(rare, dtype=float).reshape(-1, 2).T
            return times, values
        series = self._series.get(source)
        own: NDArray[np.bool_] = self._column(CODE) == (series.code if series else -1)
        times, values = self._column(TIME), self._column(VALUE)
        return (times, values) if own.all() else (times[own], values[own])

    def _column(self, number: int) -> Floats:
        """One column of what is kept, in order of arrival."""
        size = self._ring.shape[1]
        column: Floats = self._ring[number]
        if self._absorbed <= size:
            return column[: self._absorbed]
        begin = self._absorbed % size
        return np.concatenate([column[begin:], column[:begin]])

    def converged(self) -> int:
        return self._converged

    def kept(self, kind: Kind) -> int:
        with self.lock:
            self._absorb()
            return len(self._rare[kind]) if kind in RARE else len(self._places(kind))

    def _places(self, kind: Kind) -> NDArray[np.int64]:
        """Which measurements of a kind are kept, as numbered since the beginning, in order."""
        size = self._ring.shape[1]
        places = np.arange(max(0, self._absorbed - size), self._absorbed)
        own: NDArray[np.int64] = places[self._is_of(kind, self._ring[CODE, places % size])]
        return own

    def _is_of(self, kind: Kind, codes: Floats) -> Any:
        own = np.array([one.source.kind == kind for one in self._codes], dtype=bool)
        return own[codes.astype(np.int64)] if len(own) else np.zeros(0, dtype=bool)

    def rows(self, kind: Kind, start: int, stop: int) -> Iterator[Measurement]:
        with self.lock:
            self._absorb()
            if kind in RARE:
                return iter(list(self._rare[kind])[start:stop])
            return iter(self._measurements(self._places(kind)[start:stop]))

    def newest(self, kind: Kind, count: int) -> list[Measurement]:
        """Read from the end, in pieces: there may be millions."""
        with self.lock:
            self._absorb()
            if kind in RARE:
                return list(self._rare[kind])[-count:]
            size, found = self._ring.shape[1], 0
            kept = begin = min(self._absorbed, size)
            while found < count and begin:
                end, begin = begin, max(0, begin - TOGETHER)
                places = np.arange(self._absorbed - kept + begin, self._absorbed - kept + end) % size
                found += int(np.count_nonzero(self._is_of(kind, self._ring[CODE, places])))
            places = np.arange(self._absorbed - kept + begin, self._absorbed)
            own = places[self._is_of(kind, self._ring[CODE, places % size])][-count:]
            return self._measurements(own)

    def _measurements(self, places: NDArray[np.int64]) -> list[Measurement]:
        """Those that came as the given ones since the beginning."""
        columns = self._ring[:, places % self._ring.shape[1]].T.tolist()
        return [
            self._measurement(row, self._bodies.get(place, ""))
            for row, place in zip(columns, places.tolist(), strict=True)
        ]

    def _measurement(self, row: Sequence[float], body: str) -> Measurement:
        code, time, value, *more = row
        step, rate, convergence = (None if isnan(one) else one for one in more)
        whole = None if step is None else int(step)
        return Measurement(self._codes[int(code)].source, time, value, whole, rate, convergence, body)

    # Notes -----------------------------------------------------------------------------------------------------------

    def notes(self, kind: str) -> dict[str, dict[str, Any]]:
        with self.lock:
            return in_order(msgspec.json.decode(msgspec.json.encode(self._notes.get(kind, {}))))

    def revise(self, kind: str, name: str, change: Change, also: Sequence[Measurement] = ()) -> Any:
        with self.lock:
            notes = self._notes.setdefault(kind, {})
            changed = change(notes.get(name))
            self.add(also)
            if changed is not None:
                notes[name] = changed
            return notes.get(name)

    def flush(self) -> None:
        """Everything is where it stays."""


def _drawn(times: Floats, values: Floats) -> Curve:
    """A curve of measurements, or of as many blocks of them as it may have."""
    if len(values) <= RAW:
        times, values = by_time(times, values)
        return Curve(times, values, values, values, np.ones(len(values)))
    starts = np.linspace(0, len(values), POINTS, endpoint=False).astype(np.int64)
    counts = np.diff(np.append(starts, len(values))).astype(float)
    columns = (
        np.add.reduceat(values, starts) / counts,
        np.minimum.reduceat(values, starts),
        np.maximum.reduceat(values, starts),
        counts,
    )
    return Curve(*by_time(np.maximum.reduceat(times, starts), *columns))
