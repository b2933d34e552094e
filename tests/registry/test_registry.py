"""Model versions, aliases and the audit trail."""

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from onward.core import (
    Check,
    HeadScore,
    InvalidInput,
    ManualClock,
    ModelVersion,
    NotFound,
    Scorecard,
    SetScore,
    Transition,
    Verdict,
)
from onward.registry import CHAMPION, Alias, Registry
from onward.storage import Database

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with closing(Database(tmp_path / "onward.db")) as made:
        yield made


@pytest.fixture
def registry(database: Database, clock: ManualClock) -> Registry:
    return Registry(database, clock)


def made(**fields: Any) -> ModelVersion:
    return ModelVersion(
        **{
            "number": 0,
            "tenant": "t",
            "learner": "linear",
            "parent": None,
            "dataset": "d",
            "artifact": "a" * 64,
            "config": {"seed": 1},
            "created": NOON,
            "cycle": "cy_1",
            **fields,
        }
    )


def register(database: Database, registry: Registry, **fields: Any) -> ModelVersion:
    return database.write(lambda c: registry.register(c, made(**fields)))


def move(database: Database, registry: Registry, version: int, tenant: str = "t", **fields: Any) -> Transition:
    values = {"by": "ann", "cause": "promote", "reason": "better", **fields}
    return database.write(lambda c: registry.move(c, tenant, version, **values))


def test_versions_are_numbered_and_come_back_whole(database: Database, registry: Registry) -> None:
    score = SetScore("all", 3, 0.5, {"intent": HeadScore(3, 0.5, 0.5, 0.5, 0.5)})
    verdict = Verdict("promote", (Check("accuracy", True, 0.5, 0.25, "good"),))
    first = register(database, registry, scorecard=Scorecard(score, (score,)), verdict=verdict, parent=7, pinned=True)
    second = register(database, registry, tenant="u", cycle="cy_2")
    assert (first.number, second.number) == (1, 2)
    assert registry.version(1) == first
    assert registry.version(2, "u") == second
    assert registry.versions() == [first, second]
    assert registry.versions("t") == [first]


def test_registering_is_part_of_the_callers_transaction(database: Database, registry: Registry) -> None:
    def work(connection: Connection) -> None:
        number = registry.register(connection, made()).number
        registry.move(connection, "t", number, by="a", cause="promote", reason="r")
        raise InvalidInput("no")

    with pytest.raises(InvalidInput):
        database.write(work)
    assert registry.versions() == registry.history("t") == []
    assert registry.alias("t") is None


@pytest.mark.parametrize("figure", [math.nan, math.inf])
def test_a_version_that_could_not_be_read_again_is_not_registered(
    database: Database, registry: Registry, figure: float
) -> None:
    with pytest.raises(InvalidInput, match="ModelVersion cannot be stored"):
        register(database, registry, verdict=Verdict("keep", (Check("a", False, figure, 0.0, "r"),)))
    assert registry.versions() == []


def test_an_unknown_number_is_answered_with_the_tenants_own(database: Database, registry: Registry) -> None:
    for tenant in ("t", "u", "t"):
        register(database, registry, tenant=tenant)
    with pytest.raises(NotFound, match="no version 9") as caught:
        registry.version(9)
    assert caught.value.options == ("1", "2", "3")
    with pytest.raises(NotFound, match="no version 2") as caught:
        registry.version(2, "t")
    assert caught.value.options == ("1", "3")
    with pytest.raises(InvalidInput):
        registry.version(10**30)


def test_moving_writes_the_audit_trail(database: Database, registry: Registry, clock: ManualClock) -> None:
    for _ in range(2):
        register(database, registry)
    assert registry.alias("t") is None
    first = move(database, registry, 1)
    clock.advance(timedelta(hours=1))
    second = move(database, registry, 2, by="bob", cause="rollback", reason="worse")
    assert registry.history("t") == [first, second]
    assert (first.previous, first.at, first.alias) == (None, NOON, "champion")
    assert (second.previous, second.version, second.by, second.cause) == (1, 2, "bob", "rollback")
    assert (second.reason, second.at) == ("worse", NOON + timedelta(hours=1))
    assert registry.alias("t") == 2


def test_aliases_and_tenants_do_not_touch_each_other(database: Database, registry: Registry) -> None:
    for tenant in ("t", "t", "u"):
        register(database, registry, tenant=tenant)
    move(database, registry, 1)
    move(database, registry, 2, alias="challenger")
    move(database, registry, 3, "u")
    challenger: Alias = "challenger"
    assert [registry.alias("t"), registry.alias("t", challenger), registry.alias("u")] == [1, 2, 3]
    assert [one.version for one in registry.history("t")] == [1]
    assert [one.version for one in registry.history("t", challenger)] == [2]
    assert registry.alias("u", challenger) is None
    assert registry.champion_at("t", NOON) == 1


def test_a_version_that_serves_already_is_refused(database: Database, registry: Registry) -> None:
    register(database, registry)
    move(database, registry, 1)
    with pytest.raises(InvalidInput, match="Version 1 is champion already"):
        move(database, registry, 1)
    assert len(registry.history("t")) == 1


@pytest.mark.parametrize("number", [1, 99])
def test_another_tenants_or_no_ones_version_is_refused(database: Database, registry: Registry, number: int) -> None:
    register(database, registry, tenant="u")
    with pytest.raises(InvalidInput, match="not one of tenant 't'"):
        move(database, registry, number)
    assert registry.history("t") == []
    assert registry.alias("t") is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(moves=st.lists(st.tuples(st.integers(1, 4), st.integers(0, 3)), max_size=8), asked=st.lists(st.integers(-2, 30)))
def test_champion_at_any_time_is_what_a_plain_list_says(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[int, int]], asked: list[int]
) -> None:
    clock = ManualClock(NOON)
    with closing(Database(tmp_path_factory.mktemp("shop") / "onward.db")) as database:
        registry = Registry(database, clock)
        for _ in range(4):
            register(database, registry)
        model: list[tuple[datetime, int]] = []
        for version, minutes in moves:
            clock.advance(timedelta(minutes=minutes))
            if not model or model[-1][1] != version:
                move(database, registry, version)
                model.append((clock.now(), version))
        for minute in asked:
            at = NOON + timedelta(minutes=minute)
            served = [version for since, version in model if since <= at]
            assert registry.champion_at("t", at) == (served[-1] if served else None)
        trail = registry.history("t")
        assert [(one.at, one.version) for one in trail] == model
        assert [one.previous for one in trail[1:]] == [one.version for one in trail[:-1]]


def test_of_two_writers_promoting_the_same_version_one_is_told_no(
    tmp_path: Path, database: Database, registry: Registry
) -> None:
    for _ in range(6):
        register(database, registry)
    with closing(Database(database.file)) as other:
        writers = [(database, registry), (other, Registry(other, ManualClock(NOON)))]
        for version in range(1, 7):
            start = Barrier(2)

            def work(
                writer: tuple[Database, Registry], version: int = version, start: Barrier = start
            ) -> Transition | InvalidInput:
                start.wait()
                try:
                    return move(*writer, version)
                except InvalidInput as error:
                    return error

            with ThreadPoolExecutor(2) as pool:
                told = list(pool.map(work, writers))
            assert sorted(type(one).__name__ for one in told) == ["InvalidInput", "Transition"]
    trail = registry.history("t")
    assert [one.version for one in trail] == [1, 2, 3, 4, 5, 6]
    assert [one.previous for one in trail] == [None, 1, 2, 3, 4, 5]


def test_marks_are_kept_once_and_in_order(database: Database, registry: Registry, clock: ManualClock) -> None:
    for _ in range(3):
        register(database, registry)
    registry.mark([1, 3], "later found")
    clock.advance(timedelta(minutes=1))
    registry.mark([1], "another")
    registry.mark([1], "later found")
    registry.mark([], "nobody")
    assert registry.version(1).marks == ("later found", "another")
    assert [one.marks for one in registry.versions()] == [("later found", "another"), (), ("later found",)]


def test_pins_go_on_and_off(database: Database, registry: Registry) -> None:
    register(database, registry)
    assert registry.pin(1).pinned
    assert registry.version(1).pinned
    assert not registry.pin(1, pinned=False).pinned
    with pytest.raises(NotFound):
        registry.pin(2)


def test_all_is_there_after_opening_again(database: Database, registry: Registry) -> None:
    register(database, registry)
    move(database, registry, 1)
    registry.mark([1], "m")
    registry.pin(1)
    with closing(Database(database.file)) as again:
        other = Registry(again, ManualClock(NOON))
        assert other.versions() == registry.versions()
        assert other.history("t", CHAMPION) == registry.history("t")


def test_who_goes_on_from_a_version_has_learned_what_it_learned(database: Database, registry: Registry) -> None:
    def after(parent: int | None, dataset: str, *, quick: bool) -> int:
        report = {"report": {"quick": quick}}
        return register(database, registry, parent=parent, dataset=dataset, config=report).number

    first = after(None, "theirs", quick=False)
    second = after(first, "later", quick=True)
    third = after(second, "latest", quick=True)
    after(second, "latest", quick=False)
    after(None, "others", quick=False)
    register(database, registry, parent=first, dataset="other", config={})
    register(database, registry, tenant="u", parent=first, dataset="theirs", config={"report": {"quick": True}})
    assert registry.learned_from("t", {"theirs"}) == (first, second, third)
    assert registry.learned_from("t", {"later"}) == (second, third)
    assert registry.learned_from("t", {"others", "nobody's"}) == (5,)
    assert registry.learned_from("t", set()) == ()


def figures(accuracy: float, *names: str) -> Scorecard:
    one = SetScore("", 3, accuracy, {"intent": HeadScore(3, accuracy, accuracy, accuracy, accuracy)})
    return Scorecard(one, tuple(SetScore(name, 3, accuracy, one.heads) for name in names))


def test_the_standard_of_a_set_is_that_of_the_version_it_was_frozen_with(
    database: Database, registry: Registry
) -> None:
    """The others of its cycle learned from the same data set; one of them may be put into service later."""
    register(database, registry, dataset="d", scorecard=figures(0.75, "d"))
    register(database, registry, dataset="d", scorecard=figures(0.5, "d"))
    register(database, registry, dataset="e", scorecard=figures(0.25, "d", "e"))
    register(database, registry, dataset="f", scorecard=figures(1.0, "d", "f"))
    for version in (1, 2, 3, 1):
        move(database, registry, version)
    assert {name: one.accuracy for name, one in registry.standards("t").items()} == {"d": 0.75, "e": 0.25}
    assert registry.standards("u") == {}
