"""Alerts in a database: durable, by tenant; acknowledged, silenced, answered at most once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.postgres import Server

from onward.core import InvalidInput, ManualClock, NotFound, SystemClock
from onward.monitoring.alerts import Alert, Alerts, Observation, Rule, held, undelivered
from onward.storage import Database, place_of, postgresql_backend

SLOW = Rule(name="slow", figure="latency", when="above", raise_at=200, clear_at=160, critical_at=500, times=2)
ROLLED = Rule(name="rolled", figure="rollback", when="happens")
GOOD = Rule(name="good", figure="promotion", when="happens", severity="info")
RULES = (SLOW, ROLLED, GOOD)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    place: object = tmp_path / "onward.db"
    if request.param == "postgresql":
        server: Server = request.getfixturevalue("postgresql")
        url = place_of(server.url(tmp_path)).server
        assert url is not None
        place = postgresql_backend(url)
    with closing(Database(place)) as opened:  # type: ignore[arg-type]
        yield opened


def look(book: Alerts, *values: float, subject: str = "api", tenant: str = "shop") -> list[Alert]:
    seen = (Observation(figure="latency", subject=subject, value=value) for value in values)
    return [alert for one in seen for alert in book.look(tenant, RULES, [one])]


def rolled_back(book: Alerts, place: int = 1) -> Alert:
    (alert,) = book.look("shop", RULES, [Observation(figure="rollback", subject="champion", value=1, place=place)])
    return alert


def events(database: Database) -> list[str]:
    return [one.event for one in undelivered(database, "shop")]


def test_a_book_goes_on_where_another_left_off(database: Database, clock: ManualClock) -> None:
    assert look(Alerts(database, clock), 210) == []
    (opened,) = look(Alerts(database, clock), 220)
    (again,) = look(Alerts(database, clock), 230)
    assert (again.id, again.times) == (opened.id, 2)
    assert Alerts(database, clock).all("shop", open_only=True) == [again]
    assert look(Alerts(database, clock), 100) == []
    (over,) = look(Alerts(database, clock), 100)
    assert Alerts(database, clock).all("shop", open_only=True) == []
    assert Alerts(database, clock).all("shop") == [over]
    assert Alerts(database, clock).all("other") == []


def test_an_alert_opens_again_as_another(book: Alerts) -> None:
    look(book, 210, 210, 100, 100, 210, 210)
    first, second = book.all("shop")
    assert (first.is_open, second.is_open) == (False, True)
    assert first.id != second.id


def test_one_look_may_end_one_and_open_the_next(book: Alerts) -> None:
    look(book, 210, 210)
    seen = [Observation(figure="latency", subject="api", value=value) for value in (100, 100, 300, 300)]
    assert [alert.is_open for alert in book.look("shop", RULES, seen)] == [False, True]


def test_tenants_share_nothing(book: Alerts) -> None:
    look(book, 210, 210, tenant="one")
    assert look(book, 210, tenant="two") == []
    assert book.all("two") == []


def test_many_threads_open_one_alert(book: Alerts) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: look(book, 300), range(24)))
    (only,) = book.all("shop")
    assert only.times == 23


def test_an_alert_is_acknowledged_once(book: Alerts, clock: ManualClock) -> None:
    (opened,) = look(book, 210, 210)
    clock.advance(timedelta(minutes=5))
    seen = book.acknowledge("shop", opened.id, "ann")
    assert (seen.acknowledged_by, seen.acknowledged_at, seen.is_open) == ("ann", clock.now(), True)
    clock.advance(timedelta(minutes=5))
    assert book.acknowledge("shop", opened.id, "bob") == seen
    (again,) = look(book, 220)
    assert again.acknowledged_by == "ann"


def test_what_happened_is_over_once_it_is_acknowledged(book: Alerts, database: Database) -> None:
    opened = rolled_back(book)
    seen = book.acknowledge("shop", opened.id, "ann")
    assert not seen.is_open
    assert events(database) == ["opened", "resolved"]
    assert rolled_back(book, 2).id != opened.id


def test_who_and_what_are_needed(book: Alerts) -> None:
    opened = rolled_back(book)
    with pytest.raises(InvalidInput, match="Nobody"):
        book.acknowledge("shop", opened.id, " ")
    with pytest.raises(NotFound, match="no alert 'al_0'") as caught:
        book.acknowledge("shop", "al_0", "ann")
    assert caught.value.options == (opened.id,)
    with pytest.raises(NotFound):
        book.acknowledge("other", opened.id, "ann")


def test_good_news_are_told_once(book: Alerts, database: Database) -> None:
    one = Observation(figure="promotion", subject="champion", value=2, place=1, note="Version 2 is in service")
    assert len(book.look("shop", RULES, [one])) == 1
    assert book.look("shop", RULES, [one]) == ()
    assert events(database) == ["happened"]


@pytest.mark.parametrize("which", [{"rule": "slow"}, {"subject": "api"}, {"rule": "slow", "subject": "api"}])
def test_who_is_silenced_is_kept_and_told_of_later(
    book: Alerts, database: Database, clock: ManualClock, which: dict[str, str]
) -> None:
    silence = book.silence("shop", clock.now() + timedelta(hours=1), by="ann", **which)
    assert book.silences("shop") == [silence]
    assert silence.to_dict()["by"] == "ann"
    (opened,) = look(book, 210, 210)
    assert opened.told == ""
    assert events(database) == []
    clock.advance(timedelta(hours=1))
    assert book.silences("shop") == []
    (told,) = book.look("shop", RULES, [])
    assert (told.id, told.told) == (opened.id, "warning")
    assert events(database) == ["opened"]


def test_a_silence_covers_what_it_names_only(book: Alerts, database: Database, clock: ManualClock) -> None:
    until = clock.now() + timedelta(hours=1)
    book.silence("shop", until, rule="slow", subject="web")
    book.silence("shop", until, rule="fast")
    look(book, 210, 210)
    look(book, 210, 210, subject="web")
    assert events(database) == ["opened"]


def test_what_was_told_is_told_to_be_over_though_it_is_silenced(
    book: Alerts, database: Database, clock: ManualClock
) -> None:
    look(book, 210, 210)
    book.silence("shop", clock.now() + timedelta(hours=1), rule="slow")
    look(book, 100, 100)
    assert events(database) == ["opened", "resolved"]
    look(book, 210, 210, 100, 100)
    assert events(database) == ["opened", "resolved"]


def test_silencing_again_is_silencing_anew_and_a_time_that_passed_ends_it(book: Alerts, clock: ManualClock) -> None:
    book.silence("shop", clock.now() + timedelta(hours=1), rule="slow")
    book.silence("shop", clock.now() + timedelta(hours=2), rule="slow", by="bob")
    assert [one.by for one in book.silences("shop")] == ["bob"]
    book.silence("shop", clock.now(), rule="slow")
    assert book.silences("shop") == []


def test_a_silence_of_nothing_is_refused(book: Alerts, clock: ManualClock) -> None:
    with pytest.raises(InvalidInput, match="Neither"):
        book.silence("shop", clock.now())
    with pytest.raises(InvalidInput, match="time zone"):
        book.silence("shop", datetime(2026, 1, 1), rule="slow")  # noqa: DTZ001 - that is what is tested


def test_something_is_set_off_once(book: Alerts, clock: ManualClock) -> None:
    (opened,) = look(book, 210, 210)
    begun = book.begin("shop", opened.id, "retrain", 3)
    assert begun is not None
    assert begun.answer is not None
    assert (begun.answer.action, begun.answer.progress, begun.answer.champion) == ("retrain", "begun", 3)
    assert book.begin("shop", opened.id, "retrain", 3) is None
    done = book.finish("shop", opened.id, "done", "cycle cy_1: promoted")
    assert done.answer is not None
    assert (done.answer.progress, done.answer.outcome) == ("done", "cycle cy_1: promoted")
    assert book.finish("shop", opened.id, "failed", "again") == done
    assert book.begin("shop", opened.id, "hold", 3) is None


def test_nothing_is_set_off_by_what_is_seen_silenced_or_over(book: Alerts, clock: ManualClock) -> None:
    look(book, 210, 210, subject="seen")
    look(book, 210, 210, subject="over")
    look(book, 210, 210, subject="silent")
    look(book, 100, 100, subject="over")
    seen, over, silent = book.all("shop")
    book.acknowledge("shop", seen.id, "ann")
    book.silence("shop", clock.now() + timedelta(hours=1), subject="silent")
    assert [book.begin("shop", one.id, "hold", 1) for one in (seen, over, silent)] == [None, None, None]
    assert book.hold("shop") is None


def test_what_was_begun_and_is_over_is_not_done_later(book: Alerts) -> None:
    (opened,) = look(book, 210, 210)
    book.begin("shop", opened.id, "roll_back", 3)
    (over,) = look(book, 100, 100)
    assert over.answer is not None
    assert (over.answer.progress, over.answer.outcome) == (
        "failed",
        "the alert was over before it was known to be done",
    )


def test_a_hold_lasts_until_it_is_released(book: Alerts, database: Database, clock: ManualClock) -> None:
    look(book, 210, 210)
    look(book, 210, 210, subject="web")
    first, second = book.all("shop")
    begun = book.begin("shop", first.id, "hold", 1)
    assert begun is not None
    assert begun.answer is not None
    assert begun.answer.progress == "done"
    book.begin("shop", second.id, "hold", 1)
    hold = Alerts(database, clock).hold("shop")
    assert hold is not None
    assert (hold.alert, hold.since) == (first.id, clock.now())
    assert hold.said.startswith(f"held by alert {first.id}: latency of api is 210")
    assert hold.to_dict()["alert"] == first.id
    with database.read() as connection:
        assert held(connection, "shop") == hold
        assert held(connection, "other") is None
    assert book.resume("shop") == hold
    assert book.resume("shop") is None
    assert book.hold("shop") is None


steps = st.lists(
    st.one_of(
        st.tuples(st.just("look"), st.sampled_from(["a", "b"]), st.sampled_from([100.0, 180.0, 250.0, 600.0])),
        st.tuples(st.just("roll"), st.just(""), st.just(0.0)),
        st.tuples(st.just("ack"), st.just(""), st.just(0.0)),
        st.tuples(st.just("silence"), st.sampled_from(["a", "b"]), st.floats(0, 100)),
        st.tuples(st.just("wait"), st.just(""), st.floats(0, 100)),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=steps)
def test_whatever_comes_every_alert_is_told_in_order_and_one_is_open(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, float]]
) -> None:
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    with closing(Database(tmp_path_factory.mktemp("book") / "onward.db")) as database:
        book = Alerts(database, clock, ["log"])
        for place, (step, subject, value) in enumerate(steps):
            if step == "look":
                look(book, value, subject=subject)
            elif step == "roll":
                rolled_back(book, place)
            elif step == "silence":
                book.silence("shop", clock.now() + timedelta(seconds=value), subject=subject)
            elif step == "wait":
                clock.advance(timedelta(seconds=value))
            for alert in book.all("shop", open_only=True) if step == "ack" else ():
                book.acknowledge("shop", alert.id, "ann")
            found = [(alert.rule, alert.subject) for alert in book.all("shop", open_only=True)]
            assert len(found) == len(set(found))
        for alert in book.all("shop"):
            told = [one.event for one in undelivered(database, "shop") if one.alert == alert.id]
            assert told in ([], ["opened"], ["opened", "resolved"], ["opened", "escalated"]) or told == [
                "opened",
                "escalated",
                "resolved",
            ]
            assert bool(told) == bool(alert.told)


def test_the_system_clock_does(database: Database) -> None:
    (opened,) = look(Alerts(database, SystemClock()), 210, 210)
    assert opened.opened.tzinfo is not None
