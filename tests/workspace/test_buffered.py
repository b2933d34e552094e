"""`durable=False`: it returns before anything is on disk, keeps the order, and says what was lost."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection

import onward
from onward.core import InvalidInput, Labels, ManualClock, NotFound, Unavailable
from onward.workspace import Workspace


@contextmanager
def held_up(workspace: Workspace) -> Iterator[None]:
    """Nothing is committed until the block ends."""
    started, go_on = threading.Event(), threading.Event()

    def slow(_: Connection) -> None:
        started.set()
        go_on.wait(30)

    with ThreadPoolExecutor(1) as pool:
        slowed = pool.submit(workspace.house.storage.database.write, slow)
        assert started.wait(30)
        yield
        go_on.set()
        slowed.result(30)


def test_it_returns_at_once_and_is_durable_after_flush(workspace: Workspace) -> None:
    with held_up(workspace):
        first = workspace.record("where is my parcel", intent="order_status", durable=False)
        said = workspace.feedback(first, score=1.0, durable=False)
        many = workspace.record_many([{"text": "hello"}, {"text": "hi"}, {"no": "text"}], durable=False)
        assert (many.interactions, many.feedback, many.known, len(many.bad)) == (2, 0, 0, 1)
        assert workspace.status().interactions == 0
    workspace.flush()
    assert (workspace.status().interactions, workspace.status().feedback) == (3, 1)
    trace = workspace.trace(first)
    assert trace.interaction.labels == Labels(intent="order_status")
    assert [one.id for one in trace.feedback] == [said]


def test_what_is_wrong_is_said_at_once(workspace: Workspace) -> None:
    with pytest.raises(InvalidInput, match="The id"):
        workspace.record("hello", id=" \0", durable=False)
    with pytest.raises(InvalidInput, match="score"):
        workspace.feedback("nobody", score=2.0, durable=False)
    with pytest.raises(NotFound):
        workspace.feedback("nobody", score=1.0)
    workspace.feedback("nobody", score=1.0, durable=False)  # the interaction may be on its way
    workspace.flush()
    assert workspace.status().feedback == 1


def test_who_speaks_of_what_is_buffered_waits_for_it(workspace: Workspace) -> None:
    for n in range(20):
        about = workspace.record(f"where is parcel {n}", durable=False)
        workspace.feedback(about, correction={"intent": "order_status"})
    assert workspace.status().feedback == 20


def test_predictions_may_be_buffered(workspace: Workspace) -> None:
    workspace.record_many({"text": f"{i} please, number {n}", "intent": i} for n in range(60) for i in ("refund", "hi"))
    workspace.cycle(force=True)
    before = workspace.status().interactions
    with held_up(workspace):
        one = workspace.predict("refund please", durable=False)
        several = workspace.predict(["hi please", "refund"], durable=False)
        assert workspace.status().interactions == before
    workspace.flush()
    assert workspace.status().interactions == before + 3
    assert workspace.trace(one.interaction or "").interaction.prediction == one
    assert len({answer.interaction for answer in several}) == 2


def test_closing_stores_what_is_buffered(tmp_path, clock: ManualClock) -> None:
    with onward.open(tmp_path / "shop", clock=clock) as workspace:
        for n in range(500):
            workspace.record(f"number {n}", durable=False)
    with onward.open(tmp_path / "shop", clock=clock) as workspace:
        assert workspace.status().interactions == 500


def test_what_is_lost_is_in_status_until_flush_tells_it(workspace: Workspace) -> None:
    database = workspace.house.storage.database
    pages = database.write(lambda c: c.exec_driver_sql("PRAGMA page_count").scalar())
    database.write(lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar())
    workspace.record("x" * 90_000, durable=False)
    database.settle()
    (degraded,) = workspace.status().degraded
    assert degraded.startswith("recording: buffered records were lost: ")
    assert "full" in degraded
    with pytest.raises(Unavailable, match=r"lost.*full"):
        workspace.flush()
    assert workspace.status().degraded == ()
    workspace.flush()
