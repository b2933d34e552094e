"""All rows of one database in another: whole, as of one moment, a thousand at a time."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Connection, Table, func, insert, select

from onward.core import InvalidInput

from ._schema import meta, metadata

AT_ONCE: Final = 1_000


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
