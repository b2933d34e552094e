from __future__ import annotations

import sys

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tests.monitoring.pictures.drawn import BEGIN, clashes, panel, picture, said, source, tracked

from onward.core import MissingExtra, NotFound
from onward.monitoring import LearningProgressTracker
from onward.monitoring.pictures import learning_figure

LONG = "a task whose name is so long that nobody would ever read it in one go"
PANELS = ["Score by task", "Distribution of scores", "Learning rate", "Goals"]


def _goals(tracker):
    tracker.create_goal("accuracy", target_performance=0.9)
    for step in range(40):
        tracker.update_goal_progress("accuracy", 0.5 + 0.005 * step)
    tracker.create_goal(f"{LONG}, as a goal", target_performance=0.1, direction="minimize")
    tracker.create_goal("done", target_performance=0.5)
    tracker.update_goal_progress("done", 0.6)
    return tracker


CASES = {
    "one task": lambda: _goals(tracked("only")),
    "three tasks": lambda: tracked("a", "b", "c"),
    "twelve tasks": lambda: _goals(tracked(*(f"task {n}" for n in range(12)))),
    "long names": lambda: _goals(tracked(f"{LONG}, one", f"{LONG}, two", "W" * 150, "日本語 $x$ and $y$ \x1b[31m\n")),
    "one event": lambda: tracked("only", count=1),
    "two events": lambda: tracked("only", count=2),
    "many events": lambda: tracked("only", count=100_000),
    "equal scores": lambda: tracked("a", "b", performance_score=[0.5] * 60, count=60),
    "the lowest scores": lambda: tracked("a", performance_score=[0.0] * 60, count=60),
    "twins": lambda: tracked(
        "a", "b", *(f"c{n}" for n in range(9)), performance_score=list(np.linspace(0, 1, 50)), count=50
    ),
    "no time passed": lambda: tracked("a", "b", timed=False),
    "no calendar": lambda: tracked("a", timestamp=2.5e11),
    "seconds": lambda: tracked("a", count=20, timestamp=list(BEGIN + np.arange(20) / 10)),
    "years": lambda: tracked("a", count=20, timestamp=list(1e8 * np.arange(20))),
    "backwards": lambda: tracked("a", count=50, timestamp=list(BEGIN - 60.0 * np.arange(50))),
    "only goals": lambda: _goals(LearningProgressTracker()),
    "thirty tasks": lambda: tracked(*(f"{n} {LONG}" for n in range(30)), count=20),
}


@pytest.mark.parametrize("case", CASES)
def test_four_panels_and_no_text_lies_on_another(case):
    figure = picture(CASES[case]())
    assert [axes.get_title(loc="left") for axes in figure.axes] == PANELS
    assert clashes(figure) == []


def test_the_head_says_what_was_seen():
    assert {"Learning progress", "1 task   1 event   2026-09-21 14:13Z"} <= set(said(picture(tracked("a", count=1))))
    two = said(picture(tracked("a", "b", count=2000)))
    assert "2 tasks   4,000 events   2026-09-21 14:13Z to 2026-09-22 23:32Z" in two
    assert "1 task   300 events" in said(picture(tracked("a", timestamp=2.5e11)))


def test_of_many_tasks_those_that_were_recorded_last_are_shown():
    tracker = tracked(*(f"task {n:02}" for n in range(20)), count=5)
    tracker.record_learning_event("task 03", 0.5, 0.1, timestamp=BEGIN + 1e6)
    figure = picture(tracker)
    assert any("16 of 20 tasks, those recorded last" in text for text in said(figure))
    shown = [label.get_text() for label in panel(figure, "Distribution of scores").get_yticklabels()]
    assert len(shown) == 16
    assert shown == sorted(shown)
    assert "task 03" in shown


def test_only_what_was_asked_for_is_drawn():
    tracker = tracked("a", "b")
    figure = learning_figure(tracker.store, [source("b")], [])
    assert [label.get_text() for label in panel(figure, "Distribution of scores").get_yticklabels()] == ["b"]


def test_nothing_to_draw_is_said():
    with pytest.raises(NotFound, match="nothing to draw"):
        picture(LearningProgressTracker())


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    tracker = tracked("a")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtra, match=r"onward\[plots\]"):
        picture(tracker)


def test_a_tracker_draws_and_saves(tmp_path):
    figure = tracked("a", "b").visualize_learning_progress(["b"], tmp_path / "b.png")
    assert (tmp_path / "b.png").read_bytes().startswith(b"\x89PNG")
    assert len(figure.axes) == 4
