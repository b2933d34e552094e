"""Arrays in another byte order and columns of any name are taken, rows of different lengths are refused."""

from __future__ import annotations

import numpy as np
import pytest

from onward.core import InvalidInput
from onward.learners.neural import classes_of, column_names, columns_of, inputs_of, numbers_of


@pytest.mark.parametrize("dtype", [">f8", "<f8", ">i4", "<i4"])
def test_the_byte_order_does_not_matter(dtype: str) -> None:
    assert inputs_of(np.array([[1, 2]], dtype)).tolist() == [[1, 2]]
    assert classes_of(np.array([1, 2, 1], dtype))[1].tolist() == [0, 1, 0]


@pytest.mark.parametrize("taken", [inputs_of, classes_of])
def test_rows_of_different_lengths_are_refused(taken: object) -> None:
    with pytest.raises(InvalidInput, match="length"):
        taken([[1, 2], [3]])  # type: ignore[operator]


def test_columns_of_any_name() -> None:
    frame = {0: [1, 2], "size": [3.5, 4.5], ("a", 1): [True, False]}
    names = column_names(frame)
    assert names == [0, "size", ("a", 1)]
    assert numbers_of(columns_of(frame, names, names), names).tolist() == [[1, 3.5, 1], [2, 4.5, 0]]
