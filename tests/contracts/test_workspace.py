"""What a workspace promises, over every back end: whatever the URL, the loop turns the same way."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conversations import lines

import onward
from onward.core import Busy, InvalidInput, ManualClock, Mark, NotFound
from onward.storage import hold
from onward.workspace import Workspace

SETTINGS: dict[str, Any] = {"training": {"learners": ["linear"]}}
FOUR = ("order_status", "refund", "greeting", "gift_card")
LASTING = ["sqlite", "postgresql"]
Open = Callable[[], Workspace]


def url_of(back_end: str, request: pytest.FixtureRequest) -> str:
    if back_end == "postgresql":
        return str(request.getfixturevalue("postgresql_url"))
    return {"sqlite": f"file://{request.getfixturevalue('tmp_path')}/shop", "memory": "memory://"}[back_end]


@pytest.fixture(params=[*LASTING, "memory"])
def ws(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[Workspace]:
    with onward.open(url_of(request.param, request), settings=SETTINGS, clock=clock) as opened:
        yield opened


@pytest.fixture(params=LASTING)
def place(request: pytest.FixtureRequest) -> str:
    return url_of(request.param, request)


def test_the_whole_story(ws: Workspace, clock: ManualClock) -> None:
    """Record, learn, promote, answer, correct, learn again, roll back, promote again, trace, forget."""
    assert ws.record_many(lines(240)).interactions == 240
    assert ws.record_many(lines(240)).known == 240
    assert ws.cycle().status == "promoted"
    clock.advance(timedelta(days=1))
    first = ws.predict("where is my parcel please", user="ann")
    assert (first.labels.intent, first.version) == ("order_status", 1)
    ws.feedback(first.interaction or "", score=1.0, user="bob")
    ws.record_many(lines(200, intents=FOUR, seed=1))
    assert ws.cycle().status == "promoted"
    assert ws.predict("redeem my voucher today", record=False).labels.intent == "gift_card"
    assert ws.rollback(by="me", reason="to see").version == 1
    assert ws.promote(2, force=True, reason="again").previous == 1
    assert [(move.version, move.cause) for move in ws.history()] == [
        (1, "promote"),
        (2, "promote"),
        (1, "rollback"),
        (2, "promote"),
    ]
    assert ws.champion(at=clock.now() - timedelta(hours=1)) == 1
    told = ws.trace(first.interaction or "")
    assert told.version is not None
    assert told.version.number == 1
    forgotten = ws.forget("u3")
    assert sorted(forgotten.marked_versions) == [1, 2]
    assert "learned from a user" in ws.version(2).marks[0]
    status = ws.status()
    assert (status.interactions, status.feedback, status.champion, status.withdrawn_users) == (441, 1, 2, 1)
    assert ws.tenants() == ["default"]


def test_a_poisoned_batch_is_refused_and_quarantined(ws: Workspace) -> None:
    ws.record_many(lines(240))
    assert ws.cycle().status == "promoted"
    ws.record_many(lines(100, seed=1, flipped=0.5, source="evil"))
    assert ws.cycle().status == "refused"
    assert len(ws.quarantined()) > 50
    assert ws.release() > 50
    assert ws.quarantined() == {}
    assert ws.champion() == 1


def test_many_threads_record_and_read_at_once(ws: Workspace) -> None:
    def work(number: int) -> int:
        ids = [f"{n}" for n in range(number, number + 10)]
        new = ws.record_many({"id": one, "text": f"hello {one}", "user": "u"} for one in ids).interactions
        assert ws.status().interactions >= 10
        return new

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(work, range(0, 100, 5))) == 105
    assert ws.status().interactions == len(ws.house.experience.interactions("default")) == 105


def test_what_is_new_since_a_mark_is_read_latest_first_and_once(ws: Workspace) -> None:
    experience = ws.house.experience
    said = {"text": "x", "intent": "greeting"}
    ws.record_many({**said, "id": f"{n}", "tenant": "t" if n % 3 else "other"} for n in range(30))
    before = experience.newest("t")
    assert [one.id for one, _ in experience.recent("t", Mark(), before)] == [f"{n}" for n in range(29, 0, -1) if n % 3]
    ws.record("y", tenant="t", id="later")
    ws.record("nobody speaks of it", tenant="t")
    ws.feedback("later", score=1.0, tenant="t")
    ws.feedback("1", score=0.0, tenant="t")
    found = list(experience.recent("t", before, experience.newest("t")))
    assert [(one.id, [f.score for f in said]) for one, said in found] == [("later", [1.0])]
    assert experience.spoken_of("t", before) == {"1"}
    assert [(one.id, len(said)) for one, said in experience.exchanges("t", {"1", "2", "gone"})] == [("1", 1), ("2", 0)]


def test_bad_input_is_refused_and_leaves_nothing(ws: Workspace) -> None:
    with pytest.raises(NotFound):
        ws.feedback("nothing", score=1.0)
    with pytest.raises(InvalidInput):
        ws.record("\ud800")
    with pytest.raises(NotFound):
        ws.predict("x")
    with pytest.raises(NotFound):
        ws.version(2**40)
    assert (ws.status().interactions, ws.status().feedback) == (0, 0)


def test_what_works_in_part_is_noted_and_cleared(ws: Workspace) -> None:
    ws.degraded("a", "first")
    ws.degraded("a", "second")
    ws.degraded("b", "third")
    assert [line.split(" (")[0] for line in ws.status().degraded] == ["a: second", "b: third"]
    assert "2 times" in ws.status().degraded[0]
    ws.recovered("a")
    assert len(ws.status().degraded) == 1


def test_everything_is_there_when_opened_again(place: str, clock: ManualClock) -> None:
    with onward.open(place, settings=SETTINGS, clock=clock) as ws:
        ws.record_many(lines(240))
        assert ws.cycle().status == "promoted"
        asked = ws.predict("hello team today")
        before = ws.status(), ws.history(), ws.versions(), ws.cycles()
    with onward.open(place, settings=SETTINGS, clock=clock, create=False) as ws:
        assert (ws.status(), ws.history(), ws.versions(), ws.cycles()) == before
        assert ws.predict("hello team today", record=False).labels == asked.labels
        assert ws.trace(asked.interaction or "").interaction.text == "hello team today"


def test_one_cycle_at_a_time_and_what_is_promoted_is_seen_by_all(place: str, clock: ManualClock) -> None:
    with onward.open(place, settings=SETTINGS, clock=clock) as one, onward.open(place, settings=SETTINGS) as other:
        one.record_many(lines(240))
        with hold(other.house.storage.database, "cycle:default", clock), pytest.raises(Busy, match="worked on"):
            one.cycle()
        assert one.cycle().status == "promoted"
        assert other.champion() == 1
        assert other.predict("hello team today", record=False).version == 1


def record_some(url: str, name: str) -> None:
    with onward.open(url, settings=SETTINGS) as ws:
        for n in range(20):
            ws.record(f"hello {n}", id=f"{name}-{n}")
            ws.record("the same for all", id=f"shared-{n}")


def test_processes_record_at_once(place: str) -> None:
    context = multiprocessing.get_context("spawn")  # threads of the tests' own do not survive a fork
    processes = [context.Process(target=record_some, args=(place, f"p{n}")) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0
    with onward.open(place, create=False) as ws:
        ids = [one.id for one in ws.house.experience.interactions("default")]
        assert len(ids) == len(set(ids)) == ws.status().interactions == 80


def test_nothing_in_memory_outlives_close() -> None:
    with onward.open("memory://", settings=SETTINGS) as ws:
        ws.record("hello")
        folder = ws.folder
        assert folder.is_dir()
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()
    with onward.open("memory://", settings=SETTINGS) as ws:
        assert ws.status().interactions == 0


def test_the_folder_of_a_server_holds_what_is_local(postgresql_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    with onward.open(postgresql_url, settings=SETTINGS) as ws:
        assert ws.folder == folder
        assert ws.write_settings() == folder / "onward.toml"
        ws.record("hello")
    assert not list(folder.rglob("*.db"))
    assert folder.stat().st_mode & 0o777 == 0o700
