"""Tables as chunks of rows and back, the same whatever database they come from or go to."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Integer, Row, Select, Table, func, select

from onward.core import Damaged, decode, encode
from onward.storage import schema

from ._records import FilePart, TablePart
from ._repository import Repository

RANGE: Final = 10_000
"""Rows of a numbered table that share chunks: those numbered 0..9,999, 10,000..19,999 and so on."""
SPREAD: Final = 1024
"""Rows of other tables that share chunks, on average; where one ends is decided by its key alone."""
READ_AT_ONCE: Final = 1000
NAMING: Final = ("datasets", "evaluation_sets", "versions", "cycles")
LONGEST_ROW: Final = 2**30
MOMENTARY: Final = frozenset({"leases", "tallies"})
"""What says who is at work now is of no use later, and counts are counted anew."""


def kept_tables() -> list[Table]:
    """The tables that a snapshot holds, each after those it refers to."""
    return [table for table in schema.metadata.sorted_tables if table.name not in MOMENTARY]


def store_table(repository: Repository, rows: Iterable[Iterable[Row[Any]]], table: Table) -> TablePart:
    """Store groups of a table's rows; a group that is the same as before is stored already."""
    chunks: list[str] = []
    count = size = 0

    def lines(group: Iterable[Row[Any]]) -> Iterator[bytes]:
        """As they are asked for: no more than a chunk of them is in memory."""
        nonlocal count
        for row in group:
            count += 1
            yield encode(list(row)) + b"\n"

    for group in rows:
        part = repository.put_all(lines(group))
        chunks.extend(part.chunks)
        size += part.size
    return TablePart(tuple(map(str, table.columns.keys())), count, size, tuple(chunks))


def groups(connection: Connection, table: Table) -> Iterator[Iterator[Row[Any]]]:
    """All rows of a table in groups that stay the same while their rows do; each must be read before the next."""
    (key, *more) = table.primary_key.columns
    if more or not isinstance(key.type, Integer):
        yield from _by_key(connection, table)
        return
    last = -1
    while (first := connection.scalar(select(func.min(key)).where(key > last))) is not None:
        last = first - first % RANGE + RANGE - 1
        yield _stream(connection, select(table).where(key.between(first, last)).order_by(key))


def _by_key(connection: Connection, table: Table) -> Iterator[Iterator[Row[Any]]]:
    keys = [table.columns.keys().index(column.name) for column in table.primary_key.columns]
    group: list[Row[Any]] = []
    for row in _stream(connection, select(table).order_by(*table.primary_key.columns)):
        group.append(row)
        if zlib.crc32(encode([row[key] for key in keys])) % SPREAD == 0:
            yield iter(group)
            group = []
    yield iter(group)


def _stream(connection: Connection, query: Select[Any]) -> Iterator[Row[Any]]:
    with connection.execute(query, execution_options={"yield_per": READ_AT_ONCE}) as rows:
        yield from rows


def rows_of(repository: Repository, part: TablePart, table: Table) -> Iterator[dict[str, Any]]:
    """The rows of a table in a snapshot, as they are inserted; verified, read as they are asked for.

    Raises:
        NotFound, Damaged: a chunk is gone or changed, or is no part of that table.
    """
    unknown = set(part.columns) - set(table.columns.keys())
    if unknown:
        raise Damaged(
            f"The snapshot's table {table.name} has columns that this Onward does not know.",
            why=f"They are {', '.join(sorted(unknown))}.",
            mend="Restore it with the Onward that wrote it, or a newer one.",
        )
    count = 0
    for line in _lines(repository.get_all(FilePart(part.size, part.chunks))):
        count += 1
        yield _row(line, part.columns, table)
    if count != part.rows:
        raise Damaged(f"The snapshot's table {table.name} is not whole.", mend="Take another copy, or snapshot.")


def _row(line: bytes, columns: Sequence[str], table: Table) -> dict[str, Any]:
    values = decode(line, list[Any])
    if len(values) != len(columns):
        raise Damaged(f"A row of the snapshot's table {table.name} is torn.", mend="Take another copy, or snapshot.")
    return dict(zip(columns, values, strict=True))


def _lines(data: Iterable[bytes]) -> Iterator[bytes]:
    waiting = b""
    for some in data:
        *whole, waiting = (waiting + some).split(b"\n")
        yield from whole
        if len(waiting) > LONGEST_ROW:
            raise Damaged("A row of the snapshot has no end.", mend="Take another copy, or snapshot.")
    if waiting:
        yield waiting


@dataclass(frozen=True, slots=True)
class _Candidate:
    artifact: str


@dataclass(frozen=True, slots=True)
class _Cycle:
    """Of a cycle's record, what names content."""

    dataset_blob: str | None = None
    candidates: tuple[_Candidate, ...] = ()


def named(table: str, row: Mapping[str, Any]) -> tuple[set[str], set[str]]:
    """The blobs and the artifacts that a row names."""
    if table in {"datasets", "evaluation_sets"}:
        return {row["blob"]}, set()
    if table == "versions":
        return set(), {row["artifact"]}
    if table == "cycles":
        state = decode(row["body"], _Cycle)
        return {state.dataset_blob} if state.dataset_blob else set(), {one.artifact for one in state.candidates}
    return set(), set()


def named_now(connection: Connection, *, lenient: bool = False) -> tuple[set[str], set[str]]:
    """The blobs and the artifacts that any row names; with `lenient`, without rows that cannot be read.

    Raises:
        Damaged: a row cannot be read.
    """
    blobs: set[str] = set()
    artifacts: set[str] = set()
    for table in NAMING:
        for row in connection.execute(select(schema.metadata.tables[table])).mappings():
            try:
                some_blobs, some_artifacts = named(table, dict(row))
            except Damaged:
                if not lenient:
                    raise
                continue
            blobs |= some_blobs
            artifacts |= some_artifacts
    return blobs, artifacts
