from __future__ import annotations

import json

import numpy as np
import pytest
from benchmarks.series import Series, gaussian, rising
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.monitoring.statistics import ConvergenceWatch


def told(values: Series, watch: ConvergenceWatch) -> list[int]:
    return [at for at, value in enumerate(values.tolist()) if watch.update(value)]


def test_it_tells_once_and_again_when_learning_resumed() -> None:
    random, watch = np.random.default_rng(1), ConvergenceWatch(tolerance=0.025)
    first = 0.5 - 0.5 * np.exp(-np.arange(1500) / 60) + 0.02 * gaussian(1500, random)
    (at,) = told(first, watch)
    assert 300 <= at < 1500
    assert watch.converged
    better = 0.8 - 0.3 * np.exp(-np.arange(1500) / 60) + 0.02 * gaussian(1500, random)
    assert len(told(better, watch)) == 1
    worse = 0.2 + 0.02 * gaussian(1500, random)
    assert len(told(worse, watch)) == 1


def test_a_level_that_is_left_is_no_longer_converged() -> None:
    random, watch = np.random.default_rng(2), ConvergenceWatch(tolerance=1.0)
    told(gaussian(600, random), watch)
    assert watch.converged
    told(5 + gaussian(150, random), watch)
    assert not watch.converged


def test_a_slow_rise_is_seldom_called_converged() -> None:
    random, make = np.random.default_rng(3), rising(gaussian, 12.5)  # 1.25 standard deviations in each of ten windows
    found = [told(make(2000, random), ConvergenceWatch()) for _ in range(60)]
    assert sum(map(bool, found)) <= 8  # a rate of 5 % gives 9 of 60 once in 300 times
    flat = [told(gaussian(2000, random), ConvergenceWatch()) for _ in range(20)]
    assert sum(map(len, flat)) == pytest.approx(20, abs=2)


@given(st.integers(0, 700), st.integers(0, 3))
def test_it_goes_on_where_it_was_kept(cut: int, seed: int) -> None:
    values = np.random.default_rng(seed).standard_normal(700)
    whole, first, second = ConvergenceWatch(window=100), ConvergenceWatch(window=100), ConvergenceWatch()
    expected = told(values, whole)
    before = told(values[:cut], first)
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert before + [cut + at for at in told(values[cut:], second)] == expected
    assert second.state_dict() == whole.state_dict()
    assert second.converged == whole.converged


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e200, None, "one", [1.0], 10**400])
def test_what_is_no_number_changes_nothing(value: object) -> None:
    watch = ConvergenceWatch()
    watch.update(1)
    before = watch.state_dict()
    with pytest.raises(InvalidInput):
        watch.update(value)
    assert watch.state_dict() == before


@pytest.mark.parametrize(
    "change",
    [
        {"window": 3},
        {"tolerance": -1},
        {"level": 2},
        {"values": [None]},
        {"values": 5},
        {"waiting": "x"},
        {"waiting": None},
        {"extremes": None},
        {"extremes": [1]},
        {"standing": [1.0]},
        {"standing": 5},
        {"standing": ["a", 2]},
    ],
)
def test_a_state_that_cannot_be_read_changes_nothing(change: dict[str, object]) -> None:
    watch = ConvergenceWatch()
    told(np.ones(300), watch)
    state = watch.state_dict()
    with pytest.raises(InvalidInput):
        watch.load_state_dict({**state, **change})
    key = next(iter(change))
    with pytest.raises(InvalidInput, match=f"lacks {key}"):
        watch.load_state_dict({name: part for name, part in state.items() if name != key})
    assert watch.state_dict() == state


def test_bad_settings_are_named() -> None:
    with pytest.raises(InvalidInput, match="window is 10"):
        ConvergenceWatch(window=10)
    with pytest.raises(InvalidInput, match="level is 1"):
        ConvergenceWatch(level=1)
