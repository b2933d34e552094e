"""The documented calls of the tracker, in memory and in a workspace."""

import copy
import json
import math
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import onward
from onward import LearningProgressTracker
from onward.core import InvalidInput, ManualClock, NotFound, OnwardError, Unavailable
from onward.monitoring import LearningEvent
from onward.workspace import Workspace


@pytest.fixture(params=["in memory", "in a workspace", "buffered"])
def tracker(request: pytest.FixtureRequest, clock: ManualClock) -> LearningProgressTracker:
    if request.param == "in memory":
        return LearningProgressTracker(max_history=50_000, clock=clock)
    workspace: Workspace = request.getfixturevalue("workspace")
    return LearningProgressTracker(workspace=workspace, durable=request.param != "buffered")


def learn(tracker: LearningProgressTracker, scores: Any, task: str = "classification", **more: Any) -> None:
    for number, score in enumerate(scores):
        tracker.record_learning_event(task, float(score), 0.01, number, 0.05, timestamp=60.0 * number, **more)


def test_the_documented_calls(tracker: LearningProgressTracker, clock: ManualClock, tmp_path: Path) -> None:
    tracker.record_learning_event(
        task_type="classification",
        performance_score=0.85,
        learning_rate=0.01,
        episode_count=100,
        convergence_metric=0.05,
        batch_size=32,
        optimizer="adam",
    )
    now = clock.now().timestamp()
    event = LearningEvent(now, "classification", 0.85, 0.01, 100, 0.05, {"batch_size": 32, "optimizer": "adam"})
    assert list(tracker.learning_events) == [event]
    assert tracker.learning_events[0].to_dict()["metadata"] == {"batch_size": 32, "optimizer": "adam"}
    tracker.create_goal(goal_id="accuracy_goal", description="be right", target_performance=0.9, direction="maximize")
    tracker.update_goal_progress("accuracy_goal", 0.87)
    summary = tracker.get_goal_summary()
    assert (summary["completed_goals"], summary["active_goals"]) == (0, 1)
    assert summary["goals"]["accuracy_goal"]["completion_percentage"] == pytest.approx(100 * 0.87 / 0.9)
    times, scores = tracker.get_learning_curve("classification", window_size=100)
    assert (times.tolist(), scores.tolist()) == ([now], [0.85])
    assert set(tracker.get_performance_trend("classification")) >= {
        "trend",
        "confidence",
        "recent_avg",
        "improvement_rate",
    }
    analysis = tracker.get_convergence_analysis()
    assert analysis == {"total_convergences": 0, "convergence_rate": 0.0, "task_statistics": {}}
    report = tracker.generate_learning_report()
    assert report["total_learning_events"] == 1
    assert report["overall_performance"]["average"] == 0.85
    assert report["learning_dynamics"]["average_learning_rate"] == 0.01
    task = report["task_analysis"]["classification"]
    assert (task["event_count"], task["avg_performance"], task["latest_score"]) == (1, 0.85, 0.85)
    assert task["performance_trend"] == "insufficient_data"
    assert tracker.get_real_time_metrics() == {
        "current_performance": 0.85,
        "current_learning_rate": 0.01,
        "recent_avg_performance": 0.85,
        "performance_trend": "insufficient_data",
        "active_goals_count": 1,
        "total_learning_events": 1,
    }
    file = tracker.export_learning_data(tmp_path / "out.json")
    again = LearningProgressTracker()
    assert again.import_learning_data(file) == 1
    assert again.learning_events == tracker.learning_events
    assert dict(again.goals) == dict(tracker.goals)
    assert again.generate_learning_report() == report | {"goals": summary}


def test_numbers_of_numpy(tracker: LearningProgressTracker) -> None:
    tracker.record_learning_event(
        "a", np.float32(0.5), np.float64(0.1), np.int32(3), np.float16(0.25), seen=np.arange(2)
    )
    tracker.log_metric("loss", np.float32(0.5), step=np.int64(2))  # type: ignore[arg-type]
    (event,) = tracker.learning_events
    assert (event.performance_score, event.episode_count, event.convergence_metric) == (0.5, 3, 0.25)
    assert event.metadata == {"seen": [0, 1]}
    assert tracker.get_metric_summary("loss")["latest"] == 0.5


def test_nothing_was_recorded(tracker: LearningProgressTracker) -> None:
    assert tracker.get_real_time_metrics() == {
        "current_performance": None,
        "current_learning_rate": None,
        "recent_avg_performance": None,
        "performance_trend": "insufficient_data",
        "active_goals_count": 0,
        "total_learning_events": 0,
    }
    report = tracker.generate_learning_report()
    assert (report["total_learning_events"], report["task_analysis"]) == (0, {})
    assert len(tracker.learning_events) == 0
    assert len(tracker.goals) == 0


def test_a_rising_task_improves(tracker: LearningProgressTracker) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, 200)
    learn(tracker, np.linspace(0.2, 0.8, 200) + noise)
    trend = tracker.get_performance_trend("classification")
    assert trend["trend"] == "improving"
    assert trend["confidence"] > 0.99
    assert trend["improvement_rate"] == pytest.approx(0.6 / 199, rel=0.05)
    assert trend["improvement_rate_per_hour"] == pytest.approx(60 * trend["improvement_rate"], rel=0.01)
    low, high = trend["improvement_interval"]
    assert low < trend["improvement_rate"] < high


def test_a_falling_and_a_flat_task(tracker: LearningProgressTracker) -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 200)
    learn(tracker, np.linspace(0.8, 0.3, 200) + noise, "worse")
    learn(tracker, 0.5 + noise, "same")
    analysis = tracker.generate_learning_report()["task_analysis"]
    assert {name: task["performance_trend"] for name, task in analysis.items()} == {
        "worse": "declining",
        "same": "stable",
    }


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"performance_score": 1.1}, "performance_score is 1.1"),
        ({"performance_score": -0.1}, "performance_score is -0.1"),
        ({"performance_score": math.nan}, "performance_score is nan"),
        ({"performance_score": "high"}, "performance_score is 'high'"),
        ({"performance_score": None}, "performance_score is None"),
        ({"learning_rate": 0}, "learning_rate is 0"),
        ({"learning_rate": math.inf}, "learning_rate is inf"),
        ({"episode_count": -1}, "episode_count is -1"),
        ({"convergence_metric": -1e-9}, "convergence_metric is -1e-09"),
        ({"convergence_metric": math.inf}, "convergence_metric is inf"),
        ({"timestamp": math.nan}, "timestamp is nan"),
        ({"task_type": ""}, "task_type is ''"),
        ({"task_type": 7}, "task_type is 7"),
        ({"task_type": "x" * 201}, "Give a text of 1 to 200 characters"),
        ({"thing": object()}, "The metadata is not JSON"),
    ],
)
def test_bad_input_is_named_and_nothing_recorded(
    tracker: LearningProgressTracker, wrong: dict[str, Any], said: str
) -> None:
    good = {"task_type": "a", "performance_score": 0.5, "learning_rate": 0.1, "episode_count": 1}
    with pytest.raises(InvalidInput, match=said.replace("(", r"\(")):
        tracker.record_learning_event(**{**good, **wrong})
    with pytest.raises(InvalidInput, match="event 1, counted from 0"):
        tracker.record_learning_events([good, {**good, **wrong}])
    assert len(tracker.learning_events) == 0


def test_times_may_go_back(tracker: LearningProgressTracker) -> None:
    for at in (5.0, 3.0, 4.0, -1.0, 9.0, 8.0, 7.0, 6.0, 2.0, 1.0):
        tracker.record_learning_event("a", at / 10 if at > 0 else 0.0, 0.1, timestamp=at)
    assert tracker.get_performance_trend("a")["trend"] in {"improving", "stable"}
    assert tracker.generate_learning_report()["task_analysis"]["a"]["event_count"] == 10
    assert tracker.get_learning_curve("a", 1)[0].tolist() == [-1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def test_batches_as_dicts_and_as_columns(tracker: LearningProgressTracker) -> None:
    rows = [{"task_type": "a", "performance_score": n / 10, "learning_rate": 0.1, "epoch": n} for n in range(5)]
    assert tracker.record_learning_events(rows) == 5
    columns = {
        "task_type": "b",
        "performance_score": np.arange(5) / 10,
        "learning_rate": 0.1,
        "epoch": [0, 1, 2, 3, 4],
        "timestamp": range(5),
    }
    assert tracker.record_learning_events(columns) == 5
    assert tracker.record_learning_events([]) == 0
    first, second = tracker.learning_events[:5], tracker.learning_events[5:]
    assert [(e.performance_score, e.metadata["epoch"]) for e in first] == [(n / 10, n) for n in range(5)]
    assert [replace(e, task_type="a", timestamp=0.0) for e in second] == [replace(e, timestamp=0.0) for e in first]
    assert [e.timestamp for e in second] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"task_type": ["a", "b"], "performance_score": [0.1], "learning_rate": 0.1}, "different lengths"),
        ({"task_type": "a", "performance_score": 0.1, "learning_rate": 0.1}, "No column has several values"),
        ({"task_type": ["a"], "performance_score": [0.1]}, "An event has no learning_rate"),
    ],
)
def test_bad_columns(columns: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        LearningProgressTracker().record_learning_events(columns)


def test_an_event_that_is_no_dict() -> None:
    with pytest.raises(InvalidInput, match="An event is 3"):
        LearningProgressTracker().record_learning_events([3])  # type: ignore[list-item]


@pytest.mark.parametrize("size", [0, -1, 10**9, math.nan, "many"])
def test_an_impossible_history(size: Any) -> None:
    with pytest.raises(InvalidInput, match="max_history"):
        LearningProgressTracker(max_history=size)


def test_events_are_sized_iterable_sliceable(tracker: LearningProgressTracker) -> None:
    learn(tracker, [0.1, 0.2, 0.3, 0.4])
    events = tracker.learning_events
    assert len(events) == 4
    assert [event.performance_score for event in events] == [0.1, 0.2, 0.3, 0.4]
    assert events[-1].performance_score == 0.4
    assert [event.performance_score for event in events[::-2]] == [0.4, 0.2]
    assert events[9:] == []
    assert events == list(events)
    assert events != list(events)[1:]
    assert events != 4
    assert repr(events) == "<4 learning events>"
    with pytest.raises(IndexError):
        events[4]


def test_the_curve_is_the_moving_average_with_its_extremes(tracker: LearningProgressTracker) -> None:
    scores = np.random.default_rng(5).random(300)
    learn(tracker, scores)
    for window in (1, 7, 100, 1_000):
        curve = tracker.get_learning_curve("classification", window, bands=True)
        parts = [scores[max(0, end - window) : end] for end in range(1, 301)]
        np.testing.assert_allclose(curve.scores, [part.mean() for part in parts])
        np.testing.assert_allclose(curve.low, [part.min() for part in parts])
        np.testing.assert_allclose(curve.high, [part.max() for part in parts])
        np.testing.assert_allclose(curve.times, 60.0 * np.arange(300))


def test_unknown_names_name_the_known_ones(tracker: LearningProgressTracker) -> None:
    learn(tracker, [0.5])
    tracker.create_goal("g", target_performance=1)
    tracker.log_metric("loss", 1.0)
    with pytest.raises(NotFound, match="Known: classification"):
        tracker.get_learning_curve("regression")
    with pytest.raises(NotFound, match="Known: classification"):
        tracker.get_performance_trend("regression")
    with pytest.raises(NotFound, match="Known: g"):
        tracker.update_goal_progress("h", 0.5)
    with pytest.raises(NotFound, match="Known: loss"):
        tracker.get_metric_summary("lost")
    with pytest.raises(InvalidInput, match="window_size is 0"):
        tracker.get_learning_curve("classification", 0)


# Goals ---------------------------------------------------------------------------------------------------------------


def test_a_goal_to_maximize(tracker: LearningProgressTracker, clock: ManualClock) -> None:
    tracker.create_goal("g", "high", target_performance=0.8)
    assert tracker.update_goal_progress("g", 0.4).completion_percentage == 50
    done = tracker.update_goal_progress("g", 0.85)
    assert (done.is_completed, done.completion_percentage, done.completion_time) == (
        True,
        100,
        clock.now().timestamp(),
    )
    later = tracker.update_goal_progress("g", 0.2)
    assert (later.is_completed, later.current_performance) == (True, 0.2)
    summary = tracker.get_goal_summary()
    assert (summary["completed_goals"], summary["completion_rate"]) == (1, 1.0)


def test_a_goal_to_minimize_completes_downwards(tracker: LearningProgressTracker) -> None:
    tracker.create_goal("loss", target_performance=0.1, direction="minimize")
    assert tracker.update_goal_progress("loss", 0.4).completion_percentage == pytest.approx(25)
    assert not tracker.goals["loss"].is_completed
    assert tracker.update_goal_progress("loss", 0.1).is_completed


@pytest.mark.parametrize(
    ("direction", "target", "value", "percentage"),
    [
        ("maximize", -1.0, -2.0, 50.0),
        ("maximize", 1.0, -2.0, 0.0),
        ("minimize", -2.0, -1.0, 50.0),
        ("minimize", -2.0, 1.0, 0.0),
        ("minimize", 0.0, 0.5, 0.0),
        ("maximize", 0.0, -0.5, 0.0),
        ("maximize", 0.0, 0.0, 100.0),
    ],
)
def test_percentages_below_zero(direction: Any, target: float, value: float, percentage: float) -> None:
    tracker = LearningProgressTracker()
    tracker.create_goal("g", target_performance=target, direction=direction)
    assert tracker.update_goal_progress("g", value).completion_percentage == percentage


@given(st.sampled_from(["maximize", "minimize"]), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_a_percentage_is_a_percentage(direction: Any, target: float, value: float) -> None:
    tracker = LearningProgressTracker()
    tracker.create_goal("g", target_performance=target, direction=direction)
    goal = tracker.update_goal_progress("g", value)
    assert 0 <= goal.completion_percentage <= 100
    assert goal.is_completed == (value >= target if direction == "maximize" else value <= target)


def test_when_a_goal_will_be_met(tracker: LearningProgressTracker, clock: ManualClock) -> None:
    from datetime import timedelta

    tracker.create_goal("g", target_performance=0.9)
    begin = clock.now().timestamp()
    noise = np.random.default_rng(6).normal(0, 0.002, 80)
    for n in range(80):
        tracker.update_goal_progress("g", 0.1 + n / 200 + noise[n])
        clock.advance(timedelta(minutes=1))
    goal = tracker.get_goal_summary()["goals"]["g"]
    assert goal["estimated_completion_time"] == pytest.approx(begin + 160 * 60, rel=1e-6, abs=600)
    low, high = goal["estimated_completion_interval"]
    assert low < goal["estimated_completion_time"] < high


def test_goals_that_cannot_be(tracker: LearningProgressTracker) -> None:
    tracker.create_goal("g", target_performance=1)
    with pytest.raises(InvalidInput, match="There is a goal 'g' already"):
        tracker.create_goal("g", target_performance=2)
    with pytest.raises(InvalidInput, match="Known: maximize, minimize"):
        tracker.create_goal("h", target_performance=2, direction="sideways")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="target_performance is nan"):
        tracker.create_goal("h", target_performance=math.nan)
    with pytest.raises(InvalidInput, match="performance is inf"):
        tracker.update_goal_progress("g", math.inf)
    assert list(tracker.goals) == ["g"]
    assert tracker.goals[:] == [tracker.goals["g"]]
    assert repr(tracker.goals) == "<1 goals: g>"


# Metrics -------------------------------------------------------------------------------------------------------------


def test_metrics_of_any_kind(tracker: LearningProgressTracker) -> None:
    for n in range(100):
        tracker.log_metric("latency", n, step=n, task_id=f"t{n % 2}", client_id="c", metadata={"n": n})
    tracker.log_metric("my own", -3.5)
    whole = tracker.get_metric_summary("latency")
    assert (whole["count"], whole["average"], whole["min"], whole["max"], whole["latest"]) == (100, 49.5, 0, 99, 99)
    assert whole["quantiles"]["0.95"] == pytest.approx(94, rel=0.011)
    part = tracker.get_metric_summary("latency", task_id="t1", client_id="c")
    assert (part["count"], part["min"]) == (50, 1)
    assert tracker.get_metric_summary("my own")["quantiles"]["0.5"] == -3.5
    view = tracker.generate_dashboard_view()
    assert set(view) == {"real_time", "report", "metrics", "experiments"}
    assert view["metrics"]["latency"] == whole
    assert json.loads(json.dumps(view)) == view


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"name": "gradient_norm", "value": -1}, "gradient_norm is -1"),
        ({"name": "task_evaluation_accuracy", "value": 1.5}, "between 0 and 1"),
        ({"name": "loss", "value": math.nan}, "value is nan"),
        ({"name": "loss", "value": "1"}, "value is '1'"),
        ({"name": "", "value": 1}, "name is ''"),
        ({"name": "loss", "value": 1, "step": -1}, "step is -1"),
        ({"name": "loss", "value": 1, "step": 1.5}, "step is 1.5"),
        ({"name": "loss", "value": 1, "task_id": ""}, "task_id is ''"),
        ({"name": "loss", "value": 1, "metadata": {"x": {1, object()}}}, "not JSON"),
    ],
)
def test_metrics_that_cannot_be(tracker: LearningProgressTracker, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        tracker.log_metric(**arguments)
    assert tracker.generate_dashboard_view()["metrics"] == {}


def test_experiments(tracker: LearningProgressTracker) -> None:
    tracker.configure_experiment("one", {"layers": [1, 2]})
    tracker.configure_experiment("one", {"layers": [3]})
    assert tracker.get_experiments() == {"one": {"layers": [3]}}
    with pytest.raises(InvalidInput, match="not JSON"):
        tracker.configure_experiment("two", {"x": object()})


# Being told ----------------------------------------------------------------------------------------------------------


def test_callbacks(tracker: LearningProgressTracker) -> None:
    heard: list[Any] = []
    offs = [tracker.on(what, heard.append) for what in ("event", "goal", "alert")]
    tracker.on("event", lambda _: 1 / 0)
    learn(tracker, [0.5])
    tracker.create_goal("g", target_performance=0.5)
    tracker.update_goal_progress("g", 0.1)
    tracker.update_goal_progress("g", 0.6)
    tracker.update_goal_progress("g", 0.7)
    tracker.tell("an alert")
    tracker.record_learning_events([{"task_type": "b", "performance_score": 0.1, "learning_rate": 1}])
    event, goal, alert, batch = heard
    assert (event.task_type, goal.current_performance, alert, batch.task_type) == (
        "classification",
        0.6,
        "an alert",
        "b",
    )
    for off in offs:
        off()
        off()
    learn(tracker, [0.5])
    assert len(heard) == 4
    with pytest.raises(InvalidInput, match="Known: alert, convergence, event, goal"):
        tracker.on("nothing", print)  # type: ignore[arg-type]


def test_convergence_is_told_and_counted(tracker: LearningProgressTracker) -> None:
    heard: list[Any] = []
    tracker.on("convergence", heard.append)
    noise = np.random.default_rng(7).normal(0, 0.01, 600)
    learn(tracker, 0.9 + noise)
    tracker.flush()
    analysis = tracker.get_convergence_analysis()
    assert analysis["total_convergences"] == 1
    assert analysis["task_statistics"]["classification"]["count"] == 1
    assert analysis["task_statistics"]["classification"]["avg_convergence_metric"] == pytest.approx(0.05)
    assert analysis["convergence_rate"] == pytest.approx(1 / (599 / 60))
    learn(tracker, [0.9])
    assert [one["task"] for one in heard] == ["classification"]


# Many at once --------------------------------------------------------------------------------------------------------


def test_threads_lose_nothing(tracker: LearningProgressTracker) -> None:
    threads = [threading.Thread(target=learn, args=(tracker, [0.5] * 200, f"t{n}")) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tracker.learning_events) == 1_600
    assert {t["event_count"] for t in tracker.generate_learning_report()["task_analysis"].values()} == {200}


def test_trackers_of_one_workspace_share(make_workspace: Callable[..., Workspace]) -> None:
    one, two = (LearningProgressTracker(workspace=make_workspace()) for _ in range(2))
    learn(one, [0.1])
    learn(two, [0.2])
    one.create_goal("g", target_performance=1)
    assert [e.performance_score for e in one.learning_events] == [0.1, 0.2]
    assert one.learning_events == two.learning_events
    assert list(two.goals) == ["g"]
    other = LearningProgressTracker(workspace=make_workspace(), tenant="other")
    assert len(other.learning_events) == 0


def test_it_lasts(tmp_path: Path) -> None:
    with onward.open(tmp_path) as workspace:
        learn(LearningProgressTracker(workspace=workspace), [0.1], optimizer="adam")
        learn(LearningProgressTracker(workspace=workspace, durable=False), [0.2])
    with onward.open(tmp_path) as workspace:
        events = LearningProgressTracker(workspace=workspace).learning_events
        assert [e.performance_score for e in events] == [0.1, 0.2]
        assert events[0].metadata == {"optimizer": "adam"}


# Odd and hard cases ---------------------------------------------------------------------------------------------------


def test_a_process_that_ends_without_closing_loses_nothing(tmp_path: Path) -> None:
    code = (
        "import sys, onward\n"
        "from onward import LearningProgressTracker\n"
        "workspace = onward.open(sys.argv[1])\n"
        "tracker = LearningProgressTracker(workspace=workspace, durable=False)\n"
        "for n in range(1_000): tracker.record_learning_event('a', 0.5, 0.1, n)\n"
        "workspace.record('hello', durable=False)\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    with onward.open(tmp_path) as workspace:
        assert len(workspace.tracker().learning_events) == 1_000
        assert workspace.status().interactions == 1


def test_closing_takes_all_that_was_accepted(tmp_path: Path) -> None:
    accepted = [0] * 4
    with onward.open(tmp_path) as workspace:
        tracker = LearningProgressTracker(workspace=workspace, durable=False)

        def record(number: int) -> None:
            with suppress(Unavailable):
                while True:
                    tracker.record_learning_event("a", 0.5, 0.1)
                    accepted[number] += 1

        threads = [threading.Thread(target=record, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        while sum(accepted) < 5_000:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    with onward.open(tmp_path) as workspace:
        assert len(workspace.tracker().learning_events) == sum(accepted)


def test_a_batch_is_all_or_none_however_large(workspace: Workspace) -> None:
    tracker = LearningProgressTracker(workspace=workspace)
    many = [{"task_type": "a", "performance_score": 0.5, "learning_rate": 0.1}] * 12_000
    assert tracker.record_learning_events(many) == 12_000
    with pytest.raises(InvalidInput, match="that Unicode knows"):
        tracker.record_learning_events([*many, {**many[0], "task_type": "\ud800"}])
    assert len(tracker.learning_events) == 12_000


def test_texts_of_numpy_are_texts(tracker: LearningProgressTracker, tmp_path: Path) -> None:
    for name in np.array(["a", "b"]):
        tracker.record_learning_event(name, 0.5, 0.1)
        tracker.create_goal(name, target_performance=1.0)
        tracker.update_goal_progress(name, 0.5)
        tracker.log_metric(name, 1.0, task_id=name)
    assert list(tracker.goals) == ["a", "b"]
    assert tracker.goals[0] == tracker.goals["a"]
    assert tracker.export_learning_data(tmp_path / "out.json").exists()


def test_configurations_are_kept_as_they_were(tracker: LearningProgressTracker) -> None:
    layers = [1, 2]
    tracker.configure_experiment("e", {"rate": np.float32(0.5), "layers": layers})
    layers.append(3)
    assert tracker.get_experiments() == {"e": {"rate": 0.5, "layers": [1, 2]}}
    with pytest.raises(InvalidInput, match=r"The metadata is \[1\]"):
        tracker.configure_experiment("e", [1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "call",
    [
        lambda tracker: tracker.record_learning_event([], 0.5, 0.1),
        lambda tracker: tracker.record_learning_event("a", np.array([0.5, 0.6]), 0.1),
        lambda tracker: tracker.record_learning_event("a", 0.5, 10**5000),
        lambda tracker: tracker.record_learning_event("a", 0.5, 0.1, 10**400),
        lambda tracker: tracker.record_learning_event("a", 0.5, 0.1, 1.5),
        lambda tracker: tracker.record_learning_event("a", 0.5, Decimal("sNaN")),
        lambda tracker: tracker.record_learning_event("a", 0.5, 0.1, timestamp=1e14),
        lambda tracker: tracker.record_learning_events(None),
        lambda tracker: tracker.log_metric("m", 10**400),
        lambda tracker: tracker.log_metric("m", 1, metadata=[1]),
        lambda tracker: tracker.log_metric("m", 1, metadata="hello"),
        lambda tracker: tracker.update_goal_progress([], 1),
        lambda tracker: tracker.get_learning_curve("a", math.nan),
        lambda tracker: tracker.get_learning_curve("a", "3"),
    ],
)
def test_odd_input_is_told(tracker: LearningProgressTracker, call: Callable[[Any], object]) -> None:
    with pytest.raises(InvalidInput):
        call(tracker)
    assert len(tracker.learning_events) == 0


@pytest.mark.parametrize("tenant", [None, "", 5, "a\0b"])
def test_tenants_that_cannot_be(workspace: Workspace, tenant: Any) -> None:
    with pytest.raises(InvalidInput, match="tenant is"):
        LearningProgressTracker(workspace=workspace, tenant=tenant)


def test_events_can_be_recorded_again(tracker: LearningProgressTracker) -> None:
    tracker.record_learning_event("a", 0.5, 0.1, optimizer="adam")
    (event,) = tracker.learning_events
    tracker.record_learning_events([event.to_dict()])
    assert tracker.learning_events[1] == event
    assert pickle.loads(pickle.dumps(event)) == copy.deepcopy(event) == event
    assert len({event, event}) == 1


def test_a_callback_that_records_is_not_told_of_it(tracker: LearningProgressTracker) -> None:
    tracker.on("event", lambda _: tracker.record_learning_event("b", 0.1, 0.1))
    tracker.record_learning_event("a", 0.5, 0.1)
    assert [event.task_type for event in tracker.learning_events] == ["a", "b"]


def test_reading_leaves_the_loss_to_flush(workspace: Workspace) -> None:
    tracker = LearningProgressTracker(workspace=workspace, durable=False)
    database = workspace.house.storage.database
    refuse = "CREATE TRIGGER full BEFORE INSERT ON measurements BEGIN SELECT RAISE(ABORT, 'no room'); END"
    database.write(lambda c: c.exec_driver_sql(refuse))
    tracker.record_learning_event("a", 0.5, 0.1)
    assert len(tracker.learning_events) == 0
    with pytest.raises(OnwardError, match="buffered are lost"):
        tracker.flush()


def test_a_forked_child_records_in_memory() -> None:
    tracker, stop = LearningProgressTracker(), threading.Event()

    def record() -> None:
        while not stop.is_set():
            tracker.record_learning_event("a", 0.5, 0.1)

    thread = threading.Thread(target=record)
    thread.start()
    try:
        for _ in range(10):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # newer Pythons warn of forks among threads
                child = os.fork()
            if not child:
                signal.alarm(20)
                tracker.record_learning_event("child", 0.5, 0.1)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0
    finally:
        stop.set()
        thread.join()
