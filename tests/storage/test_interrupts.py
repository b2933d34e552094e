"""Ctrl-C between any two steps of a call: the others are woken, nothing hangs, and what is counted stays right.

CPython lets a signal's handler run when a function begins and when a call returns; `sys.setprofile` raises there.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from tests.storage.test_writer import held_up, journal, keys, queued, row, tallied

from onward.core import Unavailable
from onward.storage import Database, _writer


class Interrupted(BaseException):
    """Stands for KeyboardInterrupt, which pytest takes for its own."""


def interrupted(step: int, call: Callable[[], object]) -> bool:
    """Make a call, and interrupt it at one of its steps; whether it was as long as that."""
    left, happened = itertools.count(step, -1), []

    def look(frame: FrameType, event: str, argument: Any) -> None:
        if event in ("call", "return", "c_return") and next(left) == 0:
            sys.setprofile(None)
            happened.append(step)
            raise Interrupted

    try:
        sys.setprofile(look)
        call()
    except Interrupted:
        return True
    except RuntimeError:  # interrupted, `Thread.start` itself releases its own lock once too often
        if not happened:
            raise
        return True
    finally:
        sys.setprofile(None)
    assert not happened, "an interrupt was swallowed"
    return False


def steps(call: Callable[[int], bool]) -> int:
    """Interrupt a call at its first step, its second, and so on, until it ends by itself; how many there were."""
    return next(step for step in itertools.count() if not call(step))


def settled(database: Database) -> None:
    """Nothing hangs, nothing is left over."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(database.flush).result(30)
        assert pool.submit(database.append, journal(), [row("last")]).result(30) in (0, 1)
    writer = database._writer
    assert (writer._records, writer._text, database.waiting, writer.behind) == (0, 0, 0, False)
    assert sum(tallied(database).values()) == len(keys(database))


def test_a_call_of_a_new_database(tmp_path: Path) -> None:
    """The thread that writes is started, too."""

    def call(step: int) -> bool:
        with closing(Database(tmp_path / "onward.db")) as database:
            happened = interrupted(step, lambda: database.append(journal(), [row("mine")]))
            settled(database)
        return happened

    assert steps(call) > 20


@pytest.mark.parametrize("durable", [True, False])
def test_a_call_while_the_writer_sleeps(tmp_path: Path, durable: bool) -> None:
    with closing(Database(tmp_path / "onward.db")) as database:
        put: Callable[..., Any] = database.append if durable else database.buffer

        def call(step: int) -> bool:
            settled(database)
            happened = interrupted(step, lambda: put(journal(), [row(f"{step}")]))
            settled(database)
            return happened

        assert steps(call) > 10


def test_others_are_woken_although_the_caller_between_them_was_interrupted(tmp_path: Path) -> None:
    with closing(Database(tmp_path / "onward.db")) as database, ThreadPoolExecutor(9) as pool:

        def call(step: int) -> bool:
            rows, over = journal(), []
            with held_up(database) as go_on:
                before = [
                    queued(pool, database, lambda n=n: database.append(rows, [row(f"{step} before {n}")]))
                    for n in range(3)
                ]

                def others() -> list[int]:
                    while database.waiting < 4 and not over:
                        pass
                    after = [
                        queued(pool, database, lambda n=n: database.append(rows, [row(f"{step} after {n}")]))
                        for n in range(3)
                    ]
                    go_on()
                    return [one.result(30) for one in (*before, *after)]

                answers = pool.submit(others)
                happened = interrupted(step, lambda: database.append(rows, [row(f"{step} mine")]))
                over.append(True)
                assert answers.result(60) == [1] * 6
            settled(database)
            return happened

        assert steps(call) > 10


def test_a_call_that_is_held_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_writer, "RECORDS_WAITING", 1)
    with closing(Database(tmp_path / "onward.db")) as database, ThreadPoolExecutor(3) as pool:

        def call(step: int) -> bool:
            rows = journal()
            with held_up(database) as go_on:
                database.buffer(rows, [row(f"{step} first")])

                def go() -> None:
                    while not (database._writer._held_up or over):
                        pass
                    go_on()

                over: list[bool] = []
                going = pool.submit(go)
                happened = interrupted(step, lambda: database.buffer(rows, [row(f"{step} mine")]))
                over.append(True)
                going.result(30)
            settled(database)
            return happened

        assert steps(call) > 10


def test_closing(tmp_path: Path) -> None:
    def call(step: int) -> bool:
        database = Database(tmp_path / f"{step}.db")
        database.buffer(journal(), [row("a")])
        happened = interrupted(step, database._writer.close)  # SQLAlchemy's own locks do not bear it
        with ThreadPoolExecutor(1) as pool:
            pool.submit(database.close).result(30)
        with pytest.raises(Unavailable, match="closed"):
            database.append(journal(), [row("b")])
        with closing(Database(tmp_path / f"{step}.db")) as again:
            assert keys(again) == ["a"]
        return happened

    assert steps(call) > 5
