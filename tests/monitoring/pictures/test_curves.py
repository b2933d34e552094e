from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("matplotlib")

from tests.monitoring.pictures.drawn import BEGIN, has_colour, panel, picture, pixels, said, tracked

from onward.monitoring.pictures._curves import spread
from onward.monitoring.pictures._figure import COLOURS

DAY = 86_400.0


def test_each_line_runs_where_its_scores_are():
    levels = (0.9, 0.5, 0.2)
    tracker = tracked(count=1)
    for name, level in zip("abc", levels, strict=True):
        times = BEGIN + 60.0 * np.arange(200)
        columns = {"task_type": name, "performance_score": [level] * 200, "learning_rate": 0.1, "timestamp": times}
        tracker.record_learning_events(columns)
    figure = picture(tracker)
    axes = panel(figure, "Score by task")
    for level, colour in zip(levels, COLOURS, strict=False):
        for minute in (20, 100, 180):
            assert has_colour(figure, axes, (BEGIN + 60.0 * minute) / DAY, level, colour)
    assert not has_colour(figure, axes, (BEGIN + 6000.0) / DAY, 0.7, COLOURS[0])


def test_the_band_holds_every_peak_however_many_events_there_are():
    scores = np.full(100_000, 0.5)
    scores[70_000] = 1.0
    figure = picture(tracked("a", count=100_000, performance_score=scores))
    axes = panel(figure, "Score by task")
    seen = pixels(figure)
    column, row = axes.transData.transform(((BEGIN + 60.0 * 70_000) / DAY, 0.93)).astype(int)
    tinted = seen[row, column - 3 : column + 4]
    assert (tinted.min(axis=1) < 0.9).any()
    aside = seen[row, int(axes.transData.transform(((BEGIN + 60.0 * 20_000) / DAY, 0))[0])]
    assert np.allclose(aside, 1.0)


def test_names_stand_at_the_ends_with_the_latest_average():
    shown = said(picture(tracked("greetings", "refunds")))
    assert "0.93  greetings" in shown
    assert "0.91  refunds" in shown


def test_what_happened_is_marked():
    steps = np.concatenate([np.full(200, 0.5), np.full(200, 0.8), np.full(200, 0.6)])
    noisy = steps + np.random.default_rng(0).normal(0, 0.01, 600)
    figure = picture(tracked("a", count=600, performance_score=noisy))
    assert {"rose at once", "fell at once", "converged", "moving average", "lowest to highest"} <= set(said(figure))
    up, down = (
        [line for line in panel(figure, "Score by task").lines if line.get_marker() == mark and len(line.get_xdata())]
        for mark in "^v"
    )
    for (line,), event in ((up, 200), (down, 400)):
        assert line.get_xdata() == pytest.approx([(BEGIN + 60.0 * event) / DAY], abs=5 * 60 / DAY)


@pytest.mark.parametrize("seed", range(5))
def test_a_rise_is_no_change_of_level(seed):
    rng = np.random.default_rng(seed)
    scores = 0.9 - 0.6 * np.exp(-np.arange(600) / 150) + rng.normal(0, 0.03, 600)
    assert "rose at once" not in said(picture(tracked("a", count=600, performance_score=np.clip(scores, 0, 1))))


def test_events_without_times_of_their_own_are_numbered():
    axes = panel(picture(tracked("a", timed=False)), "Score by task")
    assert axes.get_xlabel() == "event"
    low, high = axes.get_xlim()
    assert low < 1
    assert high > 300
    assert panel(picture(tracked("a")), "Score by task").get_xlabel() == "time (UTC)"


places = st.lists(st.floats(0, 1), min_size=1, max_size=12).map(np.array)


@given(places=places, least=st.floats(0.001, 0.08))
def test_spread_places_are_apart_within_and_in_order(places, least):
    found = spread(places, least)
    ordered = np.sort(found)
    assert (np.diff(ordered) >= least * (1 - 1e-9)).all()
    assert ordered[0] >= 0
    assert ordered[-1] <= 1 + 1e-9
    assert (np.diff(found[np.argsort(places, kind="stable")]) > 0).all()


@given(places=places)
def test_places_that_are_apart_stay(places):
    apart = np.sort(places)[:1] if len(places) < 2 else np.linspace(0, 1, len(places))
    assert np.allclose(spread(apart, 0.05), apart)
