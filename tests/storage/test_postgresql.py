"""What is PostgreSQL's: restarts and broken connections, one writer across processes, secrets, and what is said of errors."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Connection, insert, select
from tests.postgres import Server, start_server

import onward
from onward.core import Busy, Damaged, InvalidInput, MissingExtra, OnwardError, Unavailable
from onward.storage import Storage, open_storage, postgresql_backend, schema
from onward.storage._place import place_of

WRITER = """
import sys
from sqlalchemy import insert
from onward.storage import open_storage, schema

storage = open_storage(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
for n in range(25):
    storage.database.write(lambda c: c.execute(insert(schema.meta).values(key=f"{sys.argv[2]}-{n}", value="x")))
storage.close()
"""


@pytest.fixture
def storage(postgresql_url: str) -> Iterator[Storage]:
    with closing(open_storage(postgresql_url)) as opened:
        yield opened


@pytest.fixture(scope="module")
def fragile(postgresql: Server) -> Iterator[Server]:
    """A server that the tests of this file may stop."""
    server = start_server()
    yield server
    server.remove()


def note(storage: Storage, key: str, value: str = "x") -> None:
    storage.database.write(lambda c: c.execute(insert(schema.meta).values(key=key, value=value)))


def keys(storage: Storage) -> set[str]:
    with storage.database.read() as connection:
        return set(connection.scalars(select(schema.meta.c.key))) - {"schema"}


def setting(connection: Connection, name: str) -> str:
    return str(connection.exec_driver_sql(f"SHOW {name}").scalar())


def test_what_is_acknowledged_is_on_the_servers_disk(storage: Storage) -> None:
    assert storage.database.write(lambda c: setting(c, "synchronous_commit")) == "on"
    assert storage.database.write(lambda c: setting(c, "transaction_isolation")) == "read committed"
    with storage.database.read() as connection:
        assert setting(connection, "transaction_isolation") == "repeatable read"
        assert setting(connection, "transaction_read_only") == "on"


def test_a_weaker_setting_of_the_user_is_raised_and_a_stronger_one_stays(
    postgresql: Server, postgresql_url: str
) -> None:
    database = postgresql_url.partition("?")[0].rpartition("/")[2]
    for given, used in (("off", "on"), ("local", "on"), ("remote_apply", "remote_apply")):
        postgresql.sql(f"ALTER DATABASE {database} SET synchronous_commit = {given}")
        with closing(open_storage(postgresql_url)) as storage:
            assert storage.database.write(lambda c: setting(c, "synchronous_commit")) == used


def test_after_a_restart_work_goes_on_as_if_nothing_had_been(fragile: Server, tmp_path: Path) -> None:
    with closing(open_storage(fragile.url(tmp_path))) as storage:
        for mode in ("fast", "immediate"):
            note(storage, mode)
            fragile.restart(mode)
            assert mode in keys(storage)
            note(storage, f"after {mode}")
        fragile.kill()
        fragile.start()
        assert keys(storage) == {"fast", "after fast", "immediate", "after immediate"}
        note(storage, "at last")


def test_while_the_server_is_away_that_is_said_and_nothing_hangs(fragile: Server, tmp_path: Path) -> None:
    url = fragile.url(tmp_path)
    with closing(open_storage(url)) as storage:
        fragile.stop()
        try:
            for use in (lambda: note(storage, "lost"), lambda: keys(storage), lambda: open_storage(url)):
                with pytest.raises(Unavailable, match=r"cannot be used.*Check that the server runs"):
                    use()
        finally:
            fragile.start()
        assert keys(storage) == set()
        note(storage, "kept")


def test_a_server_that_dies_in_mid_transaction_takes_back_everything(fragile: Server, tmp_path: Path) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(schema.meta).values(key="half", value="x"))
        fragile.restart()
        connection.execute(insert(schema.meta).values(key="other half", value="x"))

    with closing(open_storage(fragile.url(tmp_path))) as storage:
        with pytest.raises(Unavailable, match="cannot be used"):
            storage.database.write(work)
        assert keys(storage) == set()
        note(storage, "later")
        assert keys(storage) == {"later"}


def test_a_server_that_dies_under_a_batch_is_everybodys_failure(fragile: Server, tmp_path: Path) -> None:
    started, go_on = threading.Event(), threading.Event()

    def first(_: Connection) -> None:
        started.set()
        go_on.wait(30)

    with closing(open_storage(fragile.url(tmp_path))) as storage, ThreadPoolExecutor(4) as pool:
        pool.submit(storage.database.write, first)
        assert started.wait(30)
        dies = [
            pool.submit(note, storage, "before"),
            pool.submit(storage.database.write, lambda _: fragile.restart()),
            pool.submit(note, storage, "after"),
        ]
        wait_for(lambda: storage.database.waiting == len(dies))
        go_on.set()
        for one in dies:
            assert isinstance(one.exception(30), Unavailable)
        assert keys(storage) == set()
        note(storage, "later")
        assert keys(storage) == {"later"}


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        threading.Event().wait(0.01)
    pytest.fail("it never came")


def test_a_connection_cut_off_in_mid_transaction_is_said_and_the_next_works(
    postgresql: Server, storage: Storage
) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(schema.meta).values(key="half", value="x"))
        postgresql.sql(f"SELECT pg_terminate_backend({connection.exec_driver_sql('SELECT pg_backend_pid()').scalar()})")
        connection.execute(insert(schema.meta).values(key="other half", value="x"))

    with pytest.raises(Unavailable, match="terminating connection"):
        storage.database.write(work)
    note(storage, "a")
    assert keys(storage) == {"a"}


def test_processes_write_at_once(postgresql_url: str, storage: Storage) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, postgresql_url, str(n)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(2)
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.communicate("go\n", timeout=60)
        assert writer.returncode == 0
    assert keys(storage) == {f"{n}-{i}" for n in range(2) for i in range(25)}


def test_a_writer_that_holds_the_turn_for_too_long_is_busy(postgresql_url: str, storage: Storage) -> None:
    storage.database.write(lambda c: c.exec_driver_sql("SET lock_timeout = '50ms'"))
    started, go_on = threading.Event(), threading.Event()

    def slow(_: Connection) -> None:
        started.set()
        go_on.wait(30)

    with closing(open_storage(postgresql_url)) as other, ThreadPoolExecutor(1) as pool:
        holding = pool.submit(other.database.write, slow)
        assert started.wait(30)
        with pytest.raises(Busy, match="another process"):
            note(storage, "a")
        assert keys(storage) == set()
        go_on.set()
        holding.result(30)
    note(storage, "b")
    assert keys(storage) == {"b"}


def test_a_writer_that_was_paused_in_mid_transaction_is_cut_off(storage: Storage) -> None:
    storage.database.write(lambda c: c.exec_driver_sql("SET idle_in_transaction_session_timeout = '50ms'"))

    def paused(connection: Connection) -> None:
        connection.execute(insert(schema.meta).values(key="half", value="x"))
        threading.Event().wait(0.5)
        connection.execute(insert(schema.meta).values(key="other half", value="x"))

    with pytest.raises(Unavailable, match="idle-in-transaction"):
        storage.database.write(paused)
    assert keys(storage) == set()


def test_readers_beyond_the_pool_are_told(storage: Storage) -> None:
    pool = storage.database.backend.reading.pool
    pool._timeout = 0.05  # type: ignore[attr-defined]
    kept = [storage.database.read() for _ in range(15)]
    for one in kept:
        one.__enter__()
    with pytest.raises(Busy, match="in use"):
        keys(storage)
    for one in kept:
        one.__exit__(None, None, None)
    assert keys(storage) == set()


@pytest.mark.parametrize(
    ("statement", "kind", "said"),
    [
        ("INSERT INTO aliases VALUES ('t', 'champion', 7)", Damaged, "foreign key"),
        ("SELECT 1/0", InvalidInput, "division by zero"),
        ("SELECT * FROM nowhere", Unavailable, "Grant the user"),
        ("SET LOCAL statement_timeout = 1; SELECT pg_sleep(1)", Busy, "timeout"),
        ("DO $$ BEGIN RAISE SQLSTATE '53100'; END $$", Unavailable, "space on its disk"),
        ("DO $$ BEGIN RAISE SQLSTATE 'XX001'; END $$", Damaged, "Restore a back-up"),
        (
            "INSERT INTO meta SELECT string_agg(md5(n::text), ''), 'x' FROM generate_series(1, 9999) n",
            InvalidInput,
            "index",
        ),
    ],
)
def test_every_refusal_is_one_of_our_errors(
    storage: Storage, statement: str, kind: type[OnwardError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        storage.database.write(lambda c: c.exec_driver_sql(statement))
    note(storage, "a")


def test_a_user_with_a_nul_is_refused_and_the_others_of_the_batch_are_stored(postgresql_url: str) -> None:
    with onward.open(postgresql_url) as ws:
        with pytest.raises(InvalidInput, match="The user is"):
            ws.record("x", user="a\0b")
        ws.record("text with \0 in it", id="a", context={"why": "\0"})
        assert ws.house.experience.interaction("default", "a").text == "text with \0 in it"
        assert ws.status().interactions == 1


def test_a_database_without_unicode_is_refused(postgresql: Server, tmp_path: Path) -> None:
    postgresql.sql("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII'")
    with pytest.raises(InvalidInput, match=r"has the encoding SQL_ASCII.*createdb --encoding UTF8"):
        open_storage(f"{postgresql.dsn('ascii')}?folder={tmp_path}")
    postgresql.drop("ascii")


def test_a_database_that_does_not_exist_is_said(postgresql: Server, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r'database "nowhere" does not exist.*createdb'):
        open_storage(f"{postgresql.dsn('nowhere')}?folder={tmp_path}")


def test_a_server_that_is_not_there_is_said_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://me:horse-battery@127.0.0.1:9/shop?folder={tmp_path}&connect_timeout=2"
    with pytest.raises(Unavailable, match="Check that the server runs") as caught:
        open_storage(url)
    assert "horse" not in str(caught.value)
    assert "me:***@127.0.0.1:9" in str(caught.value)


def test_the_password_is_in_no_representation(tmp_path: Path) -> None:
    place = place_of(f"postgresql://me:horse-battery@host/shop?folder={tmp_path}&blobs=s3://key:horse@bucket/x")
    assert place.server is not None
    assert place.server.password == "horse-battery"
    backend = postgresql_backend(place.server)
    for said in (repr(place), str(place), repr(backend), backend.name):
        assert "horse" not in said


def test_two_workspaces_share_a_database_in_schemas_of_their_own(postgresql: Server, tmp_path: Path) -> None:
    name = postgresql.make()
    urls = []
    for own in ("one", "two"):
        postgresql.sql(f"CREATE SCHEMA {own}", name)
        urls.append(f"{postgresql.dsn(name)}?options=-csearch_path%3D{own}&folder={tmp_path / own}")
    with closing(open_storage(urls[0])) as one, closing(open_storage(urls[1])) as two:
        note(one, "a")
        assert (keys(one), keys(two)) == ({"a"}, set())
    postgresql.drop(name)


def test_without_psycopg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(MissingExtra, match=r"pip install 'onward\[postgres\]'"):
        open_storage(f"postgresql://me@host/shop?folder={tmp_path}")
