from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.signal import lfilter

from onward.core import InvalidInput
from onward.schedules import ExponentialMovingAverage, exponential_moving_average

series = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=30)
decays = st.floats(0, 0.999)


@given(series, decays)
def test_corrected_is_the_weighted_mean(values: list[float], decay: float) -> None:
    found = exponential_moving_average(values, decay)
    for end in range(1, len(values) + 1):
        weights = decay ** np.arange(end - 1, -1, -1.0)
        assert found[end - 1] == pytest.approx(np.average(values[:end], weights=weights), rel=1e-9, abs=1e-6)


@given(series, decays)
def test_uncorrected_is_the_recursion_from_the_first(values: list[float], decay: float) -> None:
    expected, _ = lfilter([1 - decay], [1, -decay], values, zi=[decay * values[0]])
    assert exponential_moving_average(values, decay, corrected=False) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@given(series, decays, st.booleans())
def test_an_average_stays_within_what_it_is_of(values: list[float], decay: float, corrected: bool) -> None:
    for end, average in enumerate(exponential_moving_average(values, decay, corrected=corrected), 1):
        slack = 1e-9 * max(map(abs, values))
        assert min(values[:end]) - slack <= average <= max(values[:end]) + slack


@given(series, decays, st.booleans())
def test_arrays_and_mappings_are_averaged_part_by_part(values: list[float], decay: float, corrected: bool) -> None:
    numbers = exponential_moving_average(values, decay, corrected=corrected)
    nested = [{"a": np.array([[one, -one]]), "b": {"c": one}} for one in values]
    for average, number in zip(exponential_moving_average(nested, decay, corrected=corrected), numbers, strict=True):
        assert average["a"].tolist() == [[number, -number]]  # type: ignore[union-attr]
        assert average["b"] == {"c": number}


def test_whole_numbers_become_floats_and_floats_keep_their_type() -> None:
    average = ExponentialMovingAverage(0.5)
    first = average.update({"i": np.array([1, 2]), "f": np.ones(2, np.float32), "n": 3})
    assert [first[key].dtype for key in "if"] == [np.float64, np.float32]
    assert type(first["n"]) is float
    second = average.update({"i": np.array([2, 2]), "f": np.zeros(2, np.float32), "n": np.float32(3)})
    assert second["f"].dtype == np.float32
    restored = ExponentialMovingAverage(0.5)
    restored.load_state_dict(json.loads(json.dumps(average.state_dict())))
    assert restored.value["f"].dtype == np.float32


@pytest.mark.parametrize("corrected", [False, True])
def test_arrays_without_a_dimension_stay_arrays(corrected: bool) -> None:
    average = ExponentialMovingAverage(0.5, corrected=corrected)
    for seen in range(4):
        found = average.update({"batches": np.array(seen), "scale": np.array(seen, np.float32)})
    assert [(type(found[key]), found[key].shape, found[key].dtype) for key in found] == [
        (np.ndarray, (), np.float64),
        (np.ndarray, (), np.float32),
    ]
    assert float(found["batches"]) == exponential_moving_average([0.0, 1, 2, 3], 0.5, corrected=corrected)[-1]


def test_nothing_is_shared() -> None:
    average, value = ExponentialMovingAverage(0.5, corrected=False), {"w": np.ones(2)}
    assert average.value is None
    given_out = average.update(value)
    value["w"][:] = 9
    given_out["w"][:] = 9
    average.value["w"][:] = 9
    assert average.value["w"].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (
            {"w": np.ones(3), "b": 1.0},
            r"the value\['w'\] is an array of shape \(3,\), and was an array of shape \(2,\)",
        ),
        ({"w": np.ones(2)}, r"the value is a mapping of \['w'\], and was a mapping of \['b', 'w'\]"),
        ({"w": 1.0, "b": 1.0}, r"the value\['w'\] is a number"),
        (1.0, "the value is a number, and was a mapping"),
        ({"w": np.array([1, np.nan]), "b": 1.0}, "numbers that are not finite"),
        ({"w": np.ones(2), "b": float("inf")}, r"The value\['b'\] is inf"),
        ({"w": np.ones(2), "b": "x"}, "is a str.*Known: a mapping of them, a number, a numpy array of numbers"),
        ({"w": np.array(["x"]), "b": 1.0}, "is a ndarray"),
        ({"w": np.ones(2), 1: 1.0}, r"has the keys \[1\]"),
        ([1.0], "is a list"),
        (1j, "is a complex"),
    ],
)
def test_what_does_not_fit_is_told_and_changes_nothing(bad: Any, message: str) -> None:
    average = ExponentialMovingAverage(0.5)
    average.update({"w": np.ones(2), "b": 1.0})
    before = average.state_dict()
    with pytest.raises(InvalidInput, match=message):
        average.update(bad)
    assert average.state_dict() == before


@pytest.mark.parametrize("decay", [-0.1, 1, 2, float("nan"), "x", None])
def test_a_decay_is_from_0_to_below_1(decay: Any) -> None:
    with pytest.raises(InvalidInput, match="decay is"):
        ExponentialMovingAverage(decay)


@pytest.mark.parametrize(
    "average",
    [
        {},
        "x",
        {"mapping": 3},
        {"array": [1], "shape": [2], "dtype": "float64"},
        {"array": [1], "shape": [1], "dtype": "no such"},
        {"array": ["x"], "shape": [1], "dtype": "float64"},
        {"array": [1.0]},
        [1.0],
    ],
)
def test_a_state_that_cannot_be_read_changes_nothing(average: Any) -> None:
    one = ExponentialMovingAverage(0.5)
    one.update(2.0)
    before = one.state_dict()
    for bad in ({**before, "average": average}, {**before, "updates": 0}, {**before, "updates": "1"}, {}):
        with pytest.raises(InvalidInput):
            one.load_state_dict(bad)
        assert one.state_dict() == before
