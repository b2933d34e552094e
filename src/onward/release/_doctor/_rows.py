"""Is every interaction and every feedback what was stored; and where one is not, from where does it come again?

A row comes back from a snapshot only where it is sure to be the very row: it has the same number, is whole, and the
damaged row either still has its checksum, or differs from it in nothing but that. So what was erased since, or what
another workspace stored under the same number, never comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, and_, delete, select, update

from onward.core import Busy, Clock
from onward.release._ailment import UNREADABLE, Ailment, Found
from onward.release._snapshots import Repository, read_as_today
from onward.storage import COVERED, Storage, as_they_are, insert_into, is_whole, schema, stamp

AT_ONCE: Final = 1000
CHANGED: Final = "It is not what was stored: its checksum differs."
BRING_BACK: Final = "Bring it back from a back-up that holds it: onward doctor --mend --from BACKUP"
MARK: Final = {"cycle": "doctor", "reason": "its record is damaged"}
"""What the quarantine says of what the doctor set aside."""
HELD: Final = schema.quarantine
Values = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Rows:
    """What is checked, and against what.

    Args:
        read_as: says what is wrong with what a row says.
        repository: where rows come from again.
    """

    storage: Storage
    clock: Clock
    table: Table
    read_as: Callable[[Values], str]
    repository: Repository | None


def check_rows(rows: Rows, connection: Connection) -> Iterator[Found]:
    """Read every row of a table, few at a time; name those that are not what was stored, or make no sense."""
    with as_they_are(connection):
        query = connection.execute(select(rows.table), execution_options={"yield_per": AT_ONCE}).mappings()
        wrong = (row for row in query if not is_whole(rows.table, row) or rows.read_as(row))
        while some := list(islice(wrong, AT_ONCE)):
            yield from _named(rows, some)


def _named(rows: Rows, wrong: Sequence[Values]) -> Iterator[Found]:
    changed = {row["sequence"]: row for row in wrong if not is_whole(rows.table, row)}
    held = _held(rows, changed)
    for row in wrong:
        bare = Ailment(
            kind="damaged",
            where=f"{rows.table.name} {row['sequence']} ({row['id']!r} of {row['tenant']!r})",
            what=CHANGED if row["sequence"] in changed else rows.read_as(row),
            mend=BRING_BACK,
        )
        if row["sequence"] in held:
            mend = "The back-up holds it: onward doctor --mend --from BACKUP"
            yield Found(replace(bare, mend=mend), partial(_bring_back, rows, row, held[row["sequence"]]))
        else:
            yield _lost(rows, row, bare)


def _lost(rows: Rows, row: Values, bare: Ailment) -> Found:
    """What no back-up at hand holds is set aside, where a cycle can still read it: then nothing learns from it."""
    if not _is_text(rows.table, row) or rows.read_as(row):
        return Found(bare)
    own = _about(rows.table, row)
    with rows.storage.database.read() as connection:
        aside = connection.scalar(select(HELD.c.at).where(own, ~HELD.c.released)) is not None
    if aside:
        return Found(replace(bare, what=f"{CHANGED} It is in quarantine: nothing learns from it.", grave=False))
    mend = f"{BRING_BACK}; without one, set it aside, in quarantine: onward doctor --mend"
    return Found(replace(bare, mend=mend), partial(_set_aside, rows, row))


def _is_text(table: Table, row: Values) -> bool:
    """Whether all that should be text is."""
    try:
        "".join([row[name] or "" for name in COVERED[table.name]]).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return True


def _held(rows: Rows, changed: Mapping[int, Values]) -> dict[int, Values]:
    """Number -> row, of those changed that snapshots hold as they were. What cannot be read there holds nothing."""
    found: dict[int, Values] = {}
    if rows.repository is None or not changed:
        return found
    for stored in rows.repository.readable(newest_first=True):
        with suppress(*UNREADABLE), read_as_today(rows.repository, stored, rows.storage.blobs) as read:
            for row in read(rows.table.name):
                number = row["sequence"]
                if number in changed and number not in found and _was(rows.table, changed[number], row):
                    found[number] = row
        if len(found) == len(changed):
            break
    return found


def _was(table: Table, changed: Values, row: Values) -> bool:
    same = row["checksum"] == changed["checksum"] or all(row[name] == changed[name] for name in COVERED[table.name])
    return same and is_whole(table, row)


def _about(table: Table, row: Values) -> ColumnElement[bool]:
    """The quarantine of what a row is, or speaks of."""
    return and_(HELD.c.tenant == row["tenant"], HELD.c.interaction == _interaction(table, row))


def _interaction(table: Table, row: Values) -> str:
    return str(row["interaction" if table is schema.feedback else "id"])


def _bring_back(rows: Rows, changed: Values, held: Values) -> None:
    """Put a row back, unless somebody was quicker."""
    table, number = rows.table, changed["sequence"]

    def work(connection: Connection) -> None:
        with as_they_are(connection):
            now = connection.execute(select(table).where(table.c.sequence == number)).mappings().first()
        if now is None or dict(now) != dict(changed):
            raise Busy("Somebody changed it meanwhile.", mend="Look again: onward doctor")
        if connection.dialect.name == "sqlite" and any(held[name] != changed[name] for name in _indexed(table)):
            connection.exec_driver_sql(f'REINDEX "{table.name}"')  # else SQLite misses the entry that it is to replace
        connection.execute(update(table).where(table.c.sequence == number).values(**held))
        doctors = and_(*(HELD.c[name] == value for name, value in MARK.items()))
        connection.execute(delete(HELD).where(_about(table, held), doctors))

    rows.storage.database.write(work)


def _indexed(table: Table) -> set[str]:
    return {column.name for index in table.indexes for column in index.columns}


def _set_aside(rows: Rows, row: Values) -> None:
    about = {"tenant": row["tenant"], "interaction": _interaction(rows.table, row)}
    values = {**about, **MARK, "at": stamp(rows.clock.now()), "released": False}

    def work(connection: Connection) -> None:
        new = insert_into(connection, HELD).values(**values)
        connection.execute(new.on_conflict_do_update(index_elements=[*about], set_=values))

    rows.storage.database.write(work)
