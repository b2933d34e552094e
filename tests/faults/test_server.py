"""A PostgreSQL server that is killed, restarted, or cuts its clients off in mid-transaction."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import onward
from onward.core import Busy, Unavailable
from onward.workspace import Workspace
from tests.conversations import lines
from tests.faults.harness import (
    Ground,
    Memory,
    Nursery,
    Site,
    Tally,
    check_answers,
    check_health,
    check_records,
    reopened,
    thorough,
)
from tests.faults.operations import BATCH, FOUR, SETTINGS, THREADS
from tests.postgres import Server, start_server

CUT = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
         WHERE datname LIKE 'shop_%' AND pid <> pg_backend_pid()"""


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """One of our own: the others' is left alone."""
    try:
        made = start_server()
    except (RuntimeError, OSError) as error:
        pytest.skip(f"no PostgreSQL: {error}")
    yield made
    made.remove()


@pytest.fixture
def site(server: Server, prepared: Path, tmp_path: Path) -> Iterator[Site]:
    made = Ground("postgresql", tmp_path, prepared, server).site("two")
    yield made
    made.remove()


@pytest.fixture
def memory(site: Site) -> Memory:
    made = Memory()
    with reopened(site) as ws:
        made.remember(ws)
    return made


def gone_and_back(server: Server, how: str) -> None:
    if how == "kill":
        server.kill()
        server.start()
    else:
        server.restart(how)


@pytest.mark.parametrize("how", ["kill", "immediate", "fast"])
def test_gone_while_recording(
    server: Server,
    site: Site,
    memory: Memory,
    nursery: Nursery,
    tally: Tally,
    chance: random.Random,
    tmp_path: Path,
    how: str,
) -> None:
    child = nursery.bear("record", site.url, tmp_path / "said", seed=how, patient=True)
    for _ in range(thorough(2, 15)):
        before = len(child.lines())
        while len(child.lines()) < before + 20:
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.05))
        gone_and_back(server, how)
        tally.counts[f"server {how}"] += 1
    before = len(child.lines())
    while len([words for words in child.lines()[before:] if words[0] == "recorded"]) < 10:
        time.sleep(0.005)
    child.kill()
    memory.learn(child.lines())
    tally.counts["acknowledged"] += sum(len(words) - 1 for words in child.lines() if words[0] in ("recorded", "heard"))
    with reopened(site) as ws:
        check_answers(ws, memory)
        check_records(ws, memory, tally, slack=THREADS * (BATCH + 1))
        check_health(ws, tally)


@contextmanager
def cut_off(server: Server, chance: random.Random, tally: Tally) -> Iterator[None]:
    """Break every connection, at random, again and again."""
    stop = threading.Event()

    def work() -> None:
        while not stop.wait(chance.uniform(0, 0.04)):
            tally.counts["connections cut"] += server.sql(CUT)[0][0]

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def asked_again(work: Callable[[], object]) -> object:
    """The answer, once there is one."""
    while True:
        try:
            return work()
        except Unavailable:
            time.sleep(0.002)


def test_cut_off_while_recording(
    server: Server, site: Site, memory: Memory, tally: Tally, chance: random.Random
) -> None:
    with reopened(site) as ws:
        refused = 0
        with cut_off(server, chance, tally):
            for number in range(thorough(150, 1500)):
                try:
                    memory.recorded.add(ws.record(f"hello {number}", id=f"one {number}"))
                except Unavailable:
                    refused += 1
                    asked_again(lambda n=number: memory.recorded.add(ws.record(f"hello {n}", id=f"one {n}")))  # type: ignore[misc]
        assert refused or not tally.counts["connections cut"]
        check_records(ws, memory, tally)
        check_answers(ws, memory)
        check_health(ws, tally)


def test_cut_off_while_moving(server: Server, site: Site, memory: Memory, tally: Tally, chance: random.Random) -> None:
    with reopened(site) as ws:
        expected = [move.version for move in ws.history()]
        with cut_off(server, chance, tally):
            for _ in range(thorough(40, 400)):
                ahead = 3 - expected[-1]
                try:
                    ws.rollback(to=ahead)
                except Unavailable:
                    if asked_again(ws.champion) == ahead:  # it broke after the commit
                        expected.append(ahead)
                else:
                    expected.append(ahead)
        assert [move.version for move in ws.history()] == expected
        check_answers(ws, memory)
        check_health(ws, tally)


def test_cut_off_while_cycling(server: Server, site: Site, memory: Memory, tally: Tally, chance: random.Random) -> None:
    with reopened(site) as ws:
        done = 0
        with cut_off(server, chance, tally):
            for number in range(thorough(3, 40)):
                batch = lines(40, intents=FOUR, seed=number, source="cut")
                asked_again(lambda b=batch: ws.record_many(b))  # type: ignore[misc]
                memory.recorded.update(line["id"] for line in batch)
                done += cycled(ws)
        assert cycled(ws)
        tally.counts["cycles in spite of it"] += done
        assert ws.status().running_cycle is None
        check_records(ws, memory, tally)
        check_answers(ws, memory)
        check_health(ws, tally)


def cycled(ws: Workspace) -> bool:
    try:
        return ws.cycle(force=True).status in {"promoted", "kept", "refused"}
    except (Unavailable, Busy):
        return False


def test_a_server_that_stays_away_is_told(server: Server, site: Site, memory: Memory, tally: Tally) -> None:
    with reopened(site) as ws:
        server.stop("immediate")
        try:
            for work in (
                lambda: ws.record("hello"),
                lambda: ws.predict("hello"),
                ws.cycle,
                ws.rollback,
                ws.doctor,
                lambda: ws.back_up(site.folder.parent / "kept"),
                lambda: onward.open(site.url, settings=SETTINGS),
                lambda: onward.doctor(site.url),
            ):
                with pytest.raises(Unavailable):
                    work()
        finally:
            server.start()
        ws.record("hello", id="now")
        memory.recorded.add("now")
        check_records(ws, memory, tally)
        check_answers(ws, memory)
        check_health(ws, tally)
