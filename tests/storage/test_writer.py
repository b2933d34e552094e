"""Many calls in one commit: every one hears how many of its own rows were new, and fails alone; and what is buffered."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, insert, select

from onward.core import InvalidInput, ManualClock, Unavailable
from onward.storage import Database, Journal, _writer, schema

PIECES = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=3), min_size=1, max_size=12)
UNSTORABLE = "\ud800"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "onward.db")) as made:
        yield made


def journal(clock: ManualClock | None = None) -> Journal:
    return Journal(schema.interactions, ("tenant", "id", "user", "body"), clock or ManualClock())


def row(key: str, tenant: str = "t", user: str | None = None) -> tuple[str | None, ...]:
    return tenant, key, user, "{}"


def keys(database: Database, tenant: str = "t") -> list[str]:
    table = schema.interactions
    with database.read() as connection:
        return list(connection.scalars(select(table.c.id).where(table.c.tenant == tenant).order_by(table.c.sequence)))


def tallied(database: Database) -> dict[str, int]:
    table = schema.tallies
    with database.read() as connection:
        return {one.tenant: one.rows for one in connection.execute(select(table))}


@contextmanager
def held_up(database: Database) -> Iterator[Callable[[], None]]:
    """The writer is busy until the block ends, or until what is yielded is called."""
    started, go_on = threading.Event(), threading.Event()

    def slow(_: Connection) -> None:
        started.set()
        go_on.wait(30)

    with ThreadPoolExecutor(1) as pool:
        slowed = pool.submit(database.write, slow)
        assert started.wait(30)
        try:
            yield go_on.set
        finally:
            go_on.set()
            slowed.result(30)


def queued(pool: ThreadPoolExecutor, database: Database, work: Callable[[], int]) -> Future[int]:
    """A call whose piece waits in the queue, behind all that wait already."""
    before = database.waiting
    call = pool.submit(work)
    while database.waiting == before and not call.done():
        pass
    return call


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(PIECES)
def test_every_call_hears_how_many_of_its_rows_were_new(database: Database, pieces: list[list[str]]) -> None:
    rows, seen = journal(), set(keys(database))
    expected = []
    for piece in pieces:
        expected.append(len(set(piece) - seen))
        seen |= set(piece)
    with ThreadPoolExecutor(len(pieces)) as pool, held_up(database) as go_on:
        calls = [
            queued(pool, database, lambda piece=piece: database.append(rows, [row(key) for key in piece]))
            for piece in pieces
        ]
        go_on()
        assert [call.result(30) for call in calls] == expected
    assert sorted(keys(database)) == sorted(seen)
    assert tallied(database) == {"t": len(seen)}


def test_rows_of_many_calls_are_in_the_order_in_which_they_came(database: Database) -> None:
    clock = ManualClock()
    rows = journal(clock)
    with held_up(database):
        for n in range(300):
            database.buffer(rows, [row(f"{n:03d}", "t" if n % 3 else "other")])
    database.flush()
    assert keys(database) == [f"{n:03d}" for n in range(300) if n % 3]
    assert keys(database, "other") == [f"{n:03d}" for n in range(300) if not n % 3]
    assert tallied(database) == {"t": 200, "other": 100}


def test_a_call_that_cannot_be_stored_takes_only_itself_back(database: Database) -> None:
    rows = journal()
    with ThreadPoolExecutor(9) as pool, held_up(database) as go_on:
        calls = [
            queued(
                pool,
                database,
                lambda n=n: database.append(rows, [row(f"{n}"), row(f"{n}x", user=UNSTORABLE * (n == 4))]),
            )
            for n in range(9)
        ]
        go_on()
        with pytest.raises(InvalidInput, match="can be stored"):
            calls[4].result(30)
        assert [call.result(30) for n, call in enumerate(calls) if n != 4] == [2] * 8
    assert keys(database) == [f"{n}{x}" for n in range(9) if n != 4 for x in ("", "x")]
    assert tallied(database) == {"t": 16}


def test_rows_and_other_work_keep_their_order(database: Database) -> None:
    rows, found = journal(), []

    def look(connection: Connection) -> int:
        found.append(connection.scalars(select(schema.interactions.c.id)).all())
        return len(found)

    with ThreadPoolExecutor(3) as pool, held_up(database) as go_on:
        calls = [
            queued(pool, database, lambda: database.append(rows, [row("a")])),
            queued(pool, database, lambda: database.write(look)),
            queued(pool, database, lambda: database.append(rows, [row("b")])),
        ]
        go_on()
        assert [call.result(30) for call in calls] == [1, 1, 1]
    assert found == [["a"]]


def test_who_waits_is_woken_although_who_should_wake_it_was_interrupted(database: Database) -> None:
    """Those who wait wake each other: here the first of them, the main thread, goes away before its piece is done."""

    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    main, rows = threading.main_thread(), journal()
    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with ThreadPoolExecutor(13) as pool, held_up(database) as go_on:

            def others() -> list[int]:
                while not database.waiting:
                    pass
                calls = [queued(pool, database, lambda n=n: database.append(rows, [row(str(n))])) for n in range(10)]
                signal.pthread_kill(main.ident or 0, signal.SIGUSR1)
                return [call.result(30) for call in calls]

            answer = pool.submit(others)
            with pytest.raises(Interrupted):
                database.append(rows, [row("mine")])
            go_on()
            assert answer.result(30) == [1] * 10
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert "mine" in keys(database)


def test_what_is_buffered_is_there_after_flush_and_after_close(database: Database) -> None:
    rows = journal()
    with held_up(database):
        database.buffer(rows, [row("a"), row("b")])
        assert keys(database) == []
    database.flush()
    assert keys(database) == ["a", "b"]
    database.buffer(rows, [row("a"), row("c")])
    database.close()
    with closing(Database(database.file)) as again:
        assert keys(again) == ["a", "b", "c"]
        assert tallied(again) == {"t": 3}


def test_who_looks_waits_only_for_what_is_buffered(database: Database) -> None:
    with ThreadPoolExecutor(1) as pool, held_up(database) as go_on:
        database.settle()
        database.buffer(journal(), [row("a")])
        waiting = pool.submit(database.settle)
        while database.waiting < 2:
            pass
        assert not waiting.done()
        go_on()
        waiting.result(30)
        assert keys(database) == ["a"]
        database.settle()


def test_what_is_buffered_and_fails_is_told_once_by_flush_and_logged(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    rows = journal()
    with held_up(database):
        database.buffer(rows, [row("a")])
        database.buffer(rows, [row("b", user=UNSTORABLE)])
        database.buffer(rows, [row("c")])
    with caplog.at_level(logging.ERROR, "onward"), pytest.raises(Unavailable, match=r"buffered are lost.*No number or"):
        database.flush()
    database.flush()
    assert database.lost is None
    assert keys(database) == ["a", "c"]


def test_what_is_buffered_and_fails_is_told_by_close(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = Database(tmp_path / "onward.db")
    with caplog.at_level(logging.ERROR, "onward"):
        database.buffer(journal(), [row("b", user=UNSTORABLE)])
        with pytest.raises(Unavailable, match="lost"):
            database.close()
    assert "buffered records lost" in caplog.text
    database.close()


def test_a_full_queue_holds_up_who_buffers(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_writer, "RECORDS_WAITING", 4)
    rows = journal()
    with ThreadPoolExecutor(1) as pool:
        with held_up(database) as go_on:
            for n in range(4):
                database.buffer(rows, [row(str(n))])
            late = pool.submit(database.buffer, rows, [row("late")])
            assert not threading.Event().wait(0.05)
            assert not late.done()
            assert database.waiting == 4
            go_on()
            late.result(30)
        database.buffer(rows, [row(f"large {n}") for n in range(9)])  # larger than the queue: it has it for itself
        database.flush()
    assert len(keys(database)) == 14


def test_much_text_holds_up_who_buffers(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_writer, "TEXT_WAITING", 10)
    with ThreadPoolExecutor(1) as pool, held_up(database) as go_on:
        database.buffer(journal(), [("t", "a", None, "x" * 9)])
        late = pool.submit(database.buffer, journal(), [("t", "b", None, "x" * 9)])
        assert not threading.Event().wait(0.05)
        assert database.waiting == 1
        go_on()
        late.result(30)
    database.flush()
    assert keys(database) == ["a", "b"]


def test_who_is_held_up_when_the_workspace_closes_is_told(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_writer, "RECORDS_WAITING", 1)
    with ThreadPoolExecutor(2) as pool:
        with held_up(database) as go_on:
            database.buffer(journal(), [row("a")])
            late = pool.submit(database.buffer, journal(), [row("late")])
            closed = pool.submit(database.close)
            with pytest.raises(Unavailable, match="closed"):
                late.result(30)
            go_on()
        closed.result(30)
    with closing(Database(database.file)) as again:
        assert keys(again) == ["a"]


def test_work_inside_work_is_told_instead_of_waiting_for_ever(database: Database) -> None:
    for work in (lambda: database.buffer(journal(), [row("a")]), lambda: database.write(lambda _: None)):
        with pytest.raises(RuntimeError, match="inside"):
            database.write(lambda _, work=work: work())


def test_a_piece_that_fails_alone_leaves_nothing(database: Database) -> None:
    def half(connection: Connection) -> None:
        connection.execute(insert(schema.meta).values(key="a", value="x"))
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        database.write(half)
    with database.read() as connection:
        assert "a" not in connection.scalars(select(schema.meta.c.key)).all()
