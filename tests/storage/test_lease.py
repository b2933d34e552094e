"""Leases between processes, and their renewal."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import select, update

from onward.core import Busy, ManualClock
from onward.storage import Database, hold, schema

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


@pytest.mark.parametrize("holder", ["another-machine:1", f"another-machine:{2**22}"])
def test_the_holder_on_another_machine_is_believed_until_the_lease_expires(database: Database, holder: str) -> None:
    clock = ManualClock(NOON)
    with hold(database, "cycle", clock):
        database.write(lambda c: c.execute(update(schema.leases).values(holder=holder)))
        clock.advance(timedelta(seconds=59))
        with pytest.raises(Busy, match=holder):
            hold(database, "cycle", clock).__enter__()
        clock.advance(timedelta(seconds=1))
        with hold(database, "cycle", clock) as taken:
            assert taken.token == 2


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
