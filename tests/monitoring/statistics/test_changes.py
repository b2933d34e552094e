from __future__ import annotations

import numpy as np
import pytest
from benchmarks.series import FLAT, autoregressive, gaussian, length, stepping
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.monitoring.statistics import change_points


@pytest.mark.parametrize("kind", FLAT)
def test_series_without_a_change_have_none(kind: str) -> None:
    random = np.random.default_rng(1)
    found = [change_points(FLAT[kind](length(random), random)) for _ in range(120)]
    assert sum(map(bool, found)) < 18  # a rate of 5 % gives 18 of 120 once in 10,000 times


@pytest.mark.parametrize(("by", "points", "rho", "least"), [(2, 60, 0.0, 0.8), (1, 800, 0.0, 0.9), (3, 400, 0.6, 0.8)])
def test_a_step_is_found_where_it_is(by: float, points: int, rho: float, least: float) -> None:
    random, make = np.random.default_rng(2), stepping(autoregressive(rho), by, 0.6)
    found = [change_points(make(points, random)) for _ in range(50)]
    assert sum(len(changes) == 1 for changes in found) >= 50 * least
    off = [abs(changes[0].index - 0.6 * points) for changes in found if len(changes) == 1]
    assert np.median(off) <= 0.03 * points


def test_opposite_steps_do_not_hide_each_other() -> None:
    random = np.random.default_rng(3)
    values = gaussian(2000, random) + 3 * (np.arange(2000) // 400 % 2)
    times = 1e9 + 60.0 * np.arange(2000)
    found = change_points(values, times)
    assert [change.index for change in found] == pytest.approx([400, 800, 1200, 1600], abs=5)
    assert [change.time for change in found] == [times[change.index] for change in found]
    assert [change.before for change in found] == pytest.approx([0, 3, 0, 3], abs=0.3)
    assert [change.after for change in found] == pytest.approx([3, 0, 3, 0], abs=0.3)
    assert all(change.p_value <= 0.05 for change in found)
    surest = sorted(change.p_value for change in found)[:2]
    assert [change.p_value for change in change_points(values, at_most=2)] == pytest.approx(sorted(surest), abs=1)
    assert len(change_points(values, at_most=2)) == 2


def test_a_clean_step() -> None:
    (found,) = change_points([0.8] * 30 + [0.7] * 30)
    assert (found.index, found.time) == (30, None)
    assert (found.before, found.after) == pytest.approx((0.8, 0.7))


@pytest.mark.parametrize("values", [[], [1.0], [0.0] * 9 + [1.0] * 10, [0.1] * 500])
def test_too_few_or_equal_points_have_no_change(values: list[float]) -> None:
    assert change_points(values) == ()


@given(st.lists(st.integers(-50, 50), min_size=20, max_size=80), st.integers(-10, 10), st.integers(-100, 100))
def test_units_do_not_matter(values: list[int], power: int, shift: int) -> None:
    moved = [(value + shift) * 2.0**power for value in values]
    before, after = change_points(values), change_points(moved)
    assert [(change.index, change.p_value) for change in after] == [(c.index, c.p_value) for c in before]


@given(st.lists(st.floats(-1e100, 1e100), max_size=300))
def test_any_finite_series_can_be_searched(values: list[float]) -> None:
    found = change_points(values)
    assert [change.index for change in found] == sorted({change.index for change in found})
    assert all(0 < change.index < len(values) for change in found)


@pytest.mark.parametrize("at_most", [0, -1, 1.5, True, None])
def test_a_number_of_changes_is_asked_for(at_most: object) -> None:
    with pytest.raises(InvalidInput, match="at_most is"):
        change_points([1.0], at_most=at_most)
