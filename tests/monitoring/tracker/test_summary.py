import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.monitoring.tracker._summary import bins_of, quantiles


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(st.floats(0.01, 1e6), min_size=1, max_size=12),
    wanted=st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_quantiles_lie_between_few_values_as_numpy_has_them(values, wanted):
    found = quantiles(bins_of(np.array(values)), wanted, min(values), max(values))
    np.testing.assert_allclose(found, np.quantile(values, wanted), rtol=0.0051)


def test_one_slow_answer_of_ten_is_seen():
    seconds = np.array([0.1] * 9 + [5.0])
    assert quantiles(bins_of(seconds), [0.5, 0.95], 0.1, 5.0) == pytest.approx([0.1, 2.795], rel=0.005)
