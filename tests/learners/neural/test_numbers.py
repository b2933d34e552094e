"""Numbers and devices that cannot be used are refused; NumPy's numbers are as good as Python's."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.learners.neural import above, at_least, device_of, plain_number, plain_numbers, whole

NONE = st.text() | st.none() | st.booleans() | st.lists(st.integers(), max_size=2)
NOT_FINITE = st.sampled_from([float("nan"), float("inf"), -float("inf")])


@given(NONE | NOT_FINITE | st.floats(max_value=0))
def test_not_above_zero(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^it is "):
        above(other=1, it=value)


@given(NONE | NOT_FINITE | st.floats(max_value=2, exclude_max=True))
def test_not_at_least(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^it is .*at least 2\."):
        at_least(2, other=2, it=value)


@given(NONE | st.floats() | st.integers(max_value=2))
def test_not_whole(value: Any) -> None:
    with pytest.raises(InvalidInput, match=r"^it is .*from 3 on\."):
        whole(3, other=3, it=value)


@given(st.integers(1, 100), st.sampled_from([int, np.int8, np.uint16, np.int64]))
def test_whole_of_any_kind(value: int, kind: Any) -> None:
    whole(1, it=kind(value))
    whole(None, it=kind(value), other=-3)
    above(it=kind(value))
    at_least(1, it=kind(value), part=np.float16(1.5), other=Fraction(3, 2))
    assert type(plain_number(kind(value))) is int


def test_settings_become_plain() -> None:
    @dataclass(frozen=True, slots=True)
    class Settings:
        count: Any
        rate: Any
        yes: Any
        name: Any = "x"
        array: Any = None

    array = np.zeros(2)
    settings = Settings(np.int32(3), np.float64(0.5), np.bool_(True), array=array)
    plain_numbers(settings)
    assert settings.array is array
    assert repr((settings.count, settings.rate, settings.yes, settings.name)) == "(3, 0.5, True, 'x')"


@pytest.mark.parametrize("name", ["gpu", "", "cuda:99", 2.5, None])
def test_no_such_device(name: Any) -> None:
    with pytest.raises(InvalidInput, match=r"There is no device .* here\..*Name one of those that there are: cpu"):
        device_of(name)


def test_a_device() -> None:
    assert device_of("cpu") == device_of(torch.device("cpu")) == torch.device("cpu")
