"""Leases between processes, and their renewal."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import delete, insert, select

from onward.core import Busy, ManualClock
from onward.storage import Database, hold, schema
from onward.storage._lease import _acquire
from onward.storage._process import is_gone, mark_of_process

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOLDER = """
import sys
from datetime import datetime, UTC
from pathlib import Path
from onward.core import ManualClock
from onward.storage import Database, hold

with hold(Database(Path(sys.argv[1])), "cycle", ManualClock(datetime(2026, 3, 1, 12, tzinfo=UTC))) as lease:
    print(lease.token, flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "onward.db")) as made:
        yield made


@pytest.fixture
def other(database: Database) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lease until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, database.file], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    yield process
    if process.poll() is None:
        process.kill()
    process.communicate(timeout=30)


def expires(database: Database, name: str) -> str | None:
    with database.read() as connection:
        return connection.scalar(select(schema.leases.c.expires).where(schema.leases.c.name == name))


def test_between_processes_there_is_one_holder(database: Database, other: "subprocess.Popen[str]") -> None:
    with pytest.raises(Busy, match=f"'cycle' is being worked on by .*:{other.pid}, until 2026-03-01T12:01"):
        hold(database, "cycle", ManualClock(NOON)).__enter__()
    other.communicate("done\n", timeout=30)
    with hold(database, "cycle", ManualClock(NOON)) as lease:
        assert lease.token == 2


def test_the_lease_of_a_process_that_died_is_free_at_once(database: Database, other: "subprocess.Popen[str]") -> None:
    other.kill()
    other.wait(30)
    with hold(database, "cycle", ManualClock(NOON)) as lease:
        assert lease.token == 2
        database.write(lease.guard)


def test_a_holder_that_cannot_be_looked_up_is_believed_until_its_lease_expires(database: Database) -> None:
    clock = ManualClock(NOON)
    for mark in ("", "another-boot/1/1/1", mark_of_process().replace("/", "/9", 1)):
        expires = schema_time(NOON + timedelta(seconds=1))
        row = {"holder": "another-machine:1", "token": 1, "expires": expires, "process": mark}
        database.write(lambda c: c.execute(delete(schema.leases)))
        database.write(lambda c, row=row: c.execute(insert(schema.leases).values(name="cycle", **row)))
        with pytest.raises(Busy, match="another-machine:1"):
            hold(database, "cycle", clock, seconds=1).__enter__()
        with hold(database, "cycle", ManualClock(NOON + timedelta(seconds=2)), seconds=0.1) as taken:
            assert taken.token == 2


def test_a_paused_holder_is_replaced_and_can_commit_nothing_when_it_wakes(database: Database) -> None:
    code = HOLDER.replace("UTC))) as", "UTC)), seconds=1) as").replace(
        "sys.stdin.readline()", "sys.stdin.readline()\n    database.write(lease.guard)"
    )
    code = code.replace(
        "with hold(Database(Path(sys.argv[1]))", "database = Database(Path(sys.argv[1]))\nwith hold(database"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, database.file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as paused:
        assert paused.stdout is not None
        assert paused.stdout.readline() == "1\n"
        later = ManualClock(NOON + timedelta(minutes=1))
        with pytest.raises(Busy):  # it renews
            hold(database, "cycle", later, seconds=1).__enter__()
        paused.send_signal(signal.SIGSTOP)
        with hold(database, "cycle", later, seconds=1) as lease:
            assert lease.token == 2
            paused.send_signal(signal.SIGCONT)
            _, said = paused.communicate("go on\n", timeout=30)
            assert "Busy: The lease on 'cycle' was lost to another holder" in said
            database.write(lease.guard)


def test_of_two_who_see_it_free_one_takes_it(database: Database) -> None:
    seen = None
    database.write(lambda c: _acquire(c, "cycle", seen, ManualClock(NOON), 60))
    with pytest.raises(Busy, match="worked on"):
        database.write(lambda c: _acquire(c, "cycle", seen, ManualClock(NOON), 60))


def test_a_process_is_told_from_one_that_has_its_number() -> None:
    mark = mark_of_process()
    assert not is_gone(mark)
    space, number, started = mark.rsplit("/", 2)
    assert is_gone(f"{space}/{number}/{int(started) - 1}")
    assert is_gone(f"{space}/{2**22 + 1}/{started}")
    assert not is_gone(f"another{space}/{2**22 + 1}/{started}")
    for odd in ("", "/", "//", "a/b/c", f"{space}/-1/1", f"{space}/x/1"):
        assert not is_gone(odd)


def test_a_zombie_is_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", "print(1)"], stdout=subprocess.PIPE)
    assert child.stdout is not None
    started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    mark = f"{mark_of_process().rsplit('/', 2)[0]}/{child.pid}/{started}"
    child.stdout.read()
    wait_until(lambda: is_gone(mark))
    child.stdout.close()
    child.wait(30)
    assert is_gone(mark)


def test_where_the_system_does_not_tell_nothing_is_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mark = mark_of_process()
    monkeypatch.setattr("onward.storage._process.PROC", tmp_path)
    assert mark_of_process() == ""
    assert not is_gone(mark)


def test_a_lease_is_renewed_while_it_is_held(database: Database) -> None:
    clock = ManualClock(NOON)
    with hold(database, "cycle", clock, seconds=0.03) as lease:
        for _ in range(3):
            clock.advance(timedelta(seconds=1))
            wanted = schema_time(clock.now() + timedelta(seconds=0.03))
            wait_until(lambda wanted=wanted: expires(database, "cycle") == wanted)
        database.write(lease.guard)
    assert expires(database, "cycle") == ""


def test_renewal_goes_on_after_it_failed_for_a_while(database: Database) -> None:
    clock = ManualClock(NOON)
    with hold(database, "cycle", clock, seconds=0.03):
        database.write(lambda c: c.exec_driver_sql("ALTER TABLE leases RENAME TO hidden"))
        clock.advance(timedelta(seconds=1))
        threading.Event().wait(0.1)
        database.write(lambda c: c.exec_driver_sql("ALTER TABLE hidden RENAME TO leases"))
        wanted = schema_time(clock.now() + timedelta(seconds=0.03))
        wait_until(lambda: expires(database, "cycle") == wanted)


def test_renewing_stops_with_the_block(database: Database) -> None:
    before = threading.active_count()
    with hold(database, "cycle", ManualClock(NOON), seconds=0.03):
        assert threading.active_count() > before
    with hold(database, "cycle", ManualClock(NOON)):
        pass
    assert expires(database, "cycle") == ""


def schema_time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def wait_until(condition: object) -> None:
    pause = threading.Event()
    for _ in range(3000):
        if condition():  # type: ignore[operator]
            return
        pause.wait(0.01)
    pytest.fail("it never came")
