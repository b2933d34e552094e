"""Two processes that want the same: one cycle at a time, and who slept through the end of a lease changes nothing."""

from __future__ import annotations

import signal
import time
from itertools import pairwise
from pathlib import Path

import pytest

from onward.core import plain
from onward.workspace import Workspace
from tests.conversations import lines
from tests.faults.harness import (
    Child,
    Ground,
    Memory,
    Nursery,
    Tally,
    check_answers,
    check_health,
    check_records,
    reopened,
    thorough,
)
from tests.faults.operations import FOUR

SECONDS = 0.8


def stopped(child: Child) -> bool:
    return "\nState:\tT" in Path(f"/proc/{child.number}/status").read_text(encoding="utf8")


def facts(ws: Workspace) -> object:
    return plain([ws.history(), ws.versions(), ws.cycles(), ws.champion(), ws.status()])


@pytest.mark.parametrize("stage", ["curate", "train linear", "prove"])
def test_a_paused_cycler_changes_nothing(
    ground: Ground, nursery: Nursery, tally: Tally, tmp_path: Path, stage: str
) -> None:
    site, memory = ground.site("one"), Memory()
    with reopened(site) as ws:
        ws.record_many(lines(300, intents=FOUR, seed=1))
        memory.remember(ws)
    paused = nursery.bear("pause", site.url, tmp_path / "paused", at=stage, lease=SECONDS, turns=1)
    paused.await_line("stopped")
    while not stopped(paused):
        time.sleep(0.001)
    other = nursery.bear("contend", site.url, tmp_path / "other", seed="other", lease=SECONDS, turns=1)
    other.await_line("done")
    assert ["busy"] in other.lines()
    other.kill()
    memory.learn(other.lines())
    with reopened(site) as ws:
        assert ws.champion() == 2
        before = facts(ws)
        paused.send(signal.SIGCONT)
        paused.await_line("done")
        assert ["refused", "busy", "2"] in paused.lines()
        assert facts(ws) == before
        paused.kill()
        check_answers(ws, memory)
        check_records(ws, memory, tally)
        check_health(ws, tally)
        assert ws.cycle(force=True).status == "kept"
    tally.counts["paused cyclers"] += 1
    site.remove()


def test_two_cyclers(ground: Ground, nursery: Nursery, tally: Tally, tmp_path: Path) -> None:
    """Each of them runs all its cycles, none of which overlap; and both record meanwhile."""
    site, memory, turns = ground.site("one"), Memory(), thorough(2, 20)
    with reopened(site) as ws:
        memory.remember(ws)
    both = [nursery.bear("contend", site.url, tmp_path / one, seed=one, lease=60.0, turns=turns) for one in "ab"]
    for child in both:
        child.await_line("done")
        child.kill()
        memory.learn(child.lines())
    told = [words for child in both for words in child.lines() if words[0] == "cycle"]
    with reopened(site) as ws:
        cycles = ws.cycles()
        assert {words[1] for words in told} == {one.id for one in cycles} - {cycles[0].id}
        assert len(told) == 2 * turns
        assert all(one.status in {"promoted", "kept", "refused"} for one in cycles)
        for before, after in pairwise(cycles):
            assert before.finished is not None
            assert before.finished <= after.started
        check_answers(ws, memory)
        check_records(ws, memory, tally)
        check_health(ws, tally)
    tally.counts["contended cycles"] += len(told)
    site.remove()
