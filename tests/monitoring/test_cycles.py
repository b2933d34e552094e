"""What a cycle tells the tracker."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.conversations import lines

from onward.core import CycleResult, ManualClock, ModelVersion
from onward.monitoring import IN_SERVICE, drift_of_texts, report_cycle
from onward.workspace import Workspace

FOUR = ("order_status", "refund", "greeting", "gift_card")


def test_every_cycle_reports(workspace: Workspace) -> None:
    workspace.record_many(lines(300))
    first = workspace.cycle()
    workspace.record_many(lines(300, intents=FOUR, seed=1))
    second = workspace.cycle()
    assert (first.status, second.status) == ("promoted", "promoted")
    skipped = workspace.cycle()
    tracker = workspace.tracker()
    told = [(event.task_type, event.metadata["cycle"], event.metadata["status"]) for event in tracker.learning_events]
    assert told == [
        ("linear", first.id, "promoted"),
        (IN_SERVICE, first.id, "promoted"),
        ("linear", second.id, "promoted"),
        (IN_SERVICE, second.id, "promoted"),
    ]
    event = tracker.learning_events[0]
    version = workspace.version(first.candidate or 0)
    assert version.scorecard is not None
    assert event.performance_score == version.scorecard.overall.accuracy
    assert event.episode_count == first.counts["train"]
    assert event.metadata["version"] == version.number
    assert set(event.metadata["heads"]) == set(version.scorecard.overall.heads)
    assert tracker.get_metric_summary("cycle_seconds")["count"] == 3
    assert tracker.get_metric_summary("cycle_failed")["max"] == 0
    assert tracker.get_metric_summary("cycle_promoted")["average"] == 1
    assert tracker.get_metric_summary("memory")["min"] > 1e6
    assert tracker.get_metric_summary("accuracy", task_id="intent", client_id="linear")["count"] == 2
    assert tracker.get_metric_summary("training_seconds", task_id="linear")["count"] == 2
    assert tracker.get_metric_summary("drift")["max"] == 1  # the fourth intent is new
    assert tracker.get_metric_summary("recall", task_id="gift_card", client_id="intent")["latest"] > 0.9
    assert skipped.status == "skipped"


def test_a_cycle_that_kept_tells_of_the_champion(workspace: Workspace) -> None:
    workspace.record_many(lines(300))
    workspace.cycle()
    workspace.record_many(lines(60, seed=3))
    result = workspace.cycle(force=True)
    assert result.status == "kept"
    in_service = [event for event in workspace.tracker().learning_events if event.task_type == IN_SERVICE]
    assert [event.metadata["status"] for event in in_service] == ["promoted", "kept"]
    assert in_service[1].metadata["champion"] == 1


@pytest.mark.parametrize(
    ("report", "epochs"),
    [
        ({"losses": [{"intent": 2.0, "mood": 1.0}, {"intent": 1.5}]}, 3),
        ({"losses": [{"intent": 10**400}, {"intent": float("nan")}, {"intent": 1e308}, {"intent": True}]}, 0),
        ({"losses": [{"\ud800": 1.0, "": 1.0, "x" * 300: 1.0}, None, 7, {"intent": "low"}]}, 0),
        ({"losses": "none", "seconds": "long"}, 0),
        ({}, 0),
    ],
)
def test_a_report_may_hold_anything(workspace: Workspace, clock: ManualClock, report: Any, epochs: int) -> None:
    result = CycleResult(id="cy_1", tenant="default", status="kept", started=clock.now())
    version = ModelVersion(
        number=1,
        tenant="default",
        learner="odd",
        parent=None,
        dataset="d",
        artifact="a",
        config={"report": report},
        created=clock.now(),
        cycle="cy_1",
    )
    database = workspace.house.storage.database
    database.write(lambda connection: report_cycle(database, connection, result, [version]))
    metrics = workspace.tracker().generate_dashboard_view()["metrics"]
    assert metrics.get("training_loss", {"count": 0})["count"] == epochs
    assert metrics["cycle_seconds"]["count"] == 1


def test_the_loop_goes_on_where_the_tracker_cannot_be_told(make_workspace: Callable[..., Workspace]) -> None:
    workspace = make_workspace()
    refuse = "CREATE TRIGGER odd BEFORE INSERT ON measurements BEGIN SELECT RAISE(ABORT, 'no'); END"
    workspace.house.storage.database.write(lambda c: c.exec_driver_sql(refuse))
    workspace.record_many(lines(300))
    assert workspace.cycle().status == "promoted"
    assert len(workspace.tracker().learning_events) == 0
    assert any(line.startswith("tracker: ") for line in workspace.status().degraded)


def test_texts_of_another_kind_are_told() -> None:
    cards = [f"where is my {kind} card number {n}" for n in range(40) for kind in ("blue", "red")]
    music = [f"play the {kind} song by artist {n}" for n in range(40) for kind in ("new", "old")]
    assert drift_of_texts(cards, music) == 1
    assert drift_of_texts(cards[::2] * 20, cards[1::2] * 20) in {0, 1}
    assert drift_of_texts(cards, music[:9]) is None
