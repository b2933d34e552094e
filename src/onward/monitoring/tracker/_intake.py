"""Measurements of many callers into the database, with all that they add up to, in one transaction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import groupby
from typing import Any, Final, NamedTuple

import numpy as np
from sqlalchemy import Connection, insert, select, update
from sqlalchemy import Row as RowOf

from onward.monitoring.statistics import Standing, standing
from onward.storage import add_up, insert_new, schema

from ._records import Measurement, Source
from ._store import TAIL, patience
from ._summary import FACTOR, FINEST, LEVELS, Columns, Summary, bins_of

Row = tuple[Any, ...]
Key = tuple[str, Source]
WRITTEN: Final = ("series", "time", "value", "step", "rate", "convergence", "body")


def row_of(tenant: str, one: Measurement) -> Row:
    """A measurement as the writer takes it."""
    return (tenant, *one)


class _Series(NamedTuple):
    """A series as it stands in the database."""

    id: int
    examined: int
    standing: Standing | None
    summary: Summary


class Measurements:
    """Adds measurements, keeps sums, blocks and bins with them, and notes the moments of convergence.

    Args:
        examine: look for them.
    """

    def __init__(self, *, examine: bool = True) -> None:
        self._examines = examine

    def add(self, connection: Connection, rows: Sequence[Row]) -> int:
        """Add rows as `row_of` makes them, in the caller's transaction; return how many."""
        own: dict[Key, list[Row]] = {}
        for tenant, source, *values in rows:
            own.setdefault((tenant, source), []).append(tuple(values))
        before = {key: _find(connection, *key) for key in own}
        after = {key: _summed_up(connection, key, before[key], some) for key, some in own.items()}
        insert_new(connection, schema.measurements, WRITTEN, [(after[row[0], row[1]].id, *row[2:]) for row in rows])
        for key, series in after.items():
            if self._examines and key[1].kind == "task":
                moments = [row_of(key[0], one) for one in _moments(connection, key[1], before[key], series)]
                self.add(connection, moments)
        return len(rows)


def _moments(connection: Connection, source: Source, before: _Series | None, after: _Series) -> list[Measurement]:
    """The moments of convergence among the newest measurements, which are looked at as if they had come one by one."""
    found, examined, now = [], after.examined, after.standing
    old, size = before.summary.size if before else 0, after.summary.size
    newest = _newest(connection, after.id, size - old + TAIL) if size - examined >= patience(examined) else []
    values = np.array([row.value for row in newest])
    while size - examined >= patience(examined):
        examined += patience(examined)
        end = len(values) - (size - examined)
        added = values[len(values) - (size - old) : end]
        low, high = (before.summary.low, before.summary.high) if before else (added[0], added[0])
        was, now = now, standing(values[max(0, end - TAIL) : end], now, (min(low, added.min()), max(high, added.max())))
        if now and not was:
            last = newest[end - 1]
            found.append(Measurement(Source("convergence", source.name), last.time, last.convergence))
    if examined > after.examined:
        level, within = now or (None, None)
        changes = update(schema.series).where(schema.series.c.id == after.id)
        connection.execute(changes.values(level=level, within=within, examined=examined))
    return found


def _newest(connection: Connection, series: int, count: int) -> Sequence[RowOf[float, float, float]]:
    """The newest measurements of a series, oldest first."""
    table = schema.measurements
    query = select(table.c.time, table.c.value, table.c.convergence).where(table.c.series == series)
    return connection.execute(query.order_by(table.c.sequence.desc()).limit(count)).all()[::-1]


def _summed_up(connection: Connection, key: Key, before: _Series | None, rows: Sequence[Row]) -> _Series:
    """A series with these rows added to its sums, blocks and bins."""
    columns = columns_of(rows)
    finest = finest_blocks(columns, before.summary.size if before else 0)
    new = reduce(Summary.plus, (summary for _, summary in finest))
    series = _make(connection, *key, new) if before is None else _changed(connection, before, new)
    add_parts(connection, series.id, finest, columns)
    return series


def finest_blocks(columns: Columns, place: int) -> list[tuple[int, Summary]]:
    """The parts of the finest blocks that measurements make, the first of which is at this place in its series."""
    numbers = (place + np.arange(len(columns.values))) // FINEST
    starts = np.append(0, np.flatnonzero(np.diff(numbers)) + 1)
    return list(zip(numbers[starts].tolist(), columns.summaries(starts), strict=True))


def add_parts(connection: Connection, series: int, finest: list[tuple[int, Summary]], columns: Columns) -> None:
    """Add measurements to the blocks of every level, and to the bins, of the series of this number."""
    blocks = [
        (series, level, number, one.size, one.total, one.low, one.high, one.last_time)
        for level, number, one in _levels(finest)
    ]
    add_up(connection, schema.blocks, blocks, sums=("size", "total"), lows=("low",), highs=("high", "last_time"))
    counts = [(series, one, count) for one, count in bins_of(columns.values).items()]
    add_up(connection, schema.bins, counts, sums=("size",))


def _levels(blocks: list[tuple[int, Summary]]) -> Iterator[tuple[int, int, Summary]]:
    """The parts of the blocks of every level, made of those of the finest one."""
    for level in range(len(LEVELS)):
        yield from ((level, number, summary) for number, summary in blocks)
        coarser = groupby(blocks, key=lambda block: block[0] // FACTOR)
        blocks = [(number, reduce(Summary.plus, (summary for _, summary in some))) for number, some in coarser]


def columns_of(rows: Sequence[Row]) -> Columns:
    """Time, value, rate and convergence of rows of time, value, step, rate, convergence and body."""
    times, values, _, rates, convergences, _ = zip(*rows, strict=True)
    known = ([one or 0.0 for one in column] for column in (times, values, rates, convergences))
    return Columns(*(np.array(column, dtype=float) for column in known))


def _find(connection: Connection, tenant: str, source: Source) -> _Series | None:
    table = schema.series
    summary = (table.c[name] for name in Summary._fields)
    query = select(table.c.id, table.c.examined, table.c.level, table.c.within, *summary)
    named = (table.c[name] == value for name, value in source._asdict().items())
    row = connection.execute(query.where(table.c.tenant == tenant, *named)).first()
    if row is None:
        return None
    standing = None if row.level is None else Standing(row.level, row.within)
    return _Series(row.id, row.examined, standing, Summary(*row[4:]))


def _make(connection: Connection, tenant: str, source: Source, summary: Summary) -> _Series:
    values = {"tenant": tenant, **source._asdict(), **summary._asdict(), "examined": 0}
    made = connection.execute(insert(schema.series).values(values).returning(schema.series.c.id))
    return _Series(made.scalar_one(), 0, None, summary)


def _changed(connection: Connection, series: _Series, new: Summary) -> _Series:
    summary = series.summary.plus(new)
    connection.execute(update(schema.series).where(schema.series.c.id == series.id).values(summary._asdict()))
    return series._replace(summary=summary)
