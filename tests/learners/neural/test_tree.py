"""States taken apart into JSON and tensors come back as they were."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onward.core import Damaged, InvalidInput
from onward.learners.neural import put_together, taken_apart

LEAVES = st.none() | st.booleans() | st.text() | st.integers() | st.floats(allow_nan=False)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers(-(2**53) + 1, 2**53 - 1), inner)
    ),
    max_leaves=20,
)


def back(value: Any) -> Any:
    """There, through JSON, and back."""
    tensors: dict[str, torch.Tensor] = {}
    said = taken_apart(value, "it", tensors)
    return put_together(json.loads(json.dumps(said)), tensors)


@given(TREES)
def test_any_tree_comes_back(tree: Any) -> None:
    found = back(tree)
    assert found == tree
    assert repr(found) == repr(tree)


def test_tensors_and_arrays_come_back_bit_for_bit() -> None:
    generator = torch.Generator().manual_seed(3)
    tree = {
        "grey": torch.randn(2, 3, dtype=torch.bfloat16),
        1: (torch.randn(3, 2).t(), torch.arange(4), torch.tensor(2.5, dtype=torch.float64)),
        "generator": generator.get_state(),
    }
    found = back(tree)
    assert torch.equal(found["grey"], tree["grey"])
    assert all(torch.equal(one, other) for one, other in zip(found[1], tree[1], strict=True))
    assert torch.equal(found["generator"], tree["generator"])
    words = np.random.RandomState(1).get_state()[1]
    assert np.array_equal(back([words])[0], words)
    assert back(np.float64(0.1)) == 0.1


def test_what_lies_in_one_place_comes_back_twice() -> None:
    values, numbers = torch.arange(6.0), np.arange(3.0)
    tensors: dict[str, torch.Tensor] = {}
    said = [taken_apart(part, name, tensors) for name, part in (("a", [values, values]), ("b", [values, numbers]))]
    said.append(taken_apart([numbers, values[:2]], "c", tensors))
    assert len({tensor.untyped_storage().data_ptr() for tensor in tensors.values()}) == len(tensors) == 6
    found = [part for one in said for part in put_together(one, tensors)]
    for one, other in zip(found, (values, values, values, numbers, numbers, values[:2]), strict=True):
        assert np.array_equal(one, other)


def test_twice_as_many_tensors_take_twice_the_work() -> None:
    def calls(count: int) -> int:
        many, seen = [torch.zeros(1) for _ in range(count)], Counter[str]()
        sys.setprofile(lambda frame, event, about: seen.update([event]))
        try:
            taken_apart(many, "it", {})
        finally:
            sys.setprofile(None)
        return seen["call"] + seen["c_call"]

    assert calls(200) < 2.2 * calls(100)


def test_numpy_generators_can_be_gone_on_with() -> None:
    one, other = np.random.default_rng(5), np.random.default_rng(6)
    other.bit_generator.state = back(one.bit_generator.state)
    assert one.random() == other.random()


def test_what_is_no_number_comes_back() -> None:
    assert math.isnan(back(math.nan))
    assert back([math.inf, -math.inf]) == [math.inf, -math.inf]


@pytest.mark.parametrize("odd", [object(), {1.5}, np.array(["a"]), {"a": {(1, 2): 3}}, 1j])
def test_what_cannot_be_kept_is_refused(odd: Any) -> None:
    with pytest.raises(InvalidInput, match="cannot be kept in a checkpoint"):
        back(odd)


@pytest.mark.parametrize(
    "said",
    [{}, {"tensor": "gone"}, {"array": []}, {"int": "x"}, {"float": None}, {"dict": 3}, {"dict": [[1]]}, {"list": 1},
     {"tuple": None}, {"other": 1}, {"list": [], "tuple": []}],
)  # fmt: skip
def test_what_nobody_took_apart_is_damaged(said: Any) -> None:
    with pytest.raises(Damaged, match="not whole"):
        put_together(said, {})
