from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.monitoring import LearningProgressTracker
from onward.monitoring._seen import by_time, latest, see
from onward.monitoring.tracker import Source

A = Source("task", "a")


def _seen(scores, times=None, points=500, **more):
    tracker = LearningProgressTracker(**more)
    when = np.arange(len(scores)) * 60.0 if times is None else times
    tracker.record_learning_events(
        {"task_type": ["a"] * len(scores), "performance_score": scores, "learning_rate": 0.1, "timestamp": when}
    )
    return see(tracker.store, [A], points)[0]


@given(scores=st.lists(st.floats(0, 1), min_size=1, max_size=300), points=st.integers(1, 80))
def test_no_peak_is_lost_however_few_points_are_shown(scores, points):
    task = _seen(scores, points=points)
    assert len(task.times) == len(task.scores) == len(task.low) == len(task.high) <= max(points, 1)
    assert task.low.min() == min(scores)
    assert task.high.max() == max(scores)
    assert ((task.low - 1e-9 <= task.scores) & (task.scores <= task.high + 1e-9)).all()
    assert task.places[-1] == len(scores)
    assert (np.diff(task.times) >= 0).all()


def test_events_that_memory_let_go_still_count():
    task = _seen(np.linspace(0, 1, 300), max_history=100)
    assert (task.places[0], task.places[-1]) == (201, 300)


def test_a_step_is_found_where_it_is_and_what_it_added():
    rng = np.random.default_rng(0)
    level = np.where(np.arange(400) < 250, 0.8, 0.6) + rng.normal(0, 0.02, 400)
    (change,) = _seen(level).changed
    assert change.place == pytest.approx(251, abs=4)
    assert change.time == pytest.approx(250 * 60, abs=4 * 60)
    assert change.rise == pytest.approx(-0.2, abs=0.02)


def test_a_fall_after_a_slow_rise_is_a_fall():
    rng = np.random.default_rng(1)
    scores = 0.9 - 0.6 * np.exp(-np.arange(600) / 120) - np.where(np.arange(600) < 420, 0, 0.15)
    (change,) = _seen(np.clip(scores + rng.normal(0, 0.03, 600), 0, 1)).changed
    assert change.rise == pytest.approx(-0.15, abs=0.04)


def test_convergence_is_marked_on_the_curve():
    task = _seen([0.5] * 100)
    assert [mark.score for mark in task.converged] == [0.5]
    assert 1 <= task.converged[0].place <= 100


def test_the_latest_sources_stay_in_their_order():
    tracker = LearningProgressTracker()
    for name, time in (("a", 3.0), ("b", 1.0), ("c", 2.0)):
        tracker.record_learning_event(name, 0.5, 0.1, timestamp=time)
    found = tracker.store.summaries("task")
    assert [one.name for one in latest(found, list(found), 2)] == ["a", "c"]


@pytest.mark.parametrize(
    ("times", "timed"),
    [
        (np.arange(50) * 60.0, True),
        (np.arange(50) * 1e-5, False),
        (np.zeros(50), False),
        (np.repeat([0.0, 60.0], 25), False),
        (np.arange(50) - 3e9, False),
    ],
)
def test_time_is_shown_where_it_says_something(times, timed):
    assert by_time([_seen([0.5] * 50, times)]) is timed


def test_without_tasks_there_is_no_time():
    assert by_time([]) is False
