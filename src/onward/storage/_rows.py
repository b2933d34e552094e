"""The few statements in which SQLite and PostgreSQL differ, said once for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ._backend import driver
from ._schema import tallies

PORTIONS: Final = (64, 16, 4, 1)


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that may say `on_conflict_do_nothing` or `on_conflict_do_update`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_new(
    connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[str | None, ...]]
) -> int:
    """Insert rows of text, but those whose key is there already; return how many were new.

    For the hot path: straight to the driver. To SQLite 64 rows go as one statement: half the time of one statement a
    row, and the interpreter's lock is let go, and fought for again, once and not 64 times.
    To PostgreSQL all rows go as one JSON text, which costs a tenth of psycopg's arrays.
    """
    if not rows:
        return 0
    raw = driver(connection)
    if connection.dialect.name == "sqlite":
        return sum(_insert_some(raw, table.name, columns, some) for some in _portions(rows))
    return int(raw.execute(_from_json(table.name, columns), [msgspec.json.encode(rows).decode()]).rowcount)


def _portions(rows: Sequence[tuple[str | None, ...]]) -> Iterator[Sequence[tuple[str | None, ...]]]:
    """The rows by 64, 16, 4 and 1: few statements, and few different ones."""
    start = 0
    for size in PORTIONS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _insert_some(raw: Any, table: str, columns: tuple[str, ...], rows: Sequence[tuple[str | None, ...]]) -> int:
    return int(raw.execute(_from_values(table, columns, len(rows)), list(chain.from_iterable(rows))).rowcount)


@lru_cache(maxsize=32)
def _from_values(table: str, columns: tuple[str, ...], rows: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"{_insert(table, columns)} VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"


@lru_cache(maxsize=8)
def _from_json(table: str, columns: tuple[str, ...]) -> str:
    fields = ", ".join(f"one->>{number}" for number in range(len(columns)))
    values = f"SELECT {fields} FROM json_array_elements(%s::json) one"  # noqa: S608 - names of ours only
    return f"{_insert(table, columns)} {values} ON CONFLICT DO NOTHING"


def _insert(table: str, columns: tuple[str, ...]) -> str:
    named = ", ".join(f'"{column}"' for column in columns)
    return f'INSERT INTO "{table}" ({named})'


def next_place(connection: Connection, table: Table) -> int:
    """The number after the highest in a table's `place`, in the caller's transaction: writers take turns."""
    return int(connection.scalar(select(func.max(table.c.place))) or 0) + 1


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
