"""The log of cycles."""

import math
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from onward.core import Check, CycleResult, InvalidInput, NotFound, Verdict
from onward.registry import Candidate, Cycles, CycleState
from onward.storage import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "onward.db")) as made:
        yield made


@pytest.fixture
def cycles(database: Database) -> Cycles:
    return Cycles(database)


def state(name: str, status: Any = "running", minute: int = 0, tenant: str = "t", **fields: Any) -> CycleState:
    started = NOON + timedelta(minutes=minute)
    return CycleState(result=CycleResult(id=name, tenant=tenant, status=status, started=started), recipe="r", **fields)


def save(database: Database, cycles: Cycles, *states: CycleState) -> None:
    for one in states:
        database.write(lambda c, one=one: cycles.save(c, one))


def test_a_cycle_comes_back_whole_as_it_was_last_saved(database: Database, cycles: Cycles) -> None:
    first = state("a")
    verdict = Verdict("keep", (Check("evidence", False, 3, 15, "too little"),))
    last = replace(
        first,
        result=replace(first.result, status="kept", verdict=verdict, counts={"new": 3}, finished=NOON, candidate=4),
        dataset_blob="b",
        candidates=(Candidate("linear", "h", {"epochs": 3}),),
        failures={"spacy": "none"},
    )
    save(database, cycles, first, last)
    assert cycles.get("a") == last
    assert cycles.all("t") == [last]


def test_an_unknown_cycle_is_not_found(cycles: Cycles) -> None:
    with pytest.raises(NotFound, match="no cycle 'x'"):
        cycles.get("x")


def test_cycles_are_listed_oldest_first_by_tenant(database: Database, cycles: Cycles) -> None:
    save(database, cycles, state("b", minute=5), state("c", minute=5), state("a", minute=9), state("d", tenant="u"))
    assert [one.result.id for one in cycles.all("t")] == ["b", "c", "a"]
    assert [one.result.id for one in cycles.all("u")] == ["d"]
    assert cycles.all("v") == []


def test_the_unfinished_cycle_is_the_running_one(database: Database, cycles: Cycles) -> None:
    save(database, cycles, state("a", "promoted"), state("b", "running", 1), state("c", "failed", 2))
    found = cycles.unfinished("t")
    assert found is not None
    assert found.result.id == "b"
    save(database, cycles, state("b", "abandoned", 1))
    assert cycles.unfinished("t") is None
    assert cycles.unfinished("u") is None


def test_the_last_judged_cycle_reached_a_verdict(database: Database, cycles: Cycles) -> None:
    assert cycles.last_judged("t") is None
    for minute, status in enumerate(("promoted", "kept", "refused")):
        save(database, cycles, state(status, status, minute))
        for other in ("skipped", "failed", "abandoned", "running"):
            save(database, cycles, state(other, other, minute + 10))
        found = cycles.last_judged("t")
        assert found is not None
        assert found.result.id == status
    assert cycles.last_judged("u") is None


def test_what_could_not_be_read_again_is_not_saved(database: Database, cycles: Cycles) -> None:
    save(database, cycles, state("a"))
    bad = state("a")
    bad = replace(bad, result=replace(bad.result, seconds=math.nan))
    with pytest.raises(InvalidInput):
        save(database, cycles, bad)
    assert cycles.get("a") == state("a")


def test_the_order_is_that_in_which_they_began_whatever_the_clock_said(database: Database, cycles: Cycles) -> None:
    save(database, cycles, state("late", "kept", 9), state("early", "refused", 1), state("z", "running", 5))
    save(database, cycles, state("a", "running", 2), state("late", "kept", 20))
    assert [one.result.id for one in cycles.all("t")] == ["late", "early", "z", "a"]
    assert [one.result.id for one in (cycles.last_judged("t"),) if one] == ["early"]
    assert [one.result.id for one in (cycles.unfinished("t"),) if one] == ["a"]


def test_what_was_said_of_erased_data_is_erased_too(database: Database, cycles: Cycles) -> None:
    quoting = state("a", "failed", dataset_blob="old", failures={"spacy": "cannot learn 'my name is Ann'"})
    quoting = replace(quoting, result=replace(quoting.result, reason="cannot learn 'my name is Ann'"))
    other = state("b", "failed", dataset_blob="else", failures={"spacy": "no memory"})
    save(database, cycles, quoting, other)
    database.write(lambda c: cycles.erase(c, "t", {"old": "new"}))
    found = cycles.get("a")
    assert found.dataset_blob == "new"
    assert "Ann" not in str(found)
    assert cycles.get("b") == other


def test_the_last_is_the_latest_begun_whatever_came_of_it(database: Database, cycles: Cycles) -> None:
    assert cycles.last("t") is None
    save(database, cycles, state("c1", "promoted"), state("c2", "skipped", minute=-5), state("c3", tenant="other"))
    assert cycles.last("t") == state("c2", "skipped", minute=-5)


def test_the_newest_of_some_statuses_come_with_places_that_count_up(database: Database, cycles: Cycles) -> None:
    statuses = ("failed", "kept", "skipped", "failed", "running")
    save(database, cycles, *(state(f"c{number}", status) for number, status in enumerate(statuses)))
    save(database, cycles, state("other", "failed", tenant="u"))
    found = cycles.newest("t", 2, ("failed", "kept"))
    assert [one.result.id for one in found.values()] == ["c3", "c1"]
    assert list(found) == sorted(found, reverse=True)
    assert cycles.newest("t", 9, ("promoted",)) == {}
