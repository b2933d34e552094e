from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import numpy as np
import pytest
from tests.monitoring.served import CYCLES

from onward.core import NotFound
from onward.monitoring import LearningProgressTracker
from onward.monitoring.reports import Loop, task_report, text_report

AT = datetime(2026, 3, 9, tzinfo=UTC)


@pytest.fixture
def tracker():
    tracker = LearningProgressTracker()
    rising = np.linspace(0.2, 0.9, 300)
    for name, scores in (("rising", rising), ("falling", rising[::-1]), ("flat", np.full(300, 0.5))):
        columns = {"task_type": name, "performance_score": scores, "learning_rate": 0.1}
        tracker.record_learning_events({**columns, "timestamp": 1.79e9 + 3600 * np.arange(300)})
    tracker.record_learning_event("one", 0.7, 0.1)
    return tracker


def test_every_task_is_told(tracker):
    tracker.create_goal("accuracy", target_performance=0.9)
    report = text_report(tracker, Loop(tenant="shop", champion=3, cycles=CYCLES), at=AT)
    assert (report.tenant, report.at, report.champion) == ("shop", AT, 3)
    by_name = {task.task: task for task in report.tasks}
    assert list(by_name) == ["falling", "flat", "one", "rising"]
    trends = {name: task.trend for name, task in by_name.items()}
    assert trends == {"falling": "declining", "flat": "stable", "one": "insufficient_data", "rising": "improving"}
    rising = by_name["rising"]
    assert (rising.events, rising.first, rising.latest) == (300, 0.2, 0.9)
    assert rising.confidence > 0.99
    assert rising.slope == pytest.approx(0.7 / 299)
    assert rising.slope_per_hour == pytest.approx(0.7 / 299)
    assert rising.quantiles["0.5"] == pytest.approx(0.55, abs=0.01)
    assert len(rising.curve) == 32
    assert by_name["flat"].converged[0].tzinfo is UTC
    assert [goal.goal_id for goal in report.goals] == ["accuracy"]
    assert [cycle.id for cycle in report.cycles] == ["cy3", "cy4", "cy5", "cy6", "cy7"]
    assert msgspec.json.decode(msgspec.json.encode(report))["tasks"][3]["task"] == "rising"


def test_one_task_is_the_same_in_depth(tracker):
    assert task_report(tracker, "rising") == text_report(tracker, at=AT).tasks[3]
    with pytest.raises(NotFound, match="Nothing was recorded of 'other'") as refused:
        task_report(tracker, "other")
    assert "rising" in refused.value.options


def test_changes_of_level_are_told():
    tracker = LearningProgressTracker()
    scores = np.where(np.arange(400) < 200, 0.8, 0.5) + np.random.default_rng(0).normal(0, 0.02, 400)
    times = 1.79e9 + np.arange(400)
    tracker.record_learning_events(
        {"task_type": "a", "performance_score": scores, "learning_rate": 0.1, "timestamp": times}
    )
    (change,) = task_report(tracker, "a").changes
    assert change.rise < -0.2
    assert 195 <= change.event <= 205
    assert change.at.year == 2026


def test_times_may_go_back():
    tracker = LearningProgressTracker()
    for step in range(20):
        tracker.record_learning_event("a", step / 20, 0.1, timestamp=-1e9 * step)
    found = task_report(tracker, "a")
    assert (found.first_at, found.last_at) != (None, None)
    assert found.trend == "declining"


def test_nothing_recorded_is_a_report_too():
    report = text_report(LearningProgressTracker(), at=AT)
    assert (report.tasks, report.goals, report.cycles, report.champion) == ((), (), (), None)
