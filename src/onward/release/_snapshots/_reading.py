"""The rows of a snapshot as today's tables have them, whatever schema it was written from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, MetaData, Table, insert, select
from sqlalchemy.exc import DBAPIError, IntegrityError, StatementError

from onward.core import Damaged
from onward.storage import Blobs, Database, brought_up, schema

from ._records import Snapshot, Stored
from ._repository import Repository
from ._rows import rows_of

Row = dict[str, Any]
Read = Callable[[str], Iterable[Row]]
"""The rows of a table, by its name, as they are asked for; none of one that the snapshot does not hold."""
AT_ONCE: Final = 1000


def check_schema(snapshot: Snapshot) -> None:
    """Make sure that a snapshot can be read.

    Raises:
        Damaged: a newer Onward wrote it.
    """
    if not snapshot.schema.isdecimal() or not 0 < int(snapshot.schema) <= schema.SCHEMA_VERSION:
        raise Damaged(
            f"Snapshot {snapshot.id} has schema {snapshot.schema}; this Onward knows 1 to {schema.SCHEMA_VERSION}.",
            mend="Restore it with the Onward that wrote it, or a newer one.",
        )


@contextmanager
def read_as_today(repository: Repository, stored: Stored, blobs: Blobs) -> Iterator[Read]:
    """Reads the tables of a snapshot, for as long as the block lasts.

    Those of an older schema are led to today's first, in a database of their own.

    Args:
        blobs: has room for what is unfinished.

    Raises:
        Damaged: a newer Onward wrote it; and, as its rows are read, it is not whole.
        Unavailable: there is no space.
    """
    check_schema(stored.snapshot)
    number = int(stored.snapshot.schema)
    if number == schema.SCHEMA_VERSION:
        yield lambda table: _rows(repository, stored, schema.metadata.tables[table])
        return

    def fill(connection: Connection) -> None:
        older = MetaData()
        older.reflect(connection)
        for table in older.sorted_tables:
            insert_all(connection, table, _rows(repository, stored, table))

    with blobs.scratch() as scratch, brought_up(scratch / "older.db", number, fill) as database:
        yield lambda table: _migrated(database, schema.metadata.tables[table])


def _rows(repository: Repository, stored: Stored, table: Table) -> Iterator[Row]:
    part = stored.contents.tables.get(table.name)
    if part is not None:
        yield from (row for row in rows_of(repository, part, table) if not _is_stamp(table, row))


def _is_stamp(table: Table, row: Row) -> bool:
    """Whether a row says which schema it was written from."""
    return table.name == schema.meta.name and row.get("key") == "schema"


def _migrated(database: Database, table: Table) -> Iterator[Row]:
    with database.read() as connection:
        rows = connection.execute(select(table), execution_options={"yield_per": AT_ONCE}).mappings()
        yield from (dict(row) for row in rows if not _is_stamp(table, dict(row)))


def insert_all(connection: Connection, table: Table, rows: Iterable[Row]) -> None:
    """Insert rows of a snapshot. What it says that is no row of ours is damage, not a mistake of the program.

    Raises:
        Damaged: it holds what is no row of this table.
    """
    left = iter(rows)
    try:
        while some := list(islice(left, AT_ONCE)):
            connection.execute(insert(table), some)
    except (StatementError, KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DBAPIError) and not isinstance(error, IntegrityError):
            raise
        raise Damaged(
            f"The snapshot's table {table.name} holds what is no row of it.", mend="Take another copy, or snapshot."
        ) from error
