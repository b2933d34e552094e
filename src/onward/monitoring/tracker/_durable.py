"""Measurements in a workspace's database: shared by processes, gone by no crash."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import numpy as np
from sqlalchemy import Connection, Row, Select, func, select, update

from onward.core import Unavailable
from onward.storage import Database, insert_into, schema

from ._intake import Measurements, row_of
from ._records import Kind, Measurement, Source
from ._store import POINTS, RAW, Change, Curve, Notes, Standings, by_time, in_order
from ._summary import LEVELS, Floats, Summary, quantiles

TOGETHER: Final = 2_000
SOON: Final = 0.25
PAGE: Final = 5_000
OF_SERIES: Final = tuple(schema.series.c[name] for name in Summary._fields)
OF_MEASUREMENTS: Final = tuple(
    schema.measurements.c[name]
    for name in ("sequence", "series", "time", "value", "step", "rate", "convergence", "body")
)
OF_BLOCKS: Final = tuple(schema.blocks.c[name] for name in ("last_time", "total", "low", "high", "size"))


class DurableStore:
    """Keeps every measurement of one tenant.

    Args:
        database: of the workspace.
        tenant: whose learning it is.
        durable: with `False`, `add` returns at once, and what was added goes in by thousands, a quarter of a second
            later at most; what the process had not written when it died, the last second at worst, is lost.
    """

    def __init__(self, database: Database, tenant: str, *, durable: bool = True) -> None:
        self._database, self._tenant, self._durable = database, tenant, durable
        self._intake = Measurements()
        self._pending: list[tuple[Any, ...]] = []
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None
        self._ended = False
        self._converged, self._looked = 0, -SOON
        if not durable:
            database.serve(self)

    def committed(self) -> DurableStore:
        """The same measurements as they are in the database: to read without waiting for what is buffered."""
        return DurableStore(self._database, self._tenant)

    # Writing ---------------------------------------------------------------------------------------------------------

    def add(self, measurements: Sequence[Measurement]) -> None:
        rows = [row_of(self._tenant, one) for one in measurements]
        if self._durable:
            self._append(rows)
        else:
            self._buffer(rows)

    def add_in(self, connection: Connection, measurements: Sequence[Measurement]) -> None:
        """As `add`, inside the caller's transaction."""
        self._intake.add(connection, [row_of(self._tenant, one) for one in measurements])

    def standings(self) -> Standings:
        table = schema.series
        query = select(table.c.name, table.c.examined, table.c.level, table.c.within)
        own = query.where(table.c.tenant == self._tenant, table.c.kind == "task").order_by(table.c.name)
        with self._reading() as connection:
            return {row[0]: (row[1], row[2], row[3]) for row in connection.execute(own)}

    def restore(self, measurements: Sequence[Measurement], notes: Notes, standings: Standings) -> None:
        table, rows = schema.series, [row_of(self._tenant, one) for one in measurements]

        def work(connection: Connection) -> None:
            Measurements(examine=False).add(connection, rows)
            for name, (examined, level, within) in standings.items():
                own = (table.c.tenant == self._tenant) & (table.c.kind == "task") & (table.c.name == name)
                stands = update(table).where(own).values(examined=examined, level=level, within=within)
                connection.execute(stands)
            for kind, name, record in notes:
                self._note(connection, kind, name, record)

        self._database.write(work)

    def add_one(
        self,
        source: Source,
        at: float,
        value: float,
        step: int | None,
        rate: float | None,
        convergence: float | None,
        body: str,
    ) -> None:
        """As `add`, for one measurement."""
        row = (self._tenant, source, at, value, step, rate, convergence, body)
        if self._durable:
            self._append([row])
        else:
            self._buffer([row])

    def _append(self, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._database.append(self._intake, rows)

    def _buffer(self, rows: Sequence[tuple[Any, ...]]) -> None:
        with self._lock:
            self._database.check_open()
            if self._ended:
                raise Unavailable("This workspace is closed.", mend="Open it again.")
            self._pending.extend(rows)
            if len(self._pending) >= TOGETHER:
                self._hand_over()
            elif self._timer is None:
                self._timer = threading.Timer(SOON, self.hand_over)
                self._timer.daemon = True
                self._timer.start()

    def hand_over(self, *, last: bool = False) -> None:
        """Give what was collected to the database's own buffer; after the `last` time nothing is taken."""
        with self._lock:
            self._ended = self._ended or last
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            self._hand_over()

    def _hand_over(self) -> None:
        """Whoever is interrupted here leaves what is not handed over yet where it is."""
        while self._pending:
            some = self._pending[:TOGETHER]
            self._database.buffer(self._intake, some)
            del self._pending[: len(some)]

    def flush(self) -> None:
        if not self._durable:
            self.hand_over()
            self._database.flush()
            self._looked = -SOON

    # Reading ---------------------------------------------------------------------------------------------------------

    def summaries(self, kind: Kind) -> dict[Source, Summary]:
        with self._reading() as connection:
            found = connection.execute(self._series_of(kind)).all()
        return {Source(*row[1:5]): Summary(*row[5:]) for row in found}

    def _series_of(self, kind: Kind) -> Select[Any]:
        table = schema.series
        names = (table.c.kind, table.c.name, table.c.task, table.c.client)
        query = select(table.c.id, *names, *OF_SERIES).where(table.c.tenant == self._tenant, table.c.kind == kind)
        return query.order_by(*names)

    def quantiles(self, sources: Sequence[Source], wanted: Sequence[float]) -> list[float]:
        table, bins = schema.bins, Counter[int]()
        wished = set(sources)
        with self._reading() as connection:
            kinds = {source.kind for source in wished}
            rows = [row for kind in kinds for row in connection.execute(self._series_of(kind))]
            found = {row[0]: Summary(*row[5:]) for row in rows if Source(*row[1:5]) in wished}
            ids = list(found)
            for start in range(0, len(ids), PAGE):
                own = table.c.series.in_(ids[start : start + PAGE])
                sizes = select(table.c.bin, func.sum(table.c.size)).where(own).group_by(table.c.bin)
                bins.update({place: int(count) for place, count in connection.execute(sizes)})
        low, high = min(one.low for one in found.values()), max(one.high for one in found.values())
        return quantiles(bins, wanted, low, high)

    def _find(self, connection: Connection, source: Source) -> Any:
        table = schema.series
        named = (table.c[name] == value for name, value in source._asdict().items())
        query = select(table.c.id, table.c.size, table.c.low, table.c.high)
        return connection.execute(query.where(table.c.tenant == self._tenant, *named)).first()

    def tail(self, source: Source, count: int) -> tuple[Floats, Floats]:
        table = schema.measurements
        with self._reading() as connection:
            series = self._find(connection, source)
            query = select(table.c.time, table.c.value).where(table.c.series == (series.id if series else None))
            rows = connection.execute(query.order_by(table.c.sequence.desc()).limit(count)).all()
        times, values = by_time(*np.array([tuple(row) for row in reversed(rows)], dtype=float).reshape(-1, 2).T)
        return times, values

    def curve(self, source: Source) -> Curve:
        with self._reading() as connection:
            series = self._find(connection, source)
            if series is None or series.size <= RAW:
                return self._raw(connection, series)
            level = next((n for n, size in enumerate(LEVELS) if series.size / size <= POINTS), len(LEVELS) - 1)
            table = schema.blocks
            query = select(*OF_BLOCKS).where(table.c.series == series.id, table.c.level == level)
            rows = connection.execute(query.order_by(table.c.number)).all()
        times, totals, low, high, counts = np.array([tuple(row) for row in rows], dtype=float).T
        return Curve(*by_time(times, totals / counts, low, high, counts))

    def _raw(self, connection: Connection, series: Any) -> Curve:
        table = schema.measurements
        query = select(table.c.time, table.c.value).where(table.c.series == (series.id if series else None))
        rows = connection.execute(query.order_by(table.c.sequence)).all()
        times, values = by_time(*np.array([tuple(row) for row in rows], dtype=float).reshape(-1, 2).T)
        return Curve(times, values, values, values, np.ones(len(values)))

    def converged(self) -> int:
        if self._durable or time.monotonic() - self._looked >= SOON:
            table = schema.series
            own = (table.c.tenant == self._tenant) & (table.c.kind == "convergence")
            with self._database.read() as connection:
                self._converged = int(connection.scalar(select(func.sum(table.c.size)).where(own)) or 0)
            self._looked = time.monotonic()
        return self._converged

    def kept(self, kind: Kind) -> int:
        return sum(summary.size for summary in self.summaries(kind).values())

    def rows(self, kind: Kind, start: int, stop: int) -> Iterator[Measurement]:
        """Pages, so that no more than a few thousand are in memory; the last ones are found from the end."""
        with self._reading() as connection:
            sources = {row[0]: Source(*row[1:5]) for row in connection.execute(self._series_of(kind))}
            total = sum(row.size for row in connection.execute(self._series_of(kind)))
        left = min(stop, total) - start
        first = self._sequence(sources, start, total) if left > 0 else None
        while left > 0 and first is not None:
            page = self._page(sources, first, min(left, PAGE))
            yield from (_measurement(sources, row) for row in page)
            left -= len(page)
            first = page[-1].sequence + 1 if page else None

    def newest(self, kind: Kind, count: int) -> list[Measurement]:
        table = schema.measurements
        with self._reading() as connection:
            sources = {row[0]: Source(*row[1:5]) for row in connection.execute(self._series_of(kind))}
            query = select(*OF_MEASUREMENTS).where(table.c.series.in_(list(sources)))
            rows = connection.execute(query.order_by(table.c.sequence.desc()).limit(count)).all()
        return [_measurement(sources, row) for row in reversed(rows)]

    def _sequence(self, sources: dict[int, Source], place: int, total: int) -> int | None:
        """The number in the table of the measurement at a place among these series'."""
        table = schema.measurements
        own = select(table.c.sequence).where(table.c.series.in_(list(sources)))
        backwards = place > total // 2
        order = table.c.sequence.desc() if backwards else table.c.sequence
        with self._reading() as connection:
            return connection.scalar(own.order_by(order).offset(total - 1 - place if backwards else place).limit(1))

    def _page(self, sources: dict[int, Source], first: int, count: int) -> Sequence[Row[Any]]:
        table = schema.measurements
        query = select(*OF_MEASUREMENTS)
        query = query.where(table.c.series.in_(list(sources)), table.c.sequence >= first)
        with self._reading() as connection:
            return connection.execute(query.order_by(table.c.sequence).limit(count)).all()

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        if not self._durable:  # what was lost is for `flush` to say, not for who reads
            self.hand_over()
            self._database.settle()
        with self._database.read() as connection:
            yield connection

    # Notes -----------------------------------------------------------------------------------------------------------

    def notes(self, kind: str) -> dict[str, dict[str, Any]]:
        table = schema.notes
        query = select(table.c.name, table.c.body).where(table.c.tenant == self._tenant, table.c.kind == kind)
        with self._database.read() as connection:
            return in_order({row.name: msgspec.json.decode(row.body) for row in connection.execute(query)})

    def revise(self, kind: str, name: str, change: Change, also: Sequence[Measurement] = ()) -> Any:
        table = schema.notes
        own = (table.c.tenant == self._tenant) & (table.c.kind == kind) & (table.c.name == name)
        query = select(table.c.body).where(own)

        def work(connection: Connection) -> dict[str, Any] | None:
            body = connection.scalar(query)
            before = None if body is None else msgspec.json.decode(body)
            after = change(before)
            self.add_in(connection, also)
            if after is None:
                return before
            self._note(connection, kind, name, after)
            return after

        return self._database.write(work)

    def _note(self, connection: Connection, kind: str, name: str, record: dict[str, Any]) -> None:
        text, key = msgspec.json.encode(record).decode(), {"tenant": self._tenant, "kind": kind, "name": name}
        noted = insert_into(connection, schema.notes).values(**key, body=text)
        connection.execute(noted.on_conflict_do_update(index_elements=list(key), set_={"body": text}))


def _measurement(sources: Mapping[int, Source], row: Row[Any]) -> Measurement:
    return Measurement(sources[row.series], row.time, row.value, row.step, row.rate, row.convergence, row.body)
