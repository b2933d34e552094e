"""Rows as chunks and back; books that cannot be read or written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Row, insert, select

from onward.core import Damaged, NotFound, Unavailable
from onward.release import keep_records, keep_version, open_repository
from onward.release._books import read_books
from onward.release._ledger import entry_files, read_entry, write_records
from onward.release._snapshots import Contents, FilePart, Repository, bring_blob, named_now
from onward.release._snapshots._records import TablePart
from onward.release._snapshots._repository import PIECE
from onward.release._snapshots._rows import rows_of, store_table
from onward.storage import Storage, open_storage, schema

COLUMNS = ("key", "value")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return open_repository(tmp_path / "kept", create=True)


def read(repository: Repository, data: bytes, rows: int, columns: tuple[str, ...] = COLUMNS) -> list[dict[str, object]]:
    part = repository.put_all([data])
    return list(rows_of(repository, TablePart(columns, rows, part.size, part.chunks), schema.meta))


def test_rows_come_back_under_their_columns(repository: Repository) -> None:
    assert read(repository, b'["a","1"]\n["b","2"]\n', 2) == [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}]
    assert read(repository, b'["a"]', 1, ("key",)) == [{"key": "a"}]
    assert read(repository, b"", 0) == []


@pytest.mark.parametrize(
    ("data", "rows", "columns"),
    [
        (b'["a"]\n', 1, COLUMNS),
        (b'["a","1","2"]\n', 1, COLUMNS),
        (b'{"a":1}\n', 1, COLUMNS),
        (b'["a","1', 1, COLUMNS),
        (b'["a","1"]\n', 2, COLUMNS),
        (b'["a","1"]\n', 1, ("key", "colour")),
    ],
)
def test_what_is_no_row_is_damaged(repository: Repository, data: bytes, rows: int, columns: tuple[str, ...]) -> None:
    with pytest.raises(Damaged):
        read(repository, data, rows, columns)


def test_rows_are_stored_as_they_are_read(repository: Repository, tmp_path: Path) -> None:
    """A group of large rows is never in memory as a whole."""
    written = []

    def group(rows: Iterable[Row[Any]]) -> Iterator[Row[Any]]:
        for row in rows:
            for _ in range(5):
                yield row
                written.append(repository.written)

    with closing(open_storage(tmp_path / "ws")) as storage:
        text = os.urandom(PIECE // 2).hex()
        storage.database.write(lambda c: c.execute(insert(schema.meta).values(key="large", value=text)))
        with storage.database.read() as connection:
            rows = connection.execute(select(schema.meta).where(schema.meta.c.key == "large"))
            part = store_table(repository, [group(rows)], schema.meta)
    assert part.rows == 5
    assert 0 < written[1] < written[3]
    assert len(list(rows_of(repository, part, schema.meta))) == 5


def test_a_blob_must_be_what_its_name_says(repository: Repository, tmp_path: Path) -> None:
    part = repository.put_all([b"other"])
    with closing(open_storage(tmp_path / "ws")) as storage:
        with pytest.raises(Damaged, match="something else"):
            bring_blob(repository, Contents(blobs={"a" * 64: part}), storage.blobs, "a" * 64)
        with pytest.raises(NotFound):
            bring_blob(repository, Contents(blobs={"b" * 64: FilePart(0, ())}), storage.blobs, "a" * 64)


def spoil(storage: Storage) -> None:
    row = {"id": "cy_1", "tenant": "t", "started": "2026-01-01T00:00:00.000000+00:00", "status": "kept"}
    storage.database.write(lambda c: c.execute(insert(schema.cycles), [{**row, "body": "7"}]))


def test_a_record_that_cannot_be_read_keeps_retention_away_but_not_the_doctor(tmp_path: Path) -> None:
    with closing(open_storage(tmp_path / "ws")) as storage:
        spoil(storage)
        with storage.database.read() as connection:
            for work in (read_books, named_now):
                with pytest.raises(Damaged):
                    work(connection)
            assert read_books(connection, lenient=True).versions == {}
            assert named_now(connection, lenient=True) == (set(), set())


def test_books_that_cannot_be_written_stop_nobody(tmp_path: Path) -> None:
    with closing(open_storage(tmp_path / "ws")) as storage:
        spoil(storage)
        (storage.folder / "records").touch()
        keep_records(storage)
        keep_version(storage, 1)
        with pytest.raises(Unavailable):
            write_records(storage)
        (storage.folder / "records").unlink()
        keep_records(storage)
        (file,) = entry_files(storage.folder)
        assert read_entry(file).row["id"] == "cy_1"
        file.write_bytes(file.read_bytes().replace(b"kept", b"held"))
        with pytest.raises(Damaged, match="was changed"):
            read_entry(file)
        file.unlink()
        with pytest.raises(Damaged, match="cannot be read"):
            read_entry(file)
    keep_records(storage)
    keep_version(storage, 1)
