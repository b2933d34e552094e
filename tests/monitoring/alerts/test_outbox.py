"""Messages: stored with their alert, sent at least once, never silently dropped, whatever the channel and the process do."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from tests.monitoring.alerts.servers import Webhook, free_port, webhook

from onward.config import AlertSettings
from onward.core import ManualClock, SystemClock
from onward.monitoring.alerts import (
    Alerts,
    Delivery,
    Message,
    Observation,
    Rule,
    Sent,
    deliver_due,
    revive,
    undelivered,
)
from onward.storage import Database, hold

SLOW = Rule(name="slow", figure="latency", when="above", raise_at=200, clear_at=160, critical_at=500)
SECONDS = 0.5


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONWARD_WEBHOOK_SECRET", "very-secret")


def settings(url: str, **more: object) -> AlertSettings:
    said = {"channels": ["webhook"], "webhook_url": url, "timeout_seconds": SECONDS, **more}
    return AlertSettings.model_validate(said)


def see(book: Alerts, value: float, subject: str = "api") -> None:
    book.look("shop", [SLOW], [Observation(figure="latency", subject=subject, value=value)])


def waiting(database: Database) -> list[Delivery]:
    return undelivered(database, "shop")


def test_an_alert_is_told_when_it_opens_gets_worse_and_ends(
    book: Alerts, database: Database, clock: ManualClock
) -> None:
    with webhook(200) as server:
        for value in (210, 220, 600, 700, 180, 100):
            see(book, value)
            deliver_due(database, settings(server.url), clock)
    assert server.events == ["opened", "escalated", "resolved"]
    opened, escalated, ended = (request.json["alert"] for request in server.requests)
    assert opened["id"] == escalated["id"] == ended["id"]
    assert (opened["severity"], escalated["severity"]) == ("warning", "critical")
    assert "slow raises above 200" in opened["message"]
    assert ended["resolved"] is not None
    assert len(set(server.ids)) == 3
    assert waiting(database) == []


def test_messages_keep_their_order(book: Alerts, database: Database, clock: ManualClock) -> None:
    for value in (210, 600, 100):
        see(book, value)
    with webhook(200) as server:
        assert deliver_due(database, settings(server.url), clock).delivered == 3
    assert server.events == ["opened", "escalated", "resolved"]


def test_nothing_due_takes_no_lease(book: Alerts, database: Database, clock: ManualClock) -> None:
    with hold(database, "alerts:deliveries", clock):
        assert deliver_due(database, AlertSettings(), clock) == Sent()


def test_a_channel_that_is_down_loses_nothing(book: Alerts, database: Database, clock: ManualClock) -> None:
    port = free_port()
    said = settings(f"http://127.0.0.1:{port}/alerts")
    see(book, 210)
    pauses = []
    for _ in range(4):
        sent = deliver_due(database, said, clock)
        assert "ConnectionRefusedError" in sent.errors["shop", "webhook"]
        (one,) = waiting(database)
        assert deliver_due(database, said, clock) == Sent()  # not before it is due
        pauses.append((clock.now().fromisoformat(one.due) - clock.now()).total_seconds())
        clock.advance(timedelta(seconds=pauses[-1]))
    assert pauses == [30, 60, 120, 240]
    assert (one.attempts, one.state) == (4, "waiting")
    assert "ConnectionRefusedError" in one.error
    with webhook(200, port=port) as server:
        sent = deliver_due(database, said, clock)
    assert (sent.delivered, sent.worked, sent.errors) == (1, {("shop", "webhook")}, {})
    assert server.ids == [one.id]


@pytest.mark.parametrize("trouble", [503, "hang", "drop"])
def test_whatever_the_server_does_it_gets_it_in_the_end(
    book: Alerts, database: Database, clock: ManualClock, trouble: object
) -> None:
    see(book, 210)
    with webhook(trouble, trouble, 200) as server:
        said = settings(server.url)
        for _ in range(3):
            deliver_due(database, said, clock)
            clock.advance(timedelta(hours=1))
    assert waiting(database) == []
    assert len(set(server.ids)) == 1


def test_a_channel_that_is_down_is_asked_once_a_call(book: Alerts, database: Database, clock: ManualClock) -> None:
    for subject in "abcde":
        see(book, 210, subject)
    with webhook(500) as server:
        deliver_due(database, settings(server.url), clock)
        assert len(server.requests) == 1
    assert sorted(one.attempts for one in waiting(database)) == [0, 0, 0, 0, 1]


def test_a_message_that_is_refused_holds_up_no_other(book: Alerts, database: Database, clock: ManualClock) -> None:
    for subject in "ab":
        see(book, 210, subject)
    with webhook(400, 200) as server:
        sent = deliver_due(database, settings(server.url), clock)
    assert sent.delivered == 1
    (left,) = waiting(database)
    assert left.error == "127.0.0.1 answered 400"
    assert left.to_dict()["state"] == "waiting"


def test_what_is_given_up_is_shown_and_can_be_sent_again(book: Alerts, database: Database, clock: ManualClock) -> None:
    see(book, 210)
    with webhook(400) as server:
        for attempt in (1, 2, 3):
            sent = deliver_due(database, settings(server.url, max_attempts=3), clock)
            assert sent.given_up == (attempt == 3)
            clock.advance(timedelta(hours=1))
        (dead,) = waiting(database)
        assert (dead.state, dead.attempts, dead.error) == ("dead", 3, "127.0.0.1 answered 400")
        assert deliver_due(database, settings(server.url), clock) == Sent()
        assert revive(database, "other", clock.now()) == 0
        assert revive(database, "shop", clock.now()) == 1
        server.answers = [200]
        assert deliver_due(database, settings(server.url), clock).delivered == 1
    assert waiting(database) == []


def test_a_channel_that_is_taken_out_of_the_settings_is_said(
    book: Alerts, database: Database, clock: ManualClock
) -> None:
    see(book, 210)
    deliver_due(database, AlertSettings(), clock)
    assert waiting(database)[0].error == "webhook is none of alerts.channels any more"


def test_delivered_messages_go_after_a_while(book: Alerts, database: Database, clock: ManualClock) -> None:
    with webhook(200) as server:
        see(book, 210)
        deliver_due(database, settings(server.url, keep_days=1), clock)
        clock.advance(timedelta(days=2))
        see(book, 100)
        deliver_due(database, settings(server.url, keep_days=1), clock)
    with database.read() as connection:
        assert connection.exec_driver_sql("SELECT event FROM deliveries").scalars().all() == ["resolved"]


def test_a_channel_of_ones_own(book: Alerts, database: Database, clock: ManualClock) -> None:
    taken: list[Message] = []
    see(book, 210)
    assert deliver_due(database, AlertSettings(), clock, {"webhook": taken.append}).delivered == 1
    assert taken[0].subject == "[Onward] warning opened: slow, api (shop)"


# Processes -----------------------------------------------------------------------------------------------------------


def in_a_process(work: Callable[..., None], *arguments: object) -> int:
    """Run it in a process of its own; return how that ended."""
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def raise_and_die(file: Path) -> None:
    with closing(Database(file)) as database:
        see(Alerts(database, SystemClock(), ["webhook"]), 210)
        os.kill(os.getpid(), signal.SIGKILL)


def send_and_die(file: Path, url: str) -> None:
    from onward.monitoring.alerts import channels_of

    with closing(Database(file)) as database:
        said = settings(url)

        def send(message: Message) -> None:
            channels_of(said)["webhook"](message)
            os.kill(os.getpid(), signal.SIGKILL)

        deliver_due(database, said, SystemClock(), {"webhook": send})


def send(file: Path, url: str) -> None:
    with closing(Database(file)) as database:
        for _ in range(20):
            deliver_due(database, settings(url, timeout_seconds=5), SystemClock())
            time.sleep(0.02)


def test_a_process_killed_between_commit_and_delivery_loses_nothing(tmp_path: Path) -> None:
    file = tmp_path / "onward.db"
    assert in_a_process(raise_and_die, file) == -signal.SIGKILL
    with closing(Database(file)) as database, webhook(200) as server:
        assert deliver_due(database, settings(server.url), SystemClock()).delivered == 1
        assert server.events == ["opened"]


def test_a_process_killed_between_delivery_and_its_mark_delivers_again_with_the_same_id(tmp_path: Path) -> None:
    file = tmp_path / "onward.db"
    assert in_a_process(raise_and_die, file) == -signal.SIGKILL
    with webhook(200) as server:
        assert in_a_process(send_and_die, file, server.url) == -signal.SIGKILL
        with closing(Database(file)) as database:
            assert deliver_due(database, settings(server.url), SystemClock()).delivered == 1
    assert len(server.ids) == 2
    assert len(set(server.ids)) == 1
    assert server.requests[0].body == server.requests[1].body


def test_two_processes_send_each_message_once(tmp_path: Path) -> None:
    file = tmp_path / "onward.db"
    with closing(Database(file)) as database, webhook(200) as server:
        book = Alerts(database, SystemClock(), ["webhook"])
        for number in range(40):
            see(book, 210, f"api {number}")
        context = multiprocessing.get_context("spawn")
        both = [context.Process(target=send, args=(file, server.url)) for _ in range(2)]
        for one in both:
            one.start()
        for one in both:
            one.join(60)
        assert [one.exitcode for one in both] == [0, 0]
        assert waiting(database) == []
    assert len(server.ids) == len(set(server.ids)) == 40


def test_two_threads_send_each_message_once(book: Alerts, database: Database, clock: ManualClock) -> None:
    for number in range(20):
        see(book, 210, f"api {number}")
    with webhook(200) as server:
        threads = [threading.Thread(target=deliver_due, args=(database, settings(server.url), clock)) for _ in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
        deliver_due(database, settings(server.url), clock)
    assert isinstance(server, Webhook)
    assert sorted(server.ids) == sorted(set(server.ids))
    assert len(server.ids) == 20
