from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.learners.meta.strategy import Strategy
from onward.learners.meta.strategy._strategy import strategy_of


def test_it_is_a_plain_dictionary_of_six():
    told = Strategy(0.5, 4, 3, 0.0, {"b": "relu", "a": 2}, 0.25).to_dict()
    assert json.loads(json.dumps(told)) == told
    assert list(told) == [
        "learning_rate", "batch_size", "num_epochs", "regularization", "architecture_params", "confidence",
    ]  # fmt: skip
    assert list(told["architecture_params"]) == ["a", "b"]
    assert Strategy(**told) == Strategy(0.5, 4, 3, 0.0, {"a": 2, "b": "relu"}, 0.25)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("learning_rate", value) for value in (0, -1.0, math.nan, math.inf, "0.1", True)],
        *[(name, value) for name in ("batch_size", "num_epochs") for value in (0, 1.5, True, 2**60)],
        *[("regularization", value) for value in (-1e-9, math.nan, None)],
        *[("confidence", value) for value in (-0.1, 1.1, math.nan)],
        *[("architecture_params", value) for value in (3, {1: 2}, {"a": [1]}, {"a": math.inf}, {"a": None})],
    ],
)
def test_what_no_network_can_be_trained_with_is_refused(name, value):
    with pytest.raises(InvalidInput, match=name):
        Strategy(**{name: value})


def test_numbers_may_be_of_numpy():
    given = {"a": np.int64(4), "b": np.float64(0.5), "c": np.bool_(True), "d": "relu"}
    strategy = Strategy(np.float32(0.25), np.int64(4), np.uint8(3), np.float64(0), given, np.float32(0.5))
    assert strategy == Strategy(0.25, 4, 3, 0.0, {"a": 4, "b": 0.5, "c": True, "d": "relu"}, 0.5)
    assert json.loads(json.dumps(strategy.to_dict())) == strategy.to_dict()


def test_what_a_configuration_lacks_is_taken_from_the_defaults():
    defaults = Strategy(batch_size=7, architecture_params={"hidden": 9})
    assert strategy_of({"learning_rate": 0.5, "confidence": 0.9}, defaults) == Strategy(
        0.5, 7, architecture_params={"hidden": 9}
    )
    assert strategy_of(Strategy(0.5, confidence=0.9), defaults) == Strategy(0.5)


def test_an_unknown_setting_names_the_known():
    with pytest.raises(InvalidInput, match=r"momentum.*architecture_params.*Known: .*num_epochs"):
        strategy_of({"momentum": 0.9}, Strategy())


@given(
    st.builds(
        Strategy,
        st.floats(1e-300, 1e15),
        st.integers(1, 2**53),
        st.integers(1, 2**53),
        st.floats(0, 1e15),
        st.dictionaries(st.text(), st.integers(-9, 9) | st.text() | st.booleans()),
        st.floats(0, 1),
    )
)
def test_any_that_is_taken_is_given_back(strategy):
    assert Strategy(**strategy.to_dict()) == strategy
    assert strategy_of(strategy, Strategy()).configuration() == strategy.configuration()
