"""What retention drops, and what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from sqlalchemy import select
from tests.conversations import lines

from onward.core import ManualClock
from onward.release import retain
from onward.storage import hold, schema
from onward.workspace import Workspace

FOUR = ("order_status", "refund", "greeting", "gift_card")


def test_old_data_sets_go_and_their_rows_stay(make_workspace: Callable[..., Workspace], clock: ManualClock) -> None:
    ws = make_workspace(retention={"keep_versions": 1, "keep_days": 0}, learning={"min_data_threshold": 1})
    blobs = ws.house.storage.blobs
    ws.record_many(lines(300))
    for turn in range(6):
        ws.record_many(lines(40, intents=FOUR, seed=turn + 1))
        result = ws.cycle(force=True)
        clock.advance(timedelta(days=1))
        if turn == 0:
            ws.pin(1)
        if result.candidate and result.candidate != ws.champion():
            ws.promote(result.candidate, force=True, reason="to rotate")
    with ws.house.storage.database.read() as connection:
        rows = connection.execute(select(schema.datasets)).all()
    stored = set(blobs.names())
    assert len(rows) >= 4
    kept = {row.id for row in rows if row.blob in stored}
    champion = ws.version(ws.champion() or 0)
    assert champion.dataset in kept
    assert ws.version(1).dataset in kept
    assert {row.id for row in rows} - kept
    assert [one for one in ws.doctor() if one.grave] == []
    assert ws.predict("hello", record=False).version == champion.number
    back = ws.rollback()
    assert ws.predict("hello", record=False).version == back.version
    ws.pin(1, pinned=False)
    dropped = [one.number for one in ws.versions() if "data set" in ws.dropped(one)]
    assert dropped
    assert set(dropped) <= set(ws.trace("chat-0-1").taught)  # who taught whom is known for good
    assert ws.forget("u1").marked_versions == tuple(one.number for one in ws.versions())


def test_what_another_tenant_needs_stays(make_workspace: Callable[..., Workspace], clock: ManualClock) -> None:
    ws = make_workspace()
    ws.record_many(lines(300))
    ws.record_many({**line, "tenant": "other"} for line in lines(300))
    ws.cycle()
    ws.cycle(tenant="other")
    before = set(ws.house.storage.blobs.names()), set(ws.house.storage.blobs.artifacts())
    later = clock.now() + timedelta(days=1000)
    with hold(ws.house.storage.database, "cycle:default", clock) as lease:
        dropped = retain(ws.house.storage, lease, "default", ws.settings.retention, later)
    assert (dropped.versions, dropped.datasets) == ((), ())
    assert (set(ws.house.storage.blobs.names()), set(ws.house.storage.blobs.artifacts())) == before


def test_nothing_stored_is_left_unnamed_by_a_cycle(make_workspace: Callable[..., Workspace]) -> None:
    ws = make_workspace()
    ws.record_many(lines(300))
    ws.cycle()
    ws.cycle(force=True)
    ws.cycle()
    assert ws.doctor() == ()
