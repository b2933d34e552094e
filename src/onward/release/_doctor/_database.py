"""Is the database sound, and does every record say what its columns say?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Column, Connection, Table, exists, func, select

from onward.core import Clock, Damaged, Feedback, Interaction, ModelVersion, decode
from onward.release._ailment import FROM_BACK_UP, UNREADABLE, Ailment, Found, told_by
from onward.release._snapshots import Repository, count_anew
from onward.storage import COVERED, Storage, schema, stamp

from ._rows import Rows, check_rows

Agreement = Callable[[Any], Mapping[str, object]]
READ_AT_ONCE: Final = 1000

AGREEMENTS: Final[Mapping[str, tuple[type, Agreement]]] = {
    "interactions": (Interaction, lambda r: {"tenant": r.tenant, "id": r.id, "user": r.user}),
    "feedback": (
        Feedback,
        lambda r: {"tenant": r.tenant, "id": r.id, "interaction": r.interaction, "user": r.user},
    ),
    "versions": (
        ModelVersion,
        lambda r: {
            "tenant": r.tenant,
            "dataset": r.dataset,
            "artifact": r.artifact,
            "cycle": r.cycle,
            "created": stamp(r.created),
        },
    ),
}
"""Table -> what its bodies are, and what the columns must then say."""
TIMES: Final = {"at", "created", "started", "recorded", "since"}


def check_database(
    storage: Storage, clock: Clock, agreements: Mapping[str, tuple[type, Agreement]], repository: Repository | None
) -> Iterator[Found]:
    """Everything that is wrong in the database itself.

    Args:
        agreements: as `AGREEMENTS`, for the tables whose records are known to others only.
        repository: back-ups to bring damaged rows back from.
    """
    known = {**AGREEMENTS, **agreements}
    for first in (partial(_integrity, storage), _references):
        yield from _each(storage, first)
    for table in schema.metadata.sorted_tables:
        read_as = partial(_wrong, *known.get(table.name, (None, None)))
        check = partial(check_rows, Rows(storage, clock, table, read_as, repository)) if table.name in COVERED else None
        yield from _each(storage, check or partial(_records, table, read_as))
    yield from _each(storage, partial(_tallies, storage))  # last: whose rows there are may be mended by then


def _each(storage: Storage, check: Callable[[Connection], Iterator[Found]]) -> Iterator[Found]:
    """What one check finds; where the database cannot be read for it, that is what it finds."""
    try:
        with storage.database.read() as connection:
            yield from check(connection)
    except UNREADABLE as error:
        yield Found(Ailment(kind="damaged", where="database", what=told_by(error), mend=FROM_BACK_UP))


def _integrity(storage: Storage, connection: Connection) -> Iterator[Found]:
    if connection.dialect.name != "sqlite":
        return
    for (said,) in connection.exec_driver_sql("PRAGMA integrity_check"):
        if said != "ok":
            yield Found(Ailment(kind="damaged", where=str(storage.database.file), what=said, mend=FROM_BACK_UP))


def _references(connection: Connection) -> Iterator[Found]:
    for table in schema.metadata.sorted_tables:
        for column in table.columns:
            for key in column.foreign_keys:
                yield from _dangling(connection, table, column, key.column)


def _dangling(connection: Connection, table: Table, column: Column[Any], target: Column[Any]) -> Iterator[Found]:
    gone = select(column).where(column.is_not(None), ~exists().where(target == column)).distinct()
    for value in connection.scalars(gone):
        where, what = f"{table.name}.{column.name} {value}", f"There is no {target.table.name} {value}."
        yield Found(Ailment(kind="missing", where=where, what=what, mend=FROM_BACK_UP))


def _tallies(storage: Storage, connection: Connection) -> Iterator[Found]:
    told = {(row.tenant, row.name): row.rows for row in connection.execute(select(schema.tallies)) if row.rows}
    counted = {
        (tenant, table.name): rows
        for table in (schema.interactions, schema.feedback)
        for tenant, rows in connection.execute(select(table.c.tenant, func.count()).group_by(table.c.tenant))
    }
    for tenant, name in sorted(key for key in {*told, *counted} if told.get(key) != counted.get(key)):
        what = f"{told.get((tenant, name), 0)} are said to be there, {counted.get((tenant, name), 0)} are."
        ailment = Ailment(
            kind="disagrees", where=f"tallies, {name} of {tenant}", what=what, mend="Count anew: onward doctor --mend"
        )
        yield Found(ailment, partial(storage.database.write, count_anew))


def _records(table: Table, read_as: Callable[[Mapping[Any, Any]], str], connection: Connection) -> Iterator[Found]:
    keys = [column.name for column in table.primary_key.columns]
    for row in connection.execute(select(table), execution_options={"yield_per": READ_AT_ONCE}).mappings():
        wrong = read_as(row)
        if wrong:
            where = f"{table.name} {' '.join(str(row[key]) for key in keys)}"
            yield Found(Ailment(kind="damaged", where=where, what=wrong, mend=FROM_BACK_UP))


def _wrong(kind: type | None, agreement: Agreement | None, row: Mapping[Any, Any]) -> str:
    """What is wrong with what a row says; nothing where it can be read, and agrees with itself."""
    return _time(row) or (_body(row, kind, agreement) if kind and agreement else "")


def _body(row: Mapping[Any, Any], kind: type, agreement: Agreement) -> str:
    try:
        said = agreement(decode(row["body"], kind))
    except Damaged as error:
        return str(error.why or error.what)
    wrong = [f"{name} is {row[name]!r}" for name, value in said.items() if row[name] != value]
    return f"Its body says otherwise: {', '.join(wrong)}." if wrong else ""


def _time(row: Mapping[Any, Any]) -> str:
    for name in TIMES & set(row):
        try:
            aware = row[name] is None or datetime.fromisoformat(row[name]).tzinfo is not None
        except (ValueError, TypeError):
            aware = False
        if not aware:
            return f"{name} is {row[name]!r}, which is no time."
    return ""
