"""A database that is lost under, or before, whoever uses it: noticed, never replaced by an empty one, nor twice rebuilt."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from tests.conversations import lines
from tests.postgres import Server

import onward
from onward.core import Busy, Damaged, ManualClock, NotFound, Unavailable
from onward.release import is_lost
from onward.storage import Database, is_in_use, stands_in
from onward.workspace import Workspace

LINEAR = {"training": {"learners": ["linear"]}}
SIDES = ("", "-wal", "-shm")
OVERWRITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
(size,) = connection.execute("PRAGMA page_size").fetchone()
query = "SELECT rootpage FROM sqlite_schema WHERE name = ?"
pages = [connection.execute(query, [name]).fetchone()[0] for name in sys.argv[2:]]
connection.close()
with open(sys.argv[1], "r+b") as opened:
    for page in pages:
        opened.seek((page - 1) * size)
        opened.write(b"\\xee" * 64)
"""
MEND = """
import sys, onward
try:
    print([one.mended for one in onward.doctor(sys.argv[1], mend=True) if one.kind == "lost"])
except onward.core.OnwardError as error:
    print(type(error).__name__)
"""


def overwrite(file: Path, *names: str) -> None:
    """Damage the first page of some tables or indexes, on the disk only; closing the file here would drop its locks."""
    subprocess.run([sys.executable, "-c", OVERWRITE, str(file), *names], check=True)


def mended_elsewhere(folder: Path) -> str:
    """What the doctor of another process says."""
    done = subprocess.run([sys.executable, "-c", MEND, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_database_that_is_open_is_never_set_aside(folder: Path, reopen: Callable[[], Workspace]) -> None:
    ws = reopen()
    ws.record("before", id="before")
    overwrite(folder / "onward.db", "meta", "sqlite_autoindex_meta_1")
    assert is_lost(folder)
    assert mended_elsewhere(folder) == "Busy"
    with pytest.raises(Busy, match="has it open"):
        onward.doctor(folder, mend=True)
    ws.close()
    assert mended_elsewhere(folder) == "[True]"
    assert not is_lost(folder)
    assert reopen().champion() is not None


def test_looking_leaves_the_locks_as_they_are(folder: Path, ws: Workspace) -> None:
    ws.record("before", id="before")
    file = folder / "onward.db"
    assert is_in_use(file)
    assert is_in_use(file)
    ws.close()
    assert not is_in_use(file)


@pytest.mark.parametrize("replaced", [False, True])
def test_nothing_is_acknowledged_to_a_file_that_is_gone(folder: Path, ws: Workspace, replaced: bool) -> None:
    ws.record("before", id="before")
    for side in SIDES:
        (folder / f"onward.db{side}").unlink(missing_ok=True)
    if replaced:
        Database(folder / "onward.db").close()
    with pytest.raises(Unavailable, match="removed or replaced"):
        ws.record("after", id="after")
    assert replaced == (folder / "onward.db").exists()


def test_readers_of_a_file_that_is_gone_make_no_empty_one(folder: Path, ws: Workspace) -> None:
    for side in SIDES:
        (folder / f"onward.db{side}").unlink(missing_ok=True)
    together, refused = threading.Barrier(4), []

    def read() -> None:
        try:
            with ws.house.storage.database.read():
                together.wait(20)
        except (Unavailable, threading.BrokenBarrierError) as error:
            refused.append(error)
            together.abort()

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert any(isinstance(error, Unavailable) for error in refused)
    assert not (folder / "onward.db").exists()
    assert is_lost(folder)
    with pytest.raises(Damaged, match="has lost"):
        onward.open(folder)


def test_a_database_without_our_tables_is_lost(folder: Path) -> None:
    for side in SIDES:
        (folder / f"onward.db{side}").unlink(missing_ok=True)
    with closing(sqlite3.connect(folder / "onward.db")) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
    assert (folder / "onward.db").stat().st_size
    assert is_lost(folder)
    with pytest.raises(Damaged, match="has lost"):
        onward.open(folder)
    assert [one.kind for one in onward.doctor(folder)] == ["lost"]


def test_a_stamp_that_cannot_be_read_is_lost_and_rebuilt(folder: Path, reopen: Callable[[], Workspace]) -> None:
    overwrite(folder / "onward.db", "meta")
    assert is_lost(folder)
    assert onward.doctor(folder, mend=True)[0].mended
    assert reopen().champion() is not None


def test_a_missing_file_is_not_made_by_who_only_looks(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        Database(tmp_path / "onward.db", create=False)
    assert list(tmp_path.iterdir()) == []


def test_what_nobody_lets_us_read_is_no_reason_to_think_it_lost(tmp_path: Path) -> None:
    file = tmp_path / "onward.db"
    Database(file).close()
    with closing(sqlite3.connect(file)) as holding:
        holding.execute("PRAGMA locking_mode=EXCLUSIVE")
        holding.execute("BEGIN EXCLUSIVE")
        assert stands_in(file)


def test_a_server_that_lost_its_database_is_told(postgresql: Server, tmp_path: Path, clock: ManualClock) -> None:
    name = postgresql.make()
    url = f"{postgresql.dsn(name)}?folder={tmp_path / 'ws'}"
    with onward.open(url, settings=LINEAR, clock=clock) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
    postgresql.drop(name)
    postgresql.sql(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    for _ in range(2):
        with pytest.raises(Damaged, match="has lost"):
            onward.open(url, settings=LINEAR)
    assert [one.kind for one in onward.doctor(url)] == ["lost"]
    assert onward.doctor(url, mend=True)[0].mended
    with onward.open(url, settings=LINEAR, clock=clock) as ws:
        assert ws.champion() is not None
