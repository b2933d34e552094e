from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from benchmarks.series import FLAT, LONG, MIDDLE, MOVING, SHORT, Series, autoregressive, length, rising
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onward.core import InvalidInput
from onward.monitoring.statistics import trend

SERIES = 120
# So many alarms or more come from a test that keeps 5 % once in 10,000 times (binomial).
TOO_MANY = 18
finite = st.integers(-1000, 1000).map(float)
some = st.integers(4, 23).flatmap(lambda half: arrays(np.float64, 2 * half, elements=finite))


@pytest.mark.parametrize("span", [SHORT, MIDDLE, LONG])
@pytest.mark.parametrize("kind", FLAT)
def test_series_that_go_nowhere_raise_few_alarms(kind: str, span: tuple[int, int]) -> None:
    random = np.random.default_rng(1)
    found = [trend(FLAT[kind](length(random, *span), random)).direction for _ in range(SERIES)]
    assert sum(direction != "flat" for direction in found) < TOO_MANY


@pytest.mark.parametrize(
    ("kind", "points", "least"),
    [
        ("rises by 1.0 sd, independent", 200, 0.65),
        ("rises by 2.0 sd, independent", 50, 0.7),
        ("rises by 4.0 sd, AR(1) 0.6", 200, 0.9),
        ("rises by 8.0 sd, AR(1) 0.9", 200, 0.75),
        ("rises by 4, heavy tails (t, 2)", 50, 0.7),
        ("right or wrong, 60 % to 80 % right", 800, 0.55),
        ("learning curve of 20 sd, independent", 200, 0.9),
        ("step of 1 sd, independent", 800, 0.75),
        ("random walk, drift 0.3", 200, 0.8),
        ("random walk, drift 1", 50, 0.9),
    ],
)
def test_series_that_move_are_seen(kind: str, points: int, least: float) -> None:
    random = np.random.default_rng(2)
    found = [trend(MOVING[kind](points, random)).direction for _ in range(100)]
    assert found.count("rising") >= 100 * least
    assert found.count("falling") <= 1


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_the_interval_holds_the_true_slope(rho: float) -> None:
    random, make = np.random.default_rng(3), rising(autoregressive(rho), 3.0)
    found = [trend(make(200, random)).slope_interval for _ in range(SERIES)]
    assert sum(not low <= 3.0 / 199 <= high for low, high in found) < TOO_MANY


def test_a_straight_line() -> None:
    found = trend([0.5 + 0.25 * at for at in range(40)], [1.7e9 + 60 * at for at in range(40)])
    assert (found.direction, found.slope, found.slope_interval) == ("rising", 0.25, (0.25, 0.25))
    assert found.slope_per_hour == pytest.approx(15.0)
    assert found.points == 40
    assert found.level == 0.05
    assert found.recent_average == pytest.approx(0.5 + 0.25 * 34.5)
    assert found.confidence == 1 - found.p_value > 0.99


@pytest.mark.parametrize("values", [[], [1.0], [1, 2, 3, 4, 5, 6, 7]])
def test_too_few_points_tell_nothing(values: list[float]) -> None:
    found = trend(values, list(range(len(values))))
    assert (found.direction, found.p_value, found.points) == ("unknown", 1.0, len(values))
    assert found.recent_average == (np.mean(values) if values else 0.0)


@pytest.mark.parametrize("count", [8, 47, 513, 1001])
def test_equal_points_are_flat(count: int) -> None:
    found = trend([0.1] * count, range(count))
    assert (found.direction, found.slope, found.slope_interval, found.slope_per_hour) == ("flat", 0.0, (0.0, 0.0), 0.0)
    assert found.p_value == 1.0


@pytest.mark.parametrize("turn", [[1.0, 0.0], [0.9, 0.8, 0.85, 0.95]])
@pytest.mark.parametrize("count", [20, 200, 1000])
def test_scores_that_repeat_in_turn_are_flat(turn: list[float], count: int) -> None:
    assert trend(np.resize(turn, count)).direction == "flat"
    assert trend(-np.resize(turn, count)).direction == "flat"
    assert trend(np.resize(turn, count) + np.arange(count)).direction == "rising"


def test_equal_times_have_no_slope() -> None:
    assert trend(range(20), [5.0] * 20).slope_per_hour is None
    assert trend(range(20)).slope_per_hour is None


def test_some_equal_times() -> None:
    assert trend(range(20), [3600.0 * (at // 2) for at in range(20)]).slope_per_hour == pytest.approx(2.0, abs=0.3)


def test_right_and_wrong_have_a_slope_although_most_pairs_are_tied() -> None:
    random = np.random.default_rng(4)
    found = trend((random.random(800) < np.linspace(0.2, 0.9, 800)).astype(int))
    assert found.direction == "rising"
    assert found.slope == pytest.approx(0.7 / 800, rel=0.3)


def test_a_long_series_is_thinned() -> None:
    random = np.random.default_rng(5)
    found = trend(random.standard_normal(50_001) - np.linspace(0, 1, 50_001))
    assert (found.direction, found.points) == ("falling", 50_001)
    assert found.slope == pytest.approx(-1 / 50_000, rel=0.2)


def test_a_stricter_level_raises_fewer_alarms() -> None:
    values = np.random.default_rng(6).standard_normal(60) + np.linspace(0, 1.3, 60)
    p_value = trend(values).p_value
    assert trend(values, level=p_value).direction == "rising"
    assert trend(values, level=p_value * 0.99).direction == "flat"


@given(some, st.integers(-20, 20), st.integers(-1000, 1000))
def test_units_do_not_matter(values: Series, power: int, shift: int) -> None:
    scale, before = 2.0**power, trend(values)
    after = trend(values * scale + shift * scale)
    assert (after.direction, after.p_value) == (before.direction, before.p_value)
    assert after.slope == pytest.approx(before.slope * scale)
    assert after.slope_interval == pytest.approx([end * scale for end in before.slope_interval])


@given(some)
def test_read_backwards_it_goes_the_other_way(values: Series) -> None:
    before, after = trend(values), trend(values[::-1])
    assert after.p_value == pytest.approx(before.p_value)
    assert after.slope == pytest.approx(-before.slope, abs=1e-9)
    if abs(before.p_value - before.level) > 1e-6:
        turned = {"rising": "falling", "falling": "rising", "flat": "flat"}
        assert after.direction == turned[before.direction]


@given(some)
def test_the_same_series_gives_the_same_figures(values: Series) -> None:
    assert trend(values) == trend(list(values))


@settings(max_examples=200)
@given(st.lists(st.floats(-1e100, 1e100), max_size=600), st.sampled_from([0.001, 0.05, 0.5]))
def test_any_finite_series_has_a_trend(values: list[float], level: float) -> None:
    found = trend(values, level=level)
    assert 0 <= found.p_value <= 1
    assert found.slope_interval[0] <= found.slope <= found.slope_interval[1]
    assert all(map(math.isfinite, (found.slope, *found.slope_interval, found.recent_average)))


@given(st.lists(st.floats(), min_size=1, max_size=50))
def test_what_is_not_finite_is_refused(values: list[float]) -> None:
    if all(abs(value) <= 1e100 for value in values):
        trend(values)
    else:
        with pytest.raises(InvalidInput, match=r"values\[\d+\] is"):
            trend(values)


@pytest.mark.parametrize(
    ("ask", "told"),
    [
        (lambda: trend([[1, 2], [3, 4]]), "2 dimensions"),
        (lambda: trend(["1", "2"]), "not numbers"),
        (lambda: trend([1, None]), r"values\[1\] is nan"),
        (lambda: trend([1 + 2j]), "not numbers"),
        (lambda: trend([[1], [2, 3]]), "not numbers"),
        (lambda: trend([10**400]), "not numbers"),
        (lambda: trend(5), "0 dimensions"),
        (lambda: trend([1, 2], [1]), "1 times for 2 values"),
        (lambda: trend([1, 2, 3], [1, 3, 2]), r"times\[2\] lies before times\[1\]"),
        (lambda: trend([1, 2], [1, math.nan]), r"times\[1\] is nan"),
        *(
            (lambda level=level: trend([1], level=level), "level is")
            for level in (0, -1, 0.6, math.nan, True, "0.05", None)
        ),
    ],
)
def test_bad_input_is_named(ask: Callable[[], Any], told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        ask()
