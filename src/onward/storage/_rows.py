"""The few statements in which SQLite and PostgreSQL differ, said once for both."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import msgspec
from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

from ._backend import driver
from ._schema import tallies


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that may say `on_conflict_do_nothing` or `on_conflict_do_update`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_new(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[str | None, ...]]
) -> int:
    """Insert rows of text, but those whose key is there already; return how many were new.

    For the hot path: straight to the driver. SQLAlchemy's own way costs 11.5 microseconds a row against 3.5.
    To PostgreSQL all rows go as one JSON text, which costs a tenth of psycopg's arrays.
    """
    if not rows:
        return 0
    statement = _insert_new(connection.dialect.name, table.name, columns)
    raw = driver(connection)
    if connection.dialect.name == "sqlite":
        return int(raw.executemany(statement, rows).rowcount)
    return int(raw.execute(statement, [msgspec.json.encode(rows).decode()]).rowcount)


@lru_cache(maxsize=32)
def _insert_new(dialect: str, table: str, columns: tuple[str, ...]) -> str:
    named = ", ".join(f'"{column}"' for column in columns)
    if dialect == "sqlite":
        values = f"VALUES ({', '.join('?' * len(columns))})"
    else:
        fields = ", ".join(f"one->>{number}" for number in range(len(columns)))
        values = f"SELECT {fields} FROM json_array_elements(%s::json) one"  # noqa: S608 - names of ours only
    return f'INSERT INTO "{table}" ({named}) {values} ON CONFLICT DO NOTHING'


def tally(connection: Connection, tenant: str, table: Table, change: int) -> None:
    """Note that a tenant has more (or, below 0, fewer) rows in a table than before, in the caller's transaction."""
    statement = _tally(connection.dialect.name)
    driver(connection).execute(statement, (tenant, table.name, change))


@lru_cache(maxsize=2)
def _tally(dialect: str) -> str:
    values = "?, ?, ?" if dialect == "sqlite" else "%s, %s, %s"
    return (
        f"INSERT INTO {tallies.name} (tenant, name, rows) VALUES ({values}) "  # noqa: S608 - names of ours only
        f"ON CONFLICT (tenant, name) DO UPDATE SET rows = {tallies.name}.rows + excluded.rows"
    )
