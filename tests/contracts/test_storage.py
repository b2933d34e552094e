"""The storage contract, over every back end: what `write`, `read`, `put`, `get`, `folder` and `hold` promise.

A back end is the URL of a place that is empty; `reopen` opens the same place again, for those that last.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Connection, Row, Select, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from onward.core import Busy, Damaged, InvalidInput, ManualClock, NotFound, OnwardError, Unavailable
from onward.storage import Database, Storage, hold, insert_new, open_storage, schema, tally

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LASTING = ["sqlite", "postgresql"]


def url_of(back_end: str, request: pytest.FixtureRequest) -> str:
    if back_end == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return {"sqlite": f"file://{request.getfixturevalue('tmp_path')}/shop", "memory": "memory://"}[back_end]


@pytest.fixture(params=[*LASTING, "memory"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    with closing(open_storage(url_of(request.param, request))) as opened:
        yield opened


@pytest.fixture(params=LASTING)
def reopen(request: pytest.FixtureRequest) -> Iterator[Callable[[], Storage]]:
    """Opens the same storage as often as it is called, and closes all of them in the end."""
    url, opened = url_of(request.param, request), list[Storage]()

    def again() -> Storage:
        opened.append(open_storage(url))
        return opened[-1]

    yield again
    for one in opened:
        one.close()


def note(storage: Storage, key: str, value: str = "x") -> None:
    storage.database.write(lambda c: c.execute(insert(schema.meta).values(key=key, value=value)))


def notes(storage: Storage) -> dict[str, str]:
    with storage.database.read() as connection:
        rows = connection.execute(select(schema.meta)).all()
    return {row.key: row.value for row in rows if row.key != "schema"}


def folder_with(storage: Storage, files: dict[str, bytes]) -> str:
    with storage.blobs.scratch() as scratch:
        folder = scratch / "made"
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        name = storage.blobs.put_folder(folder)
        assert not folder.exists()
    return name


def test_what_is_written_is_there_at_once_for_everybody(reopen: Callable[[], Storage]) -> None:
    storage = reopen()
    note(storage, "a")
    assert notes(storage) == notes(reopen()) == {"a": "x"}


def test_what_is_written_is_there_after_closing(reopen: Callable[[], Storage]) -> None:
    storage = reopen()
    note(storage, "a")
    storage.close()
    assert notes(reopen()) == {"a": "x"}


def test_write_returns_what_the_work_returns(storage: Storage) -> None:
    assert storage.database.write(lambda c: c.scalar(select(schema.meta.c.value))) == str(schema.SCHEMA_VERSION)


@pytest.mark.parametrize("error", [InvalidInput("no"), RuntimeError("no"), KeyError("no"), ZeroDivisionError("no")])
def test_work_that_fails_raises_and_leaves_nothing(storage: Storage, error: Exception) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(schema.meta).values(key="half", value="x"))
        raise error

    with pytest.raises(type(error)):
        storage.database.write(work)
    assert notes(storage) == {}
    note(storage, "after")
    assert notes(storage) == {"after": "x"}


def test_a_failing_piece_takes_only_itself_back(storage: Storage) -> None:
    def work(number: int) -> str:
        def piece(connection: Connection) -> str:
            connection.execute(insert(schema.meta).values(key=str(number), value="x"))
            if number % 5 == 0:
                raise RuntimeError(f"piece {number}")
            return str(number)

        try:
            return storage.database.write(piece)
        except RuntimeError as failure:
            return str(failure)

    with ThreadPoolExecutor(16) as pool:
        told = list(pool.map(work, range(120)))
    assert told == [f"piece {n}" if n % 5 == 0 else str(n) for n in range(120)]
    assert set(notes(storage)) == {str(n) for n in range(120) if n % 5}


def test_every_thread_gets_its_own_result(storage: Storage) -> None:
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda n: storage.database.write(lambda _: n), range(300)))
    assert results == list(range(300))


def test_breaking_a_rule_of_the_schema_is_one_of_our_errors(storage: Storage) -> None:
    note(storage, "a", "first")
    with pytest.raises(OnwardError):
        note(storage, "a", "second")
    assert notes(storage) == {"a": "first"}


def test_a_nul_is_refused_or_comes_back(storage: Storage) -> None:
    try:
        note(storage, "a", "x\0y")
    except InvalidInput:
        assert notes(storage) == {}
    else:
        assert notes(storage) == {"a": "x\0y"}
    note(storage, "b")


def test_rows_are_numbered_in_the_order_in_which_they_are_committed(reopen: Callable[[], Storage]) -> None:
    """Whoever remembers the last number that it saw has seen every row below it."""
    writers, seen, done = [reopen(), reopen()], set[int](), threading.Event()
    table = schema.interactions

    def read() -> int:
        last = turns = 0
        while True:
            ended = done.is_set()
            with writers[0].database.read() as connection:
                new = list(connection.scalars(select(table.c.sequence).where(table.c.sequence > last)))
            seen.update(new)
            last, turns = max([last, *new]), turns + 1
            if ended:
                return turns

    def work(number: int) -> None:
        rows = [("t", f"{number}-{n}", "{}") for n in range(3)]
        writers[number % 2].database.write(lambda c: insert_new(c, table, ("tenant", "id", "body"), rows))

    with ThreadPoolExecutor(9) as pool:
        reading = pool.submit(read)
        list(pool.map(work, range(100)))
        done.set()
        assert reading.result(30) > 1
    with writers[0].database.read() as connection:
        assert seen == set(connection.scalars(select(table.c.sequence)))
    assert len(seen) == 300


def read_all(database: Database, query: Select[Any]) -> list[Row[Any]]:
    with database.read() as connection:
        return list(connection.execute(query))


def test_only_new_rows_are_inserted_and_counted(storage: Storage) -> None:
    rows = [("t", "a", None, "1"), ("t", "b", "ann", "2"), ("t", "a", None, "3")]
    columns = ("tenant", "id", "user", "body")

    def add(*given: tuple[str | None, ...]) -> int:
        return storage.database.write(lambda c: insert_new(c, schema.interactions, columns, given))

    assert (add(*rows), add(*rows), add(("t", "c", None, "4"), rows[0]), add()) == (2, 0, 1, 0)
    query = select(schema.interactions.c.id, schema.interactions.c.body, schema.interactions.c.user)
    found = [tuple(row) for row in read_all(storage.database, query.order_by(schema.interactions.c.sequence))]
    assert found == [("a", "1", None), ("b", "2", "ann"), ("c", "4", None)]


def test_a_tally_goes_up_and_down_with_its_transaction(storage: Storage) -> None:
    def change(by: int, *, fail: bool = False) -> None:
        def work(connection: Connection) -> None:
            tally(connection, "t", schema.feedback, by)
            if fail:
                raise RuntimeError

        storage.database.write(work)

    change(3)
    change(-1)
    with pytest.raises(RuntimeError):
        change(5, fail=True)
    (row,) = read_all(storage.database, select(schema.tallies))
    assert tuple(row) == ("t", "feedback", 2)


def test_a_file_is_taken_over_whole(storage: Storage, tmp_path: Path) -> None:
    columns = ("tenant", "id", "body")
    everything = select(schema.interactions).order_by(schema.interactions.c.sequence)
    with closing(Database(tmp_path / "source.db")) as source:
        source.write(lambda c: insert_new(c, schema.interactions, columns, [("t", str(n), "{}") for n in range(9)]))
        source.write(lambda c: insert_new(c, schema.interactions, columns, [("t", "9", "\u2028")]))
        rows = read_all(source, everything)
    storage.database.load(tmp_path / "source.db")
    assert read_all(storage.database, everything) == rows
    add = insert(schema.interactions).values(tenant="t", id="next", body="{}")
    last = storage.database.write(lambda c: c.execute(add).inserted_primary_key)
    assert last[0] > rows[-1].sequence
    with pytest.raises(InvalidInput, match="already"):
        storage.database.load(tmp_path / "source.db")


@pytest.mark.parametrize("back_end", [*LASTING, "memory"])
def test_without_create_there_must_be_a_workspace(
    back_end: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    if back_end == "memory":
        return open_storage("memory://", create=False).close()
    server = request.getfixturevalue("postgresql") if back_end == "postgresql" else None
    url = server.url(tmp_path / "shop") if server else str(tmp_path / "shop")
    with pytest.raises(NotFound, match="There is no workspace"):
        open_storage(url, create=False)
    assert not (tmp_path / "shop").exists()
    open_storage(url).close()
    return open_storage(url, create=False).close()


def test_workspaces_that_lie_beside_a_missing_one_are_named(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    for name in ("my shop", "support"):
        open_storage(tmp_path / name).close()
    with pytest.raises(NotFound) as missing:
        open_storage(tmp_path / "shop", create=False)
    assert missing.value.options == (str(tmp_path / "my shop"), str(tmp_path / "support"))
    with pytest.raises(NotFound, match=rf"Known: {tmp_path / 'support'}\.") as inside:
        open_storage(tmp_path / "support" / ".onward", create=False)
    assert inside.value.options == (str(tmp_path / "support"),)
    with pytest.raises(NotFound, match=rf"--workspace '{tmp_path}/no/such shop' init") as nowhere:
        open_storage(tmp_path / "no" / "such shop", create=False)
    assert nowhere.value.options == ()


def test_many_open_a_new_storage_at_once(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    for url in (str(tmp_path / "a"), request.getfixturevalue("postgresql").url(tmp_path / "b")):
        with ThreadPoolExecutor(6) as pool:
            opened = list(pool.map(lambda _, url=url: open_storage(url), range(6)))
        for n, one in enumerate(opened):
            note(one, str(n))
        assert set(notes(opened[0])) == {str(n) for n in range(6)}
        for one in opened:
            one.close()


def test_readers_cannot_write(storage: Storage) -> None:
    with pytest.raises((OnwardError, SQLAlchemyError)), storage.database.read() as connection:
        connection.execute(insert(schema.meta).values(key="a", value="x")).connection.commit()
    assert notes(storage) == {}


def test_a_reader_sees_one_state_while_others_write(storage: Storage) -> None:
    note(storage, "a")
    with storage.database.read() as connection:
        before = connection.execute(select(schema.meta)).all()
        note(storage, "b")
        assert connection.execute(select(schema.meta)).all() == before
    assert set(notes(storage)) == {"a", "b"}


def test_closing_twice_is_closing_once_and_then_nothing_works(storage: Storage) -> None:
    storage.close()
    storage.close()
    with pytest.raises(Unavailable, match="closed"):
        note(storage, "a")
    with pytest.raises(Unavailable, match="closed"):
        notes(storage)


def test_nobody_waits_for_ever_when_the_storage_closes_under_them(reopen: Callable[[], Storage]) -> None:
    for turn in range(15):
        storage, start = reopen(), Barrier(9)

        def work(number: int, storage: Storage = storage, start: Barrier = start, turn: int = turn) -> str | None:
            start.wait()
            try:
                note(storage, f"{turn}-{number}")
            except Unavailable:
                return None
            return f"{turn}-{number}"

        with ThreadPoolExecutor(8) as pool:
            futures = [pool.submit(work, number) for number in range(8)]
            start.wait()
            storage.close()
            acknowledged = {one.result(timeout=30) for one in futures} - {None}
        assert acknowledged == {key for key in notes(reopen()) if key.startswith(f"{turn}-")}


@pytest.mark.parametrize("value", [2**63, -(2**200), "\ud800"], ids=["too large", "too small", "surrogate"])
def test_what_no_database_holds_is_refused(storage: Storage, value: int | str) -> None:
    column = schema.meta.c.key if isinstance(value, str) else schema.versions.c.number
    with pytest.raises(InvalidInput), storage.database.read() as connection:
        connection.execute(select(column).where(column == value))
    with pytest.raises(InvalidInput):
        storage.database.write(lambda c: c.execute(select(column).where(column == value)))


@pytest.mark.parametrize("data", [b"", b"x", b"\x00\xff" * 500_000], ids=["nothing", "a byte", "a megabyte"])
def test_bytes_come_back_under_their_hash(reopen: Callable[[], Storage], data: bytes) -> None:
    storage = reopen()
    name = storage.blobs.put(data)
    assert storage.blobs.put(data) == name
    assert reopen().blobs.get(name) == data


def test_folders_come_back_under_their_hash(reopen: Callable[[], Storage]) -> None:
    storage = reopen()
    files = {"a.json": b"{}", "deep/er/b.bin": b"\x00" * 1000, "deep/empty": b""}
    name = folder_with(storage, files)
    assert folder_with(storage, files) == name
    found = reopen().blobs.folder(name)
    assert {path: (found / path).read_bytes() for path in files} == files
    assert folder_with(storage, {"a.json": b"{}"}) != name


def test_what_was_never_stored_is_not_found(storage: Storage) -> None:
    for find in (storage.blobs.get, storage.blobs.folder):
        with pytest.raises(NotFound):
            find("0" * 64)
    storage.blobs.drop_folder("0" * 64)


@pytest.mark.parametrize(
    "name", ["", "..", "../../etc/passwd", "/etc/passwd", "A" * 64, "g" * 64, "0" * 63, "0" * 65, "\0" * 64, "é" * 64]
)
def test_hostile_names_are_not_found(storage: Storage, name: str) -> None:
    for find in (storage.blobs.get, storage.blobs.folder, storage.blobs.drop_folder):
        with pytest.raises(NotFound, match="content hash"):
            find(name)


def test_a_dropped_folder_is_gone_and_can_come_again(storage: Storage) -> None:
    name = folder_with(storage, {"a": b"1"})
    storage.blobs.drop_folder(name)
    with pytest.raises(NotFound, match="artifact"):
        storage.blobs.folder(name)
    assert folder_with(storage, {"a": b"1"}) == name
    assert (storage.blobs.folder(name) / "a").read_bytes() == b"1"


def test_many_threads_storing_the_same_content_store_it_once(storage: Storage) -> None:
    start = Barrier(8)

    def work(_: int) -> tuple[str, str]:
        start.wait()
        names = storage.blobs.put(b"same" * 1000), folder_with(storage, {"a": b"1" * 5000, "b/c": b"2"})
        storage.blobs.folder(names[1])
        return names

    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(work, range(8)))
    assert len(names) == 1
    data, folder = names.pop()
    assert storage.blobs.get(data) == b"same" * 1000
    assert (storage.blobs.folder(folder) / "b/c").read_bytes() == b"2"


def test_a_folder_with_a_link_is_not_stored(storage: Storage, tmp_path: Path) -> None:
    for target in (tmp_path, Path("a"), Path("nowhere")):
        with storage.blobs.scratch() as scratch:
            (scratch / "a").write_bytes(b"1")
            (scratch / "link").symlink_to(target)
            with pytest.raises(Damaged, match="link"):
                storage.blobs.put_folder(scratch)


def test_scratch_is_gone_afterwards_and_a_workbench_stays(storage: Storage) -> None:
    with storage.blobs.scratch() as scratch:
        assert scratch.is_dir()
        assert storage.blobs.workbench("cy_1") == storage.blobs.workbench("cy_1")
        (storage.blobs.workbench("cy_1") / "kept").write_bytes(b"1")
    assert not scratch.exists()
    assert (storage.blobs.workbench("cy_1") / "kept").exists()
    storage.blobs.clear_workbench("cy_1")
    storage.blobs.clear_workbench("cy_1")
    assert not (storage.blobs.workbench("cy_1") / "kept").exists()


def test_a_lease_has_one_holder(reopen: Callable[[], Storage]) -> None:
    storage = reopen()
    clock = ManualClock(NOON)
    with hold(storage.database, "a", clock) as first, hold(storage.database, "b", clock):
        for database in (storage.database, reopen().database):
            with pytest.raises(Busy, match="'a' is being worked on"), hold(database, "a", clock):
                pytest.fail("two holders")
        storage.database.write(first.guard)
    with hold(storage.database, "a", clock) as second:
        assert second.token > first.token


def test_a_lease_is_free_again_when_its_block_fails(storage: Storage) -> None:
    clock = ManualClock(NOON)
    with pytest.raises(RuntimeError), hold(storage.database, "a", clock):
        raise RuntimeError
    with hold(storage.database, "a", clock):
        assert True


def expire(storage: Storage, name: str) -> None:
    """As if its holder had paused for so long that somebody else took the lease and died."""
    gone = update(schema.leases).where(schema.leases.c.name == name)
    storage.database.write(lambda c: c.execute(gone.values(token=schema.leases.c.token + 1, expires="")))


def test_an_old_holder_can_commit_nothing(storage: Storage) -> None:
    clock = ManualClock(NOON)
    with hold(storage.database, "a", clock) as old:
        expire(storage, "a")
        with hold(storage.database, "a", clock) as new:

            def work(connection: Connection) -> None:
                connection.execute(insert(schema.meta).values(key="late", value="x"))
                old.guard(connection)

            with pytest.raises(Busy, match="lost to another holder"):
                storage.database.write(work)
            storage.database.write(new.guard)
    assert notes(storage) == {}


def test_an_old_holder_who_leaves_does_not_free_the_new_ones_lease(storage: Storage) -> None:
    clock = ManualClock(NOON)
    old = hold(storage.database, "a", clock)
    old.__enter__()
    expire(storage, "a")
    with hold(storage.database, "a", clock):
        old.__exit__(None, None, None)
        with pytest.raises(Busy), hold(storage.database, "a", clock):
            pytest.fail("two holders")


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(minutes=2), timedelta(days=400)], ids=str)
def test_a_clock_that_jumps_takes_no_lease_from_a_holder_that_lives(storage: Storage, jump: timedelta) -> None:
    with (
        hold(storage.database, "a", ManualClock(NOON), seconds=1) as lease,
        pytest.raises(Busy, match="worked on"),
        hold(storage.database, "a", ManualClock(NOON + jump), seconds=1),
    ):
        pytest.fail("two holders")
    storage.database.write(lease.guard)


@pytest.mark.parametrize("jump", [timedelta(days=-400), timedelta(days=400)], ids=str)
def test_whatever_the_clock_says_a_holder_that_stopped_is_replaced(storage: Storage, jump: timedelta) -> None:
    with hold(storage.database, "a", ManualClock(NOON)):
        storage.database.write(lambda c: c.execute(update(schema.leases).values(process="", holder="elsewhere:1")))
        with hold(storage.database, "a", ManualClock(NOON + jump), seconds=0.3) as taken:
            assert taken.token == 2


def test_of_many_threads_one_gets_the_lease(storage: Storage) -> None:
    clock, start, done = ManualClock(NOON), Barrier(8), Barrier(8)

    def work(_: int) -> bool:
        start.wait()
        try:
            with hold(storage.database, "a", clock):
                done.wait()
                return True
        except Busy:
            done.wait()
            return False

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(8))) == 1
