"""The books beside the artifacts: enough to rebuild a workspace whose database is lost.

Every version, move, data set version, evaluation set, finished cycle, mark and withdrawal of consent is also a small
file under `records/`, written after the commit that made it. A file that is missing or torn is written again by
`doctor`; a file that the database knows nothing of tells that the database is not the one that wrote it.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Table, func, select

from onward.core import Damaged, OnwardError, content_hash, decode, encode, log
from onward.storage import Storage, explained, schema

from ._snapshots import IDENTITY, NAMES

FOLDER: Final = "records"
TABLES: Final[Mapping[str, str]] = {
    "versions": "number",
    "transitions": "sequence",
    "evaluation_sets": "sequence",
    "datasets": "place",
    "cycles": "place",
    "marks": "at",
    "withdrawals": "at",
    "meta": "key",
}
"""Table -> the column by which its newest rows are found."""
RECENT: Final = 64
MADE_ANEW: Final = frozenset({"taught"})
"""Columns that a rebuilt database finds out anew: who taught."""
KEPT_KEYS: Final = (IDENTITY, NAMES)
"""Rows of `meta` that a rebuilt database needs: which workspace it is, and the key of hashed names."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a table, and the hash of the rest."""

    table: str
    row: Mapping[str, Any]
    check: str = ""


def keep_records(storage: Storage) -> None:
    """Write the files of the newest rows that have none; of all, where there are not as many. Call after what made them
    is committed.

    It is not synced to the disk, and what goes wrong is logged only: the database holds everything already.
    """
    try:
        with storage.database.read() as connection:
            for table, newest in TABLES.items():
                many = None if _lags(connection, storage.folder, table) else RECENT
                for row in _rows(connection, schema.metadata.tables[table], newest, many):
                    file = file_of(storage.folder, table, row)
                    if not file.exists():
                        write_entry(file, table, row)
    except (OnwardError, OSError) as error:
        log.warning("records not written", folder=str(storage.folder), error=str(error))


def _lags(connection: Connection, folder: Path, table: str) -> bool:
    """Whether a table has another number of rows than of files."""
    query = _kept(select(func.count()).select_from(schema.metadata.tables[table]), schema.metadata.tables[table])
    return bool(connection.scalar(query) != len(entry_files(folder, table)))


def keep_withdrawals(storage: Storage) -> None:
    """Write the files of withdrawals that say otherwise than the database. Call when an erasure is begun, done or begun
    again: a rebuilt database believes the file. What goes wrong is logged only, as by `keep_records`."""
    table = schema.withdrawals
    try:
        with storage.database.read() as connection:
            for row in _rows(connection, table, "at"):
                file = file_of(storage.folder, str(table.name), row)
                if not (file.exists() and _says(file, row)):
                    write_entry(file, str(table.name), row)
    except (OnwardError, OSError) as error:
        log.warning("withdrawals not written", folder=str(storage.folder), error=str(error))


def write_records(storage: Storage) -> None:
    """Write the files of all rows.

    Raises:
        Unavailable: the folder cannot be written.
    """
    with explained(storage.folder), storage.database.read() as connection:
        for table, row in all_rows(connection):
            write_entry(file_of(storage.folder, table, row), table, row)


def correct_records(storage: Storage, has_withdrawn: Callable[[str, str], bool]) -> None:
    """Write the files anew that say otherwise than the database, and remove those that name who withdrew consent.

    Args:
        has_withdrawn: of a tenant and a user, by name.

    Raises:
        Unavailable: the folder cannot be written.
    """
    with explained(storage.folder), storage.database.read() as connection:
        known = set()
        for table, row in all_rows(connection):
            file = file_of(storage.folder, table, row)
            known.add(file)
            if not _says(file, row):
                write_entry(file, table, row)
        for file in sorted(set(entry_files(storage.folder, "withdrawals")) - known):
            if has_withdrawn(*_who(file)):
                file.unlink()


def _says(file: Path, row: Mapping[str, Any]) -> bool:
    try:
        return read_entry(file).row == row
    except Damaged:
        return False


def _who(file: Path) -> tuple[str, str]:
    try:
        row = read_entry(file).row
    except Damaged:
        return "", ""
    return str(row["tenant"]), str(row["user"])


def keep_version(storage: Storage, number: int) -> None:
    """Write a version's file anew, after it was pinned or let go."""
    table = schema.versions
    try:
        with storage.database.read() as connection:
            for row in _rows(connection, table, "number", 1, table.c.number == number):
                write_entry(file_of(storage.folder, str(table.name), row), str(table.name), row)
    except (OnwardError, OSError) as error:
        log.warning("record not written", folder=str(storage.folder), error=str(error))


def all_rows(connection: Connection) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every row that has a file, with the name of its table."""
    for table, newest in TABLES.items():
        for row in _rows(connection, schema.metadata.tables[table], newest):
            yield table, row


def _rows(
    connection: Connection, table: Table, newest: str, limit: int | None = None, own: ColumnElement[bool] | None = None
) -> Iterator[dict[str, Any]]:
    query = _kept(select(table), table).order_by(table.c[newest].desc()).limit(limit)
    query = query if own is None else query.where(own)
    return (_plain(row) for row in connection.execute(query).mappings())


def _kept(query: Select[Any], table: Table) -> Select[Any]:
    """Only those rows that have files."""
    if table is schema.cycles:
        query = query.where(table.c.status != "running")
    if table is schema.meta:
        query = query.where(table.c.key.in_(KEPT_KEYS))
    return query


def _plain(row: Mapping[Any, Any]) -> dict[str, Any]:
    """A row without what is found out anew where it is lost."""
    return {str(name): value for name, value in row.items() if str(name) not in MADE_ANEW}


def file_of(folder: Path, table: str, row: Mapping[str, Any]) -> Path:
    """The file of a row: named by its number, else by the hash of its key."""
    key = [row[column.name] for column in schema.metadata.tables[table].primary_key.columns]
    name = str(key[0]) if len(key) == 1 and isinstance(key[0], int) else content_hash(key)[:32]
    return folder / FOLDER / table / f"{name}.json"


def write_entry(file: Path, table: str, row: Mapping[str, Any]) -> None:
    """Write a row's file in one step."""
    file.parent.parent.mkdir(mode=0o700, exist_ok=True)
    file.parent.mkdir(mode=0o700, exist_ok=True)
    unfinished = file.with_name(f".{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
            opened.write(encode(Entry(table, row, content_hash([table, row]))))
        unfinished.rename(file)
    finally:
        with suppress(FileNotFoundError):
            unfinished.unlink()


def read_entry(file: Path) -> Entry:
    """The row that a file holds.

    Raises:
        Damaged: it is torn, or was changed.
    """
    try:
        entry = decode(file.read_bytes(), Entry)
    except OSError as error:
        raise Damaged(f"{file} cannot be read.", why=f"{error.strerror}.", mend="Restore a back-up.") from error
    if entry.table not in TABLES or entry.check != content_hash([entry.table, entry.row]):
        raise Damaged(f"{file} was changed after it was written.", mend="Write it anew: onward doctor --mend")
    return entry


def entry_files(folder: Path, *tables: str) -> list[Path]:
    """Every file of the books, or of some tables, in order."""
    return sorted(path for table in tables or TABLES for path in (folder / FOLDER / table).glob("*.json"))
