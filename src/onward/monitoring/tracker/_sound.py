"""Do the sums that a workspace keeps agree with the measurements they are of; and what makes them anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, exists, func, select, update

from onward.core import Damaged, InvalidInput, decode
from onward.storage import Database, schema

from ._check import check_number
from ._intake import add_parts, columns_of, finest_blocks
from ._summary import Columns, Summary

AT_ONCE: Final = 5_000
SERIES: Final = schema.series
OF_MEASUREMENTS: Final = schema.measurements
VALUES: Final = tuple(OF_MEASUREMENTS.c[name] for name in ("time", "value", "step", "rate", "convergence", "body"))


@dataclass(frozen=True, slots=True)
class Unsound:
    """Something in what a workspace measured that is not as it should be.

    Args:
        where: tenant, kind and name of the series, or a measurement's number.
        what: what is wrong.
        series: number of the series that `sum_up_anew` mends; `None` where only a back-up does.
    """

    where: str
    what: str
    series: int | None = None


def unsound(database: Database) -> Iterator[Unsound]:
    """Series whose sums are not those of their measurements; measurements of no series, or that cannot be read.

    Raises:
        Unavailable: the database cannot be read.
    """
    with database.read() as connection:
        for check in (_sums, _without_series, _rows):
            yield from check(connection)


def _sums(connection: Connection) -> Iterator[Unsound]:
    """One statement, so that nobody records in between."""
    finest = schema.blocks.c.level == 0
    counts = {
        "measurements": _counted(OF_MEASUREMENTS, func.count()),
        "in bins": _counted(schema.bins, func.sum(schema.bins.c.size)),
        "in blocks": _counted(schema.blocks, func.sum(schema.blocks.c.size), finest),
    }
    joined: Any = SERIES
    for counted in counts.values():
        joined = joined.outerjoin(counted, counted.c.series == SERIES.c.id)
    sizes = [func.coalesce(counted.c.size, 0) for counted in counts.values()]
    names = (SERIES.c[name] for name in ("tenant", "kind", "name", "task", "client"))
    query = select(SERIES.c.id, SERIES.c.size, *sizes, *names).select_from(joined).order_by(SERIES.c.id)
    for number, said, *found, tenant, kind, name, task, client in _streamed(connection, query):
        if any(said != count for count in found):
            more = "".join(f", {what} {one!r}" for what, one in (("task", task), ("client", client)) if one)
            told = ", ".join(f"{int(count)} {what}" for what, count in zip(counts, found, strict=True))
            yield Unsound(f"{kind} {name!r}{more} of {tenant!r}", f"Its size is {said}; there are {told}.", number)


def _counted(table: Table, size: Any, *where: Any) -> Any:
    return select(table.c.series, size.label("size")).where(*where).group_by(table.c.series).subquery()


def _without_series(connection: Connection) -> Iterator[Unsound]:
    own = OF_MEASUREMENTS.c.series
    query = select(own, func.count()).where(~exists().where(SERIES.c.id == own)).group_by(own).order_by(own)
    for number, count in _streamed(connection, query):
        yield Unsound(f"measurements of series {number}", f"There are {count}, and no series {number}.")


def _rows(connection: Connection) -> Iterator[Unsound]:
    """Each measurement, few at a time."""
    names = (SERIES.c.tenant, SERIES.c.kind, SERIES.c.name)
    query = select(OF_MEASUREMENTS.c.sequence, *VALUES, *names).join(SERIES, SERIES.c.id == OF_MEASUREMENTS.c.series)
    for number, time, value, _, _, _, body, *named in _streamed(connection, query.order_by(OF_MEASUREMENTS.c.sequence)):
        wrong = _wrong(time, value, body)
        if wrong:
            tenant, kind, name = named
            yield Unsound(f"measurement {number}, of {kind} {name!r} of {tenant!r}", wrong)


def _wrong(time: object, value: object, body: Any) -> str:
    try:
        check_number("time", time)
        check_number("value", value)
        if body != "":
            decode(body, dict)
    except InvalidInput as error:
        return error.what
    except Damaged as error:
        return f"Its metadata: {error.why}"
    return ""


def _streamed(connection: Connection, query: Any) -> Iterator[Any]:
    return iter(connection.execute(query, execution_options={"yield_per": AT_ONCE}))


def sum_up_anew(database: Database, series: int) -> None:
    """Make sums, blocks and bins of a series from its measurements, in one transaction; without any it goes.

    Raises:
        Unavailable: the database cannot be written.
        Damaged: a measurement is no number; nothing is changed.
    """
    database.write(lambda connection: _sum_up_anew(connection, series))


def _sum_up_anew(connection: Connection, series: int) -> None:
    for table in (schema.blocks, schema.bins):
        connection.execute(delete(table).where(table.c.series == series))
    summary: Summary | None = None
    for rows in _pages(connection, series):
        columns = _columns(rows)
        finest = finest_blocks(columns, summary.size if summary else 0)
        add_parts(connection, series, finest, columns)
        new = [one for _, one in finest]
        summary = reduce(Summary.plus, new if summary is None else [summary, *new])
    own = SERIES.c.id == series
    if summary is None:
        connection.execute(delete(SERIES).where(own))
    else:
        connection.execute(update(SERIES).where(own).values(**summary._asdict()))
        looked_at = own & (SERIES.c.examined > summary.size)
        connection.execute(update(SERIES).where(looked_at).values(examined=summary.size))


def _columns(rows: list[tuple[Any, ...]]) -> Columns:
    try:
        return columns_of(rows)
    except (TypeError, ValueError) as error:
        raise Damaged("A measurement is no number.", why=f"{error}.", mend="Restore a back-up.") from error


def _pages(connection: Connection, series: int) -> Iterator[list[tuple[Any, ...]]]:
    """A page is read to its end before anything is written."""
    last = 0
    query = select(OF_MEASUREMENTS.c.sequence, *VALUES).where(OF_MEASUREMENTS.c.series == series)
    ordered = query.order_by(OF_MEASUREMENTS.c.sequence).limit(AT_ONCE)
    while rows := connection.execute(ordered.where(OF_MEASUREMENTS.c.sequence > last)).all():
        last = rows[-1].sequence
        yield [tuple(row[1:]) for row in rows]
