"""Clocks that jump, a year back or forward, between operations and in the middle of them: no harm is done."""

from __future__ import annotations

import random
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import onward
from onward.core import ManualClock
from tests.conversations import lines
from tests.faults.harness import Ground, Memory, Tally, check_answers, check_health, check_records, thorough
from tests.faults.operations import FOUR, SETTINGS

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
YEAR = timedelta(days=365)
JUMPS = (-YEAR, -timedelta(hours=1), timedelta(0), timedelta(milliseconds=5), timedelta(hours=1), YEAR)


@dataclass
class JumpingClock:
    """At every question it may be another year."""

    chance: random.Random
    time: datetime = NOON
    asked: int = field(default=0)

    def now(self) -> datetime:
        self.asked += 1
        self.time += timedelta(milliseconds=1)
        return self.time + self.chance.choice(JUMPS)


def test_jumps_in_the_middle_of_everything(ground: Ground, chance: random.Random, tally: Tally, tmp_path: Path) -> None:
    for number in range(thorough(1, 12)):
        site, memory, clock = ground.site("two"), Memory(), JumpingClock(chance)
        kept = site.folder.parent / "kept"
        with closing(onward.open(site.url, settings=SETTINGS, create=False, clock=clock)) as ws:
            memory.remember(ws)
            expected, snapshots = [move.version for move in ws.history()], list[str]()
            for turn in range(thorough(2, 4)):
                batch = [
                    {**line, "at": clock.now()} for line in lines(60, intents=FOUR, seed=turn, source=f"j{number}")
                ]
                assert ws.record_many(batch).interactions == len(batch)
                memory.recorded.update(line["id"] for line in batch)
                memory.recorded.update(ws.record("the same words") for _ in range(5))
                result = ws.cycle(force=True)
                if result.status == "promoted":
                    expected.append(result.champion or 0)
                ahead = 1 if expected[-1] != 1 else 2
                ws.rollback(to=ahead)
                expected.append(ahead)
                snapshots.append(ws.back_up(kept).id)
            assert [move.version for move in ws.history()] == expected
            assert [one.id for one in ws.snapshots(kept)] == snapshots
            assert ws.status().running_cycle is None
            check_answers(ws, memory)
            check_records(ws, memory, tally)
            check_health(ws, tally, source=kept)
            ws.prune(kept, keep=1)
            assert [one.id for one in ws.snapshots(kept)] == snapshots[-1:]
        back = ground.empty()
        with closing(onward.restore(kept, back.url)) as ws:
            check_answers(ws, memory)
            check_records(ws, memory, tally)
        back.remove()
        site.remove()
        tally.counts["clock jumps"] += clock.asked


@pytest.mark.parametrize("jump", [-YEAR, YEAR], ids=["back", "forward"])
def test_after_a_jump_the_loop_goes_on(ground: Ground, tally: Tally, jump: timedelta) -> None:
    """What has been looked at is not learned from again, whatever time it is said to be."""
    site, memory, clock = ground.empty(), Memory(), ManualClock(NOON)
    settings = {**SETTINGS, "retention": {"keep_versions": 1, "keep_days": 1}}
    with closing(onward.open(site.url, settings=settings, clock=clock)) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
        clock.advance(jump)
        ws.record_many(lines(300, intents=FOUR, seed=1))
        assert ws.cycle().status == "promoted"
        assert ws.champion() == 2
        for _ in range(3):
            clock.advance(timedelta(minutes=1))
            assert ws.cycle().status == "skipped"
        ws.record_many(lines(200, intents=FOUR, seed=2))
        clock.advance(-jump)
        assert ws.cycle().status == "kept"
        for _ in range(2):
            clock.advance(timedelta(minutes=1))
            assert ws.cycle().status == "skipped"
        assert ws.rollback().version == 1
        assert ws.rollback(to=2).version == 2
        memory.remember(ws)
        check_health(ws, tally)
        check_records(ws, memory, tally)
        assert [one.status for one in ws.cycles()].count("skipped") == 5
        assert ws.cycles()[-1].status == "skipped"
    site.remove()


@pytest.mark.parametrize("jump", [-YEAR, YEAR], ids=["back", "forward"])
def test_a_cycle_over_whose_course_the_year_changes(ground: Ground, tally: Tally, jump: timedelta) -> None:
    """The lease stays ours: nobody else takes it, and what is decided is committed."""
    site, memory, clock = ground.site("one"), Memory(), ManualClock(NOON)
    stages: list[str] = []

    def leap(stage: str, *_: object) -> None:
        if stage not in stages:
            stages.append(stage)
            clock.advance(jump)

    with closing(onward.open(site.url, settings=SETTINGS, create=False, clock=clock)) as ws:
        ws.record_many(lines(300, intents=FOUR, seed=1))
        memory.remember(ws)
        result = ws.cycle(force=True, progress=leap)
        assert result.status == "promoted"
        assert len(stages) >= 3
        check_answers(ws, memory)
        check_health(ws, tally)
        assert ws.cycle(force=True).status == "kept"
    site.remove()


@pytest.mark.parametrize("when", [datetime(1970, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)], ids=str)
def test_a_clock_at_the_ends_of_time(ground: Ground, tally: Tally, when: datetime) -> None:
    site, memory = ground.site("two"), Memory()
    with closing(onward.open(site.url, settings=SETTINGS, create=False, clock=ManualClock(when))) as ws:
        memory.remember(ws)
        assert ws.cycle(force=True).status == "kept"
        assert ws.status().running_cycle is None
        assert ws.champion(at=NOON - 10 * YEAR) is None
        check_answers(ws, memory)
        check_records(ws, memory, tally)
        check_health(ws, tally)
    site.remove()
