"""The few statements in which SQLite and PostgreSQL differ, said once for both."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, String, Table, func, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

from ._backend import driver
from ._schema import tallies

PORTIONS: Final = (64, 16, 4, 1)
POSTGRESQL: Final = postgresql.dialect()  # type: ignore[no-untyped-call]


def insert_into(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An insert that may say `on_conflict_do_nothing` or `on_conflict_do_update`."""
    return sqlite.insert(table) if connection.dialect.name == "sqlite" else postgresql.insert(table)


def insert_new(connection: Connection, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> int:
    """Insert rows of texts and numbers, but those whose key is there already; return how many were new.

    For the hot path: straight to the driver. To SQLite 64 rows go as one statement: half the time of one statement a
    row, and the interpreter's lock is let go, and fought for again, once and not 64 times.
    To PostgreSQL all rows go as one JSON text, which costs a tenth of psycopg's arrays.
    """
    if not rows:
        return 0
    raw = driver(connection)
    if connection.dialect.name == "sqlite":
        return sum(_insert_some(raw, table.name, columns, some) for some in _portions(rows))
    return int(raw.execute(_from_json(table, columns), [msgspec.json.encode(rows).decode()]).rowcount)


def _portions(rows: Sequence[tuple[Any, ...]]) -> Iterator[Sequence[tuple[Any, ...]]]:
    """The rows by 64, 16, 4 and 1: few statements, and few different ones."""
    start = 0
    for size in PORTIONS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size


def _insert_some(raw: Any, table: str, columns: tuple[str, ...], rows: Sequence[tuple[Any, ...]]) -> int:
    return int(raw.execute(_from_values(table, columns, len(rows)), list(chain.from_iterable(rows))).rowcount)


@lru_cache(maxsize=32)
def _from_values(table: str, columns: tuple[str, ...], rows: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return f"{_insert(table, columns)} VALUES {', '.join([row] * rows)} ON CONFLICT DO NOTHING"


@lru_cache(maxsize=8)
def _from_json(table: Table, columns: tuple[str, ...]) -> str:
    fields = ", ".join(_field(number, table.c[column].type) for number, column in enumerate(columns))
    values = f"SELECT {fields} FROM json_array_elements(%s::json) one"  # noqa: S608 - names of ours only
    return f"{_insert(table.name, columns)} {values} ON CONFLICT DO NOTHING"


def _field(number: int, kind: TypeEngine[Any]) -> str:
    text = f"one->>{number}"
    return text if isinstance(kind, String) else f"CAST({text} AS {kind.compile(POSTGRESQL)})"


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


def add_up(
    connection: Connection,
    table: Table,
    rows: Sequence[tuple[Any, ...]],
    *,
    sums: tuple[str, ...],
    lows: tuple[str, ...] = (),
    highs: tuple[str, ...] = (),
    latest: tuple[str, ...] = (),
) -> None:
    """Add to the rows of these keys, or make them, in the caller's transaction.

    Args:
        connection: of the transaction.
        table: every column of it is given.
        rows: as the table's columns are ordered.
        sums, lows, highs, latest: columns that are added to, that keep the lower or the higher of both values, or that
            take the new one; any other keeps what it has.
    """
    if rows:
        statement = _add_up(connection.dialect.name, table, sums, lows, highs, latest)
        driver(connection).cursor().executemany(statement, rows)


@lru_cache(maxsize=8)
def _add_up(
    dialect: str,
    table: Table,
    sums: tuple[str, ...],
    lows: tuple[str, ...],
    highs: tuple[str, ...],
    latest: tuple[str, ...],
) -> str:
    mark, low, high = ("?", "min", "max") if dialect == "sqlite" else ("%s", "least", "greatest")
    old, new = f'"{table.name}"', "excluded"
    changes = [
        *(f'"{c}" = {old}."{c}" + {new}."{c}"' for c in sums),
        *(f'"{c}" = {low}({old}."{c}", {new}."{c}")' for c in lows),
        *(f'"{c}" = {high}({old}."{c}", {new}."{c}")' for c in highs),
        *(f'"{c}" = {new}."{c}"' for c in latest),
    ]
    columns, keys = tuple(table.columns.keys()), ", ".join(f'"{c.name}"' for c in table.primary_key.columns)
    values = ", ".join([mark] * len(columns))
    return f"{_insert(table.name, columns)} VALUES ({values}) ON CONFLICT ({keys}) DO UPDATE SET {', '.join(changes)}"
