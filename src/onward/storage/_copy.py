"""All rows of one database in another: whole, as of one moment, a thousand at a time."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final, cast

from sqlalchemy import Connection, Table, func, insert, select

from onward.core import InvalidInput, Unavailable

from ._schema import meta, metadata
from ._sqlite import sqlite_backend

AT_ONCE: Final = 1_000


def copy_database(source: Connection, target: Path) -> None:
    """Write everything that a reader sees to a new SQLite file.

    Raises:
        Unavailable: the file cannot be written.
    """
    try:
        target.touch(mode=0o600)
        if source.dialect.name == "sqlite":
            with closing(sqlite3.connect(target)) as copied:
                cast("sqlite3.Connection", source.connection.driver_connection).backup(copied)
        else:
            _copy_tables(source, target)
    except (sqlite3.Error, OSError) as error:
        raise Unavailable(f"{target} cannot be written: {error}.", mend="Check space and permissions.") from error


def _copy_tables(source: Connection, target: Path) -> None:
    backend = sqlite_backend(target)
    try:
        with backend.explained(), backend.writing.begin() as copied:
            metadata.create_all(copied)
            copied.execute(insert(meta), [row._asdict() for row in source.execute(select(meta))])
            copy_rows(source, copied)
    finally:
        backend.writing.dispose()


def copy_rows(source: Connection, target: Connection) -> None:
    """Insert everything that a reader sees into empty tables, in the caller's transaction.

    Raises:
        InvalidInput: the tables are not empty.
    """
    tables = [table for table in metadata.sorted_tables if table is not meta]
    if any(target.scalar(select(table).limit(1)) is not None for table in tables):
        raise InvalidInput("There is a workspace in this database already.", mend="Choose an empty one.")
    for table in tables:
        with source.execute(select(table), execution_options={"yield_per": AT_ONCE}) as rows:
            for part in rows.partitions():
                target.execute(insert(table), [row._asdict() for row in part])
        count_on(target, table)


def count_on(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number the next row of a numbered table after the last; SQLite does so by itself."""
    column = table.autoincrement_column
    if column is None or connection.dialect.name != "postgresql":
        return
    sequence = func.pg_get_serial_sequence(column.table.name, column.name)
    last = func.max(column)
    connection.execute(select(func.setval(sequence, func.coalesce(last, 1), last.is_not(None))))
