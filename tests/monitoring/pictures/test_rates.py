from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("matplotlib")

from tests.monitoring.pictures.drawn import BEGIN, has_colour, panel, picture, said, tracked

from onward.monitoring import LearningProgressTracker
from onward.monitoring.pictures import _rates
from onward.monitoring.pictures._figure import COLOURS

DAY = 86_400.0


def test_decades_are_drawn_on_a_logarithmic_scale():
    figure = picture(tracked("a"))
    axes = panel(figure, "Learning rate")
    assert axes.get_yscale() == "log"
    assert has_colour(figure, axes, (BEGIN + 60 * 40) / DAY, 0.1, COLOURS[0])
    assert has_colour(figure, axes, (BEGIN + 60 * 260) / DAY, 0.0001, COLOURS[0])


@pytest.mark.parametrize("rate", [[0.01] * 300, list(np.linspace(0.01, 0.05, 300))])
def test_less_than_a_decade_is_drawn_plainly(rate):
    axes = panel(picture(tracked("a", learning_rate=rate)), "Learning rate")
    assert axes.get_yscale() == "linear"
    low, high = axes.get_ylim()
    assert low < min(rate)
    assert max(rate) < high


def test_a_change_of_rate_is_never_passed_over():
    rate = np.full(5000, 0.1)
    rate[1234] = 0.2
    axes = panel(picture(tracked("a", count=5000, learning_rate=rate)), "Learning rate")
    assert max(axes.lines[0].get_ydata()) == 0.2
    restless = np.random.default_rng(0).uniform(0.1, 0.2, 5000)
    (line,) = panel(picture(tracked("a", count=5000, learning_rate=restless)), "Learning rate").lines
    assert len(line.get_ydata()) == _rates.POINTS


def test_beyond_the_newest_it_says_so(monkeypatch):
    monkeypatch.setattr(_rates, "NEWEST", 100)
    figure = picture(tracked("a", "b", timed=False))
    assert "newest 100 events" in said(figure)
    first, second = panel(figure, "Learning rate").lines
    assert len(first.get_xdata()) == 0
    assert second.get_xdata()[0] > 200


def test_without_events_it_says_so():
    tracker = LearningProgressTracker()
    tracker.create_goal("g", target_performance=1.0)
    assert said(picture(tracker)).count("No event was recorded yet.") == 3
