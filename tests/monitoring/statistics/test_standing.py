from __future__ import annotations

import numpy as np
import pytest

from onward.monitoring.statistics import Standing, standing


def test_too_few_values_leave_it_as_it_was() -> None:
    before = Standing(0.5, 0.1)
    assert standing([0.9] * 39, before, (0.0, 1.0)) is before
    assert standing([0.9] * 39, None, (0.0, 1.0)) is None


def test_it_settles_stays_and_leaves() -> None:
    random = np.random.default_rng(1)
    values = 0.8 + 0.02 * random.standard_normal(600)
    settled = standing(values[:200], None, (0.3, 0.8))
    assert settled is not None
    assert abs(settled.level - 0.8) < 0.01
    assert standing(values, settled, (0.3, 0.8)) is settled
    assert standing(values - 0.1, settled, (0.3, 0.8)) is None


def test_a_rise_through_its_level_is_learning_again() -> None:
    rise = np.linspace(0.7, 0.9, 200)
    assert standing(rise, Standing(0.8, 0.05), (0.3, 0.9)) is None
    assert standing(rise, None, (0.3, 0.9)) is None


def test_only_the_window_counts() -> None:
    values = [0.2] * 300 + [0.8] * 100
    assert standing(values, None, (0.2, 0.8), window=100) == pytest.approx((0.8, 0.006))
    assert standing(values, None, (0.2, 0.8)) is None
