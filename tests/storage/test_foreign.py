"""Another program's SQLite file is refused as it is: not a byte of it changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

import onward
from onward.core import Damaged
from onward.storage import Database

FOREIGN = {
    "other tables": "CREATE TABLE orders (id INTEGER); INSERT INTO orders VALUES (7)",
    "a table of the same name": "CREATE TABLE meta (key TEXT, value TEXT); INSERT INTO meta VALUES ('version', '3')",
    "an empty table of the same name": "CREATE TABLE meta (key, value)",
    "a table of the same name, and other columns": "CREATE TABLE meta (name TEXT)",
    "in WAL mode": "PRAGMA journal_mode=WAL; CREATE TABLE orders (id INTEGER)",
}


@pytest.mark.parametrize("made", FOREIGN)
@pytest.mark.parametrize("create", [True, False])
def test_it_stays_byte_for_byte_as_it_was(tmp_path: Path, made: str, create: bool) -> None:
    file = tmp_path / "onward.db"
    with closing(sqlite3.connect(file)) as other:
        other.executescript(FOREIGN[made])
    before = file.read_bytes()
    with pytest.raises(Damaged, match="no database of Onward"):
        Database(file, create=create)
    with pytest.raises(Damaged, match="no database of Onward"):
        onward.open(tmp_path, create=create)
    assert file.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir() if not one.name.startswith("onward.db-")] == ["onward.db"]


def test_a_database_that_was_made_but_not_filled_is_ours(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "onward.db")) as other:
        other.execute("PRAGMA user_version = 0")
        other.execute("VACUUM")
    Database(tmp_path / "onward.db").close()
