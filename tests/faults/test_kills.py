"""SIGKILL at random instants of everything that writes: what was acknowledged is there, and work goes on.

A few of each in every check, a thousand by `make faults`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, true

import onward
from onward.core import SystemClock, plain
from onward.registry import Registry
from onward.storage import open_storage, schema
from onward.workspace import Workspace
from tests.conversations import lines
from tests.faults.harness import (
    FAULTS,
    Ground,
    Memory,
    Nursery,
    Site,
    Tally,
    check_answers,
    check_health,
    check_records,
    killed,
    measured,
    reopened,
)
from tests.faults.operations import BATCH, FOUR, THREADS

FEW = 1 / 30
SHARES = {
    "record": 100,
    "measure": 50,
    "cycle": 100,
    "promote": 60,
    "roll back": 60,
    "migrate": 50,
    "back up": 50,
    "restore": 50,
    "forget": 40,
}
USED_AGAIN = 20
FORGET_AGAIN = 8
USERS = [f"u{number}" for number in range(17)]
Said = list[list[str]]


@dataclass
class Scene:
    """One back end's workspaces, killed in one operation again and again."""

    ground: Ground
    nursery: Nursery
    chance: random.Random
    tally: Tally
    said: Path
    memory: Memory = field(default_factory=Memory)
    number: int = 0

    def asked(self, operation: str, site: Site, **options: Any) -> dict[str, Any]:
        self.number += 1
        return {"operation": operation, "url": site.url, "said": self.said / str(self.number), **options}

    def kill(self, span: float, *asked: dict[str, Any]) -> Said:
        self.tally.counts["kills"] += len(asked)
        said = killed(self.nursery, self.chance, span, asked)
        told = Memory()
        told.learn(said)
        self.tally.counts["acknowledged"] += len(told.recorded) + len(told.heard)
        self.memory.learn(said)
        return said

    def measure(self, turns: int, kind: str, operation: str, **options: Any) -> float:
        with self.used(kind) as site:
            return measured(self.nursery, turns, self.asked(operation, site, **options))

    @contextmanager
    def used(self, kind: str) -> Iterator[Site]:
        site = self.ground.site(kind)
        self.memory = Memory()
        if kind != "schema 1":
            with reopened(site) as ws:
                self.memory.remember(ws)
        yield site
        site.remove()

    def sites(self, kind: str, kills: int, each: int = USED_AGAIN) -> Iterator[tuple[int, Site]]:
        """As many as kills, each workspace for so many of them."""
        for start in range(0, kills, each):
            with self.used(kind) as site:
                for number in range(start, min(start + each, kills)):
                    yield number, site

    def check(self, ws: Workspace, slack: int = 0, source: Path | None = None) -> None:
        check_answers(ws, self.memory)
        check_records(ws, self.memory, self.tally, slack)
        check_health(ws, self.tally, source)


@pytest.fixture
def scene(ground: Ground, nursery: Nursery, chance: random.Random, tally: Tally, tmp_path: Path) -> Scene:
    said = tmp_path / "said"
    said.mkdir()
    return Scene(ground, nursery, chance, tally, said)


def kills(operation: str) -> int:
    share = SHARES[operation] / (2 * sum(SHARES.values()))
    return max(2, round(share * FAULTS) if FAULTS else round(SHARES[operation] * FEW))


def test_killed_while_recording(scene: Scene) -> None:
    """Two processes, four threads each."""
    span = scene.measure(20, "two", "record", seed="m")
    for number, site in scene.sites("two", kills("record") // 2 + 1):
        asked = [scene.asked("record", site, seed=f"k{number}{one}") for one in "ab"]
        said = scene.kill(span, *asked)
        with reopened(site) as ws:
            scene.check(ws, slack=2 * THREADS * (BATCH + 1))
            again = [words[1] for words in said if words[0] == "recorded"]
            for name in again[:3]:
                ws.record("the same again", id=name)
            assert ws.status().interactions == len(scene.memory.recorded)
            scene.memory.recorded.add(ws.record("still here"))


def test_killed_while_measuring(scene: Scene) -> None:
    """Two processes, four threads each; sums, blocks and bins hold what the events say."""
    span = scene.measure(20, "two", "measure", seed="m")
    for number, site in scene.sites("two", kills("measure") // 2 + 1):
        asked = [scene.asked("measure", site, seed=f"k{number}{one}") for one in "ab"]
        said = scene.kill(span, *asked)
        told = {name for words in said if words[0] == "measured" for name in words[1:]}
        with reopened(site) as ws:
            events = [event.metadata["name"] for event in ws.tracker().learning_events if "name" in event.metadata]
            scene.tally.counts["acknowledged"] += len(told)
            scene.tally.counts["lost"] += len(told - set(events))
            scene.tally.counts["doubled"] += len(events) - len(set(events))
            assert told <= set(events)
            assert len(events) == len(set(events))
            own = [name for name in events if name.startswith(f"k{number}")]
            assert len(own) - len(told) <= 2 * THREADS * BATCH
            check_sums(ws)
            scene.check(ws)


def check_sums(ws: Workspace) -> None:
    """What the tracker adds up is what its events say."""
    report = ws.tracker().generate_learning_report()["task_analysis"]
    counted = Counter(event.task_type for event in ws.tracker().learning_events)
    assert {task: one["event_count"] for task, one in report.items()} == counted
    with ws.house.storage.database.read() as connection:
        for table, where in ((schema.blocks, schema.blocks.c.level == 0), (schema.bins, true())):
            sizes = select(table.c.series, func.sum(table.c.size)).where(where).group_by(table.c.series)
            told = select(schema.series.c.id, schema.series.c.size)
            assert {tuple(row) for row in connection.execute(sizes)} == {tuple(row) for row in connection.execute(told)}


def test_killed_while_cycling(scene: Scene) -> None:
    span = scene.measure(2, "one", "cycle", seed="m")
    for number, site in scene.sites("one", kills("cycle"), each=1):
        said = scene.kill(span, scene.asked("cycle", site, seed=f"k{number}"))
        with reopened(site) as ws:
            check_champion_of_cycles(ws, said)
            scene.check(ws, slack=300)
            left = ws.status().running_cycle
            result = ws.cycle(force=True)
            assert left in (None, result.id)
            assert result.status in {"promoted", "kept", "refused"}
            assert ws.status().running_cycle is None
            scene.check(ws)


def check_champion_of_cycles(ws: Workspace, said: Said) -> None:
    """What acknowledged cycles said it is, or what one made of it that could not tell any more."""
    told = [words for words in said if words[0] == "cycle"]
    last = int(told[-1][3]) if told else 1
    if ws.champion() != last:
        move = ws.history()[-1]
        assert move.previous == last
        assert move.by.removeprefix("cycle ") not in {words[1] for words in told}


@pytest.mark.parametrize("operation", ["promote", "roll back"])
def test_killed_while_moving(scene: Scene, operation: str) -> None:
    span = scene.measure(10, "two", operation)
    for _, site in scene.sites("two", kills(operation)):
        with reopened(site) as ws:
            before = len(ws.history())
        said = scene.kill(span, scene.asked(operation, site))
        tried, told = ([int(words[1]) for words in said if words[0] == one] for one in ("trying", "champion"))
        with reopened(site) as ws:
            served = [move.version for move in ws.history()][before:]
            assert served in (told, tried)
            scene.check(ws)
            ahead = 3 - (ws.champion() or 0)
            assert ws.rollback(to=ahead).version == ws.champion() == ahead


def test_killed_while_migrating(scene: Scene) -> None:
    with scene.used("schema 1") as site, onward.open(site.url) as ws:
        scene.memory.remember(ws)
        expected, memory = facts(ws), scene.memory
    span = scene.measure(1, "schema 1", "migrate")
    for _, site in scene.sites("schema 1", kills("migrate"), each=1):
        scene.kill(span, scene.asked("migrate", site))
        scene.memory = memory
        with reopened(site) as ws:
            assert facts(ws) == expected
            check_health(ws, scene.tally)
            check_answers(ws, memory)
            check_records(ws, memory, scene.tally)
            assert ws.cycle(force=True).status in {"promoted", "kept", "refused"}


def facts(ws: Workspace) -> object:
    return plain([ws.history(), ws.versions(), ws.quarantined(), ws.house.experience.withdrawn("default")])


def test_killed_while_backing_up(scene: Scene, tmp_path: Path) -> None:
    span = scene.measure(3, "two", "back up", seed="m", kept=str(tmp_path / "kept-m"))
    told: set[str] = set()
    for number, site in scene.sites("two", kills("back up"), each=10):
        kept = site.folder.parent / "kept"
        told = set() if number % 10 == 0 else told
        said = scene.kill(span, scene.asked("back up", site, seed=f"k{number}", kept=str(kept)))
        told |= {words[1] for words in said if words[0] == "kept"}
        with reopened(site) as ws:
            ws.back_up(kept)
            assert told <= {one.id for one in ws.snapshots(kept)}
            scene.check(ws, slack=1, source=kept)
            ws.prune(kept, keep=2)
            told = {one.id for one in ws.snapshots(kept)}
            assert list((kept / "unfinished").rglob("*")) == []
        back = scene.ground.empty()
        with onward.restore(kept, back.url) as ws:
            check_answers(ws, scene.memory)
            check_records(ws, scene.memory, scene.tally)
        back.remove()


def test_killed_while_restoring(scene: Scene, prepared: Path) -> None:
    kept = str(prepared / "kept")
    with scene.used("two"):
        memory = scene.memory
    empty = scene.ground.empty()
    span = measured(scene.nursery, 1, scene.asked("restore", empty, kept=kept))
    empty.remove()
    for _ in range(kills("restore")):
        target = scene.ground.empty()
        said = scene.kill(span * 1.2, scene.asked("restore", target, kept=kept, turns=1))
        scene.memory = memory
        restored = ["restored"] in said
        restored = restored or (target.folder / "onward.db").exists() or on_server(target)
        if not restored:
            onward.restore(kept, target.url).close()
        assert list(target.folder.parent.glob(".*unfinished*")) == []
        with reopened(target) as ws:
            scene.check(ws)
            assert ws.record("still here")
        target.remove()


def on_server(site: Site) -> bool:
    """Whether a restore that could not tell any more is whole."""
    if not site.url.startswith("postgresql"):
        return False
    try:
        with closing(open_storage(site.url, create=False)) as storage:
            return Registry(storage.database, SystemClock()).alias("default") is not None
    except onward.OnwardError:
        return False


def test_killed_while_forgetting(scene: Scene) -> None:
    span = scene.measure(4, "two", "forget", users=USERS)
    for number, site in scene.sites("two", kills("forget"), each=FORGET_AGAIN):
        users = scene.chance.sample(USERS, len(USERS))
        said = scene.kill(span, scene.asked("forget", site, users=users))
        with reopened(site) as ws:
            tried, told = ([words[1] for words in said if words[0] == one] for one in ("forgetting", "forgot"))
            gone = ws.house.experience.withdrawn("default")
            assert all(user in gone for user in told)
            assert number % FORGET_AGAIN or not any(user in gone for user in USERS if user not in tried)
            scene.check(ws)
            for user in tried[-1:]:
                ws.forget(user)
            ws.record_many(lines(60, intents=FOUR, seed=number, source="after"))
            scene.memory.remember(ws)
            result = ws.cycle(force=True)
            assert result.status in {"promoted", "kept", "refused"} or not result.counts["examples"]
            scene.memory.remember(ws)
