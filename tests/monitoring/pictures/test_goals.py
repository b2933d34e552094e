from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

pytest.importorskip("matplotlib")

from tests.monitoring.pictures.drawn import has_colour, panel, picture, said, tracked

from onward.monitoring import LearningProgressTracker
from onward.monitoring.pictures._figure import TRACK
from onward.monitoring.pictures._goals import DONE, UNDERWAY


class Hours:
    """A clock that goes on by an hour whenever it is asked."""

    def __init__(self):
        self.at = datetime(2026, 3, 1, tzinfo=UTC)

    def now(self):
        self.at += timedelta(hours=1)
        return self.at


def test_bars_say_how_far_each_is_what_it_asks_for_and_when():
    tracker = LearningProgressTracker(clock=Hours())
    tracker.create_goal("accuracy", target_performance=0.9)
    for step in range(40):
        tracker.update_goal_progress("accuracy", 0.4 + 0.01 * step + 0.001 * (-1) ** step)
    tracker.create_goal("loss", target_performance=0.2, direction="minimize")
    tracker.update_goal_progress("loss", 0.4)
    tracker.create_goal("done", target_performance=0.5)
    tracker.update_goal_progress("done", 0.6)
    tracker.create_goal("new", target_performance=1.0)
    figure = picture(tracker)
    shown = said(figure)
    assert "88 %   0.789, wanted ≥ 0.9   about 2026-03-03 04:00Z" in shown
    assert "50 %   0.4, wanted ≤ 0.2   no estimate" in shown
    assert "100 %   0.6, wanted ≥ 0.5   reached 2026-03-02 21:00Z" in shown
    assert "0 %   -, wanted ≥ 1   no estimate" in shown
    axes = panel(figure, "Goals")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["accuracy", "loss", "new", "done"]
    assert has_colour(figure, axes, 40, 0, UNDERWAY)
    assert has_colour(figure, axes, 70, -1, TRACK)
    assert not has_colour(figure, axes, 70, -1, UNDERWAY)
    assert has_colour(figure, axes, 95, -3, DONE)


def test_of_many_goals_those_that_are_not_reached_come_first():
    tracker = tracked("a")
    for number in range(20):
        tracker.create_goal(f"goal {number:02}", target_performance=0.5)
        tracker.update_goal_progress(f"goal {number:02}", 0.6 if number < 10 else 0.1)
    figure = picture(tracker)
    shown = [label.get_text() for label in panel(figure, "Goals").get_yticklabels()]
    assert shown == [f"goal {number:02}" for number in (*range(10, 20), *range(6))]
    assert "and 4 more" in said(figure)


def test_no_goal_is_said():
    assert "No goal is set." in said(picture(tracked("a")))


def test_an_end_beyond_any_calendar_is_a_far_future():
    class Centuries(Hours):
        def now(self):
            self.at += timedelta(days=20_000)
            return self.at

    tracker = LearningProgressTracker(clock=Centuries())
    tracker.create_goal("slow", target_performance=1000.0)
    for step in range(30):
        tracker.update_goal_progress("slow", 0.01 * step)
    assert any("in a far future" in text for text in said(picture(tracker)))
