from __future__ import annotations

import numpy as np
import pytest
from benchmarks.series import autoregressive, gaussian, learning, rising
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.monitoring.statistics import time_to_reach


@pytest.mark.parametrize("rho", [0.0, 0.6])
def test_the_interval_holds_the_true_moment(rho: float) -> None:
    random, make, dated, missed = np.random.default_rng(1), rising(autoregressive(rho), 10.0), 0, 0
    for _ in range(100):
        found = time_to_reach(make(200, random), None, 20.0, direction="maximize")
        if found.interval is not None and found.at is not None:
            dated += 1
            missed += not found.interval[0] <= 199 <= found.interval[1]
            assert found.interval[0] <= found.at <= found.interval[1]
    assert dated >= 95
    assert missed <= 14  # 5 % gives more than 14 of 100 once in 5,000 times


def test_with_times_the_moment_is_a_time() -> None:
    values = [1.0 - 0.001 * at for at in range(100)]
    times = [1.7e9 + 60.0 * at for at in range(100)]
    found = time_to_reach(values, times, 0.5, direction="minimize")
    assert found.at == pytest.approx(1.7e9 + 60 * 500)
    assert found.interval == pytest.approx((found.at, found.at))
    assert "slope" in found.reason


def test_reached_already() -> None:
    assert time_to_reach([0.9] * 20, None, 0.8, direction="maximize").at == 0.0
    assert time_to_reach([0.9] * 3, [1, 2, 7], 0.9, direction="minimize").interval == (7.0, 7.0)


def test_the_line_has_reached_it() -> None:
    found = time_to_reach([float(at) for at in range(100)], None, 96.0, direction="maximize")
    assert (found.at, found.reason) == (0.0, "The trend's line has reached the target.")


@pytest.mark.parametrize(
    ("values", "direction", "told"),
    [
        ([], "maximize", "too short to tell"),
        ([0.1, 0.2], "maximize", "too short to tell"),
        ([0.5] * 50, "maximize", "flat"),
        ([-float(at) for at in range(50)], "maximize", "falling"),
        ([float(at) for at in range(50)], "minimize", "rising"),
    ],
)
def test_no_trend_that_leads_there(values: list[float], direction: str, told: str) -> None:
    target = 0.9 if direction == "maximize" else -5.0
    found = time_to_reach(values, None, target, direction=direction)
    assert (found.at, found.interval) == (None, None)
    assert told in found.reason


def test_a_series_that_has_levelled_off() -> None:
    random = np.random.default_rng(2)
    told = []
    for _ in range(20):
        values = 0.8 - 0.4 * np.exp(-np.arange(1600) / 200) + 0.02 * gaussian(1600, random)
        told.append(time_to_reach(values, None, 0.9, direction="maximize"))
    assert sum(one.at is None or one.at > 1600 for one in told) >= 18
    assert any("levelled off" in one.reason for one in told)


def test_a_curve_that_bends_is_followed_where_it_is() -> None:
    random = np.random.default_rng(5)
    values = np.r_[np.linspace(0, 1, 200), np.linspace(1, 1.2, 200)] + 0.01 * gaussian(400, random)
    found = time_to_reach(values, None, 1.3, direction="maximize")
    assert found.at == pytest.approx(100, rel=0.2)


def test_equal_times_have_no_speed() -> None:
    found = time_to_reach(range(50), [3.0] * 50, 90.0, direction="maximize")
    assert (found.at, found.interval) == (None, None)
    assert "All times are equal" in found.reason


def test_a_noisy_series_may_have_no_latest_time() -> None:
    random = np.random.default_rng(3)
    told = [time_to_reach(learning(600, random), None, 1.5, direction="maximize") for _ in range(40)]
    open_ended = [one for one in told if one.at is not None and one.interval is None]
    assert open_ended
    assert all("no latest" in one.reason for one in open_ended)


def test_a_sure_direction_without_a_slope() -> None:
    values = [*(float(at) for at in range(35)), -1.0]
    times = [0.0] * 35 + [3600.0]  # by time, all that is known is one fall
    found = time_to_reach(values, times, 200.0, direction="maximize")
    assert (found.at, found.interval) == (None, None)
    assert "cannot be told from none" in found.reason


def test_a_short_series_is_taken_whole() -> None:
    assert time_to_reach([float(at) for at in range(30)], None, 59.0, direction="maximize").at == pytest.approx(30)


@given(
    st.lists(st.floats(-1e100, 1e100), max_size=120),
    st.floats(-1e100, 1e100),
    st.sampled_from(["maximize", "minimize"]),
)
def test_any_finite_series_has_an_answer(values: list[float], target: float, direction: str) -> None:
    found = time_to_reach(values, None, target, direction=direction)
    assert found.reason
    assert found.at is None or found.at >= 0
    assert found.interval is None or found.interval[0] <= found.interval[1]


@pytest.mark.parametrize("target", [float("nan"), float("inf"), True, "1", None])
def test_a_target_is_a_number(target: object) -> None:
    with pytest.raises(InvalidInput, match="target is"):
        time_to_reach([1.0], None, target, direction="maximize")


def test_an_unknown_direction_lists_the_known() -> None:
    with pytest.raises(InvalidInput, match="Known: maximize, minimize"):
        time_to_reach([1.0], None, 1.0, direction="up")


def test_right_and_wrong_have_a_level_too() -> None:
    random = np.random.default_rng(6)
    values = (random.random(2000) < np.linspace(0.2, 0.8, 2000)).astype(int)
    found = time_to_reach(values, None, 0.95, direction="maximize")
    assert found.at == pytest.approx(500, rel=0.5)
