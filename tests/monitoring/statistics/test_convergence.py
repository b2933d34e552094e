from __future__ import annotations

import numpy as np
import pytest
from benchmarks.series import autoregressive, gaussian, rising
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.monitoring.statistics import convergence

SERIES = 200


def share(rho: float, rise: float, window: int, tolerance: float | None = 1.0) -> float:
    random, make = np.random.default_rng(1), rising(autoregressive(rho), rise)
    told = [convergence(make(window, random), window=window, tolerance=tolerance) for _ in range(SERIES)]
    return sum(one.converged for one in told) / SERIES


@pytest.mark.parametrize("window", [100, 200, 500])
@pytest.mark.parametrize("rho", [0.0, 0.3, 0.6])
def test_a_series_that_rises_by_the_tolerance_is_rarely_called_converged(rho: float, window: int) -> None:
    assert share(rho, 1.0, window) < 0.12  # a rate of 5 % gives 24 of 200 once in 10,000 times
    assert share(rho, 1.5, window) < 0.02


@pytest.mark.parametrize(("rho", "window", "least"), [(0.0, 200, 0.6), (0.3, 500, 0.85), (0.6, 500, 0.4)])
def test_a_flat_series_converges_in_a_window_long_enough(rho: float, window: int, least: float) -> None:
    assert share(rho, 0.0, window) >= least
    assert share(rho, 0.0, window, None) >= least


def test_since_is_where_the_level_is_reached() -> None:
    random = np.random.default_rng(2)
    values = 0.9 - 0.6 * np.exp(-np.arange(1200) / 60) + 0.02 * gaussian(1200, random)
    assert not convergence(values[:150], window=100).converged
    found = convergence(values, window=200)
    assert found.converged
    assert found.since is not None
    assert 150 <= found.since <= 400
    assert found.window == 200
    assert 0 < found.spread < 0.02
    assert "within" in found.reason


def test_a_step_inside_the_window_is_a_spread() -> None:
    random = np.random.default_rng(3)
    values = gaussian(300, random) + 3.0 * (np.arange(300) > 200)
    found = convergence(values)
    assert (found.converged, found.since) == (False, None)
    assert "Parts of the window differ" in found.reason


def test_a_trend_within_the_tolerance_is_still_a_trend() -> None:
    random = np.random.default_rng(4)
    found = convergence(np.linspace(0, 1.5, 500) + gaussian(500, random), window=500, tolerance=4.0)
    assert not found.converged
    assert "still rises" in found.reason
    falls = convergence(np.linspace(1.5, 0, 500) + gaussian(500, random), window=500, tolerance=4.0)
    assert "still falls" in falls.reason


def test_too_noisy_to_tell() -> None:
    found = convergence(autoregressive(0.9)(100, np.random.default_rng(2)), window=100, tolerance=3.0)
    assert not found.converged
    assert "too noisy to tell" in found.reason


def test_a_trend_far_below_the_tolerance_is_none() -> None:
    assert convergence(np.linspace(0.8, 0.8001, 200), tolerance=0.01).converged


def test_the_end_of_a_noiseless_curve() -> None:
    curve = 1 - np.exp(-np.arange(1000) / 60)
    assert convergence(curve).converged
    assert not convergence(curve[:300]).converged


def test_equal_points_have_converged_since_the_start() -> None:
    found = convergence([0.3] * 205)
    assert (found.converged, found.spread) == (True, 0.0)
    assert found.since is not None
    assert found.since < 40


def test_fewer_points_than_the_window() -> None:
    found = convergence([0.3] * 199)
    assert (found.converged, found.since, found.reason) == (False, None, "199 points are too few for a window of 200.")


@given(st.lists(st.floats(-1e100, 1e100), min_size=0, max_size=120))
def test_any_finite_series_can_be_judged(values: list[float]) -> None:
    found = convergence(values, window=40)
    assert found.converged == (found.since is not None)
    assert found.spread >= 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"window": 39},
        {"window": 50.5},
        {"window": True},
        {"tolerance": -1},
        {"tolerance": float("nan")},
        {"tolerance": "1"},
        {"level": 0.3},
        {"level": 0},
        {"level": "x"},
    ],
)
def test_bad_settings_are_named(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match=f"{next(iter(wrong))} is"):
        convergence([1.0] * 300, **wrong)
