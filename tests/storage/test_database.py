"""What is SQLite's: durability, group commit, several processes, and what is said when the file fails."""

import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, make_url, select
from tests.postgres import Server

from onward.core import Busy, Damaged, Unavailable
from onward.storage import Database, postgresql_backend, schema

WRITER = """
import sys
from pathlib import Path
from sqlalchemy import insert
from onward.storage import Database, schema

database = Database(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for n in range(int(sys.argv[3])):
    database.write(lambda c: c.execute(insert(schema.meta).values(key=f"{sys.argv[2]}-{n}", value="x")))
database.close()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "onward.db")) as made:
        yield made


def note(database: Database, key: str, value: str = "x") -> None:
    database.write(lambda c: c.execute(insert(schema.meta).values(key=key, value=value)))


def keys(database: Database) -> set[str]:
    with database.read() as connection:
        return set(connection.scalars(select(schema.meta.c.key))) - {"schema"}


def pragma(connection: Connection, name: str) -> object:
    return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_the_writer_commits_to_disk_and_readers_cannot_write(database: Database) -> None:
    def work(connection: Connection) -> list[object]:
        return [pragma(connection, name) for name in ("journal_mode", "synchronous", "query_only", "foreign_keys")]

    assert database.write(work) == ["wal", 2, 0, 1]
    with database.read() as connection:
        assert pragma(connection, "query_only") == 1
        assert pragma(connection, "journal_mode") == "wal"


def test_only_the_owner_can_read_the_files(database: Database) -> None:
    note(database, "a")
    files = list(database.file.parent.glob("onward.db*"))
    assert {file.name for file in files} == {"onward.db", "onward.db-wal", "onward.db-shm"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_what_waits_together_is_committed_together(database: Database) -> None:
    """While one piece of work holds the writer up, others gather; all of them share the next transaction."""
    started, go_on = threading.Event(), threading.Event()

    def slow(_: Connection) -> None:
        started.set()
        go_on.wait(30)

    def count(connection: Connection) -> int:
        key = f"{threading.get_ident()}-{len(seen)}"
        connection.execute(insert(schema.meta).values(key=key, value="x"))
        seen.append(key)
        with database.read() as reader:
            return len(set(reader.scalars(select(schema.meta.c.key))) - {"schema"})

    seen: list[str] = []
    with ThreadPoolExecutor(9) as pool:
        first = pool.submit(database.write, slow)
        assert started.wait(30)
        rest = [pool.submit(database.write, count) for _ in range(8)]
        while database.waiting < 8:
            pass
        go_on.set()
        assert first.result(30) is None
        assert [one.result(30) for one in rest] == [
            0
        ] * 8  # none sees another: nothing is committed before all are done
    assert keys(database) == set(seen)


def test_a_reader_never_waits_for_the_writer(database: Database) -> None:
    def work(connection: Connection) -> set[str]:
        connection.execute(insert(schema.meta).values(key="a", value="x"))
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(keys, database).result(timeout=30)

    assert database.write(work) == set()
    assert keys(database) == {"a"}


def test_a_full_disk_is_said_to_all_who_wait_and_nothing_acknowledged_is_lost(database: Database) -> None:
    pages = database.write(lambda c: pragma(c, "page_count"))
    database.write(lambda c: pragma(c, f"max_page_count={int(str(pages)) + 12}"))

    def work(number: int) -> str:
        try:
            note(database, str(number), "x" * 2000)
        except Unavailable as error:
            return str(error)
        return str(number)

    with ThreadPoolExecutor(8) as pool:
        told = list(pool.map(work, range(80)))
    refused = {one for one in told if not one.isdigit()}
    assert len(refused) == 1
    assert "database or disk is full" in refused.pop()
    assert keys(database) == {one for one in told if one.isdigit()}
    database.write(lambda c: pragma(c, "max_page_count=100000"))
    note(database, "later")
    assert "later" in keys(database)


def test_a_failing_commit_is_told_to_all_who_wait(database: Database) -> None:
    def orphan(connection: Connection) -> None:
        connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
        connection.execute(insert(schema.marks).values(version=99, mark="m", at="now"))

    started, go_on = threading.Event(), threading.Event()

    def slow(_: Connection) -> None:
        started.set()
        go_on.wait(30)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(database.write, slow)
        assert started.wait(30)
        rest = [pool.submit(database.write, orphan), pool.submit(note, database, "innocent")]
        while database.waiting < 2:
            pass
        go_on.set()
        assert first.result(30) is None
        for one in rest:
            with pytest.raises(Damaged, match="FOREIGN KEY"):
                one.result(30)
    assert keys(database) == set()
    note(database, "later")
    assert keys(database) == {"later"}


def test_a_database_held_by_somebody_else_is_busy(database: Database) -> None:
    database.write(lambda c: pragma(c, "busy_timeout=10"))
    with closing(sqlite3.connect(database.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Busy, match="another process"):
            note(database, "a")
        other.execute("ROLLBACK")
    note(database, "a")
    assert keys(database) == {"a"}


def test_closing_with_work_waiting_commits_it(database: Database) -> None:
    started, go_on = threading.Event(), threading.Event()

    def slow(_: Connection) -> None:
        started.set()
        go_on.wait(30)

    with ThreadPoolExecutor(3) as pool:
        pool.submit(database.write, slow)
        assert started.wait(30)
        waiting = pool.submit(note, database, "a")
        while not database.waiting:
            pass
        closing_ = pool.submit(database.close)
        go_on.set()
        closing_.result(30)
        waiting.result(30)
    with closing(Database(database.file)) as again:
        assert keys(again) == {"a"}


def test_a_database_of_another_schema_is_left_alone(database: Database) -> None:
    database.write(lambda c: c.exec_driver_sql("DROP TABLE quarantine"))
    database.write(lambda c: c.execute(schema.meta.update().values(value="999")))
    with pytest.raises(Unavailable, match="upgraded by a newer Onward"):
        note(database, "a")
    database.close()
    with pytest.raises(Damaged, match=r"schema 999; this Onward knows \d+.*Install"):
        Database(database.file)
    with closing(sqlite3.connect(database.file)) as raw:
        assert not raw.execute("SELECT 1 FROM sqlite_master WHERE name = 'quarantine'").fetchall()


@pytest.mark.parametrize("found", ["", "x", "1.0"])
def test_a_schema_that_is_no_number_is_another_schema(database: Database, found: str) -> None:
    database.write(lambda c: c.execute(schema.meta.update().values(value=found)))
    database.close()
    with pytest.raises(Damaged, match="schema"):
        Database(database.file)


def test_a_file_that_is_no_database_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "onward.db").write_bytes(b"my shopping list\n" * 500)
    with pytest.raises(Damaged, match="not a database"):
        Database(tmp_path / "onward.db")


def test_a_torn_database_is_damaged(database: Database) -> None:
    for n in range(20):
        note(database, str(n), "x" * 3000)
    database.close()
    data = database.file.read_bytes()
    database.file.write_bytes(data[:4096] + bytes(len(data) - 4096))
    with pytest.raises(Damaged, match="malformed"):
        Database(database.file)


def test_a_folder_for_a_file_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "onward.db").mkdir()
    with pytest.raises(Unavailable, match="unable to open"):
        Database(tmp_path / "onward.db")


def test_processes_open_a_new_database_and_write_to_it_at_once(tmp_path: Path) -> None:
    file = tmp_path / "onward.db"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, file, str(n), "25"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for n in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
        assert writer.returncode == 0
    with closing(Database(file)) as database:
        assert keys(database) == {f"{n}-{i}" for n in range(2) for i in range(25)}


def test_threads_open_a_new_database_at_once(tmp_path: Path) -> None:
    for turn in range(3):
        with ThreadPoolExecutor(8) as pool:
            opened = list(pool.map(lambda _, turn=turn: Database(tmp_path / f"{turn}.db"), range(8)))
        for n, one in enumerate(opened):
            note(one, str(n))
        assert keys(opened[0]) == {str(n) for n in range(8)}
        for one in opened:
            one.close()


def test_another_programs_tables_on_a_server(postgresql: Server) -> None:
    url = make_url(postgresql.dsn(name := postgresql.make()))
    postgresql.sql("CREATE TABLE customers (id int)", name)
    Database(postgresql_backend(url)).close()
    url = make_url(postgresql.dsn(name := postgresql.make()))
    postgresql.sql("CREATE TABLE versions (id int)", name)
    with pytest.raises(Damaged, match="no database of Onward"):
        Database(postgresql_backend(url))
