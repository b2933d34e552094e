"""Is the database sound, and does every record say what its columns say?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Final

from sqlalchemy import Column, Connection, Row, Table, exists, func, select

from onward.core import Damaged, Feedback, Interaction, ModelVersion, decode
from onward.release._ailment import UNREADABLE, Ailment, Found, told_by
from onward.release._snapshots import count_anew
from onward.storage import Storage, schema, stamp

Agreement = Callable[[Any], Mapping[str, object]]
FROM_BACK_UP: Final = "Restore a back-up: onward restore SOURCE TO"
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


def check_database(storage: Storage, agreements: Mapping[str, tuple[type, Agreement]]) -> Iterator[Found]:
    """Everything that is wrong in the database itself.

    Args:
        agreements: as `AGREEMENTS`, for the tables whose records are known to others only.
    """
    known = {**AGREEMENTS, **agreements}
    for check in (partial(_integrity, storage), _references, partial(_tallies, storage)):
        yield from _each(storage, check)
    for table in schema.metadata.sorted_tables:
        yield from _each(storage, partial(_records, table, *known.get(table.name, (None, None))))


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


def _records(table: Table, kind: type | None, agreement: Agreement | None, connection: Connection) -> Iterator[Found]:
    keys = [column.name for column in table.primary_key.columns]
    for row in connection.execute(select(table), execution_options={"yield_per": READ_AT_ONCE}):
        wrong = _time(row) or (_body(row, kind, agreement) if kind and agreement else "")
        if wrong:
            where = f"{table.name} {' '.join(str(getattr(row, key)) for key in keys)}"
            yield Found(Ailment(kind="damaged", where=where, what=wrong, mend=FROM_BACK_UP))


def _body(row: Row[Any], kind: type, agreement: Agreement) -> str:
    try:
        said = agreement(decode(row.body, kind))
    except Damaged as error:
        return str(error.why or error.what)
    wrong = [f"{name} is {getattr(row, name)!r}" for name, value in said.items() if getattr(row, name) != value]
    return f"Its body says otherwise: {', '.join(wrong)}." if wrong else ""


def _time(row: Row[Any]) -> str:
    for name in TIMES & set(row._fields):
        value = getattr(row, name)
        try:
            aware = value is None or datetime.fromisoformat(value).tzinfo is not None
        except (ValueError, TypeError):
            aware = False
        if not aware:
            return f"{name} is {value!r}, which is no time."
    return ""
