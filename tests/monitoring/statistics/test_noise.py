from __future__ import annotations

import numpy as np
import pytest

from onward.monitoring.statistics._noise import GRID, margin, noise, table, tail
from onward.monitoring.statistics._numbers import block_means, scores, thinning
from onward.monitoring.statistics._pairs import kendall, rises, wandering


@pytest.mark.parametrize("split", [0, 5])
@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_the_table_is_what_simulation_gives(split: int, rho: float) -> None:
    random, count = np.random.default_rng(1), 16
    apart = np.abs(np.subtract.outer(np.arange(count), np.arange(count)))
    drawn = random.standard_normal((40_000, count)) @ np.linalg.cholesky(rho**apart).T
    expected, at = table(count, split), int(np.argmin(np.abs(GRID - rho)))
    contrast = np.arange(count) - 7.5 if split == 0 else np.where(np.arange(count) < 5, -1 / 5, 1 / 11)
    left = drawn @ expected.residual
    squares = (left**2).sum(axis=1)
    assert expected.factor[at] == pytest.approx((drawn @ contrast).var() / squares.mean(), rel=0.05)
    assert expected.freedom[at] == pytest.approx(2 * squares.mean() ** 2 / squares.var(), rel=0.08)
    assert expected.lag[at] == pytest.approx((left[:, 1:] * left[:, :-1]).sum(axis=1).mean() / squares.mean(), abs=0.03)


def test_more_autocorrelation_means_more_chance() -> None:
    random = np.random.default_rng(2)
    drawn = random.standard_normal((50, 30))
    white = [noise(one).variance / one.var() for one in drawn]
    walks = [noise(one).variance / one.var() for one in np.cumsum(drawn, axis=1)]
    assert np.median(walks) > 3 * np.median(white)


def test_nothing_left_beside_the_line_is_no_chance_at_all() -> None:
    found = noise(np.arange(12.0))
    assert found.variance == 0
    assert tail(30.0, found, 12) == 2.0**-10
    assert tail(0.0, found, 12) == 1.0
    assert margin(found, 0.05) == 0


def test_what_a_random_walk_reaches() -> None:
    random = np.random.default_rng(3)
    walks = np.cumsum(random.standard_normal((2000, 25)), axis=1)
    p_values = np.array([wandering(kendall(rises(walk)), 25) for walk in walks])
    for level in (0.5, 0.1, 0.05, 0.01):
        assert np.mean(p_values <= level) == pytest.approx(level, abs=4 * (level / 2000) ** 0.5)


def test_blocks() -> None:
    assert block_means(np.arange(7.0), 3).tolist() == [0.0, 2.0, 5.0]
    assert block_means(np.arange(6.0), 3).tolist() == [1.0, 4.0]
    assert block_means(np.array([]), 3).tolist() == []
    assert (thinning(512), thinning(513), thinning(0)) == (1, 2, 1)
    assert len(set(block_means(np.array([0.1, 0.2, 0.7] * 100), 3))) == 1


def test_scores_are_mid_ranks() -> None:
    assert scores(np.array([30.0, 10.0, 10.0, 1e9])).tolist() == [0.25, -0.5, -0.5, 0.75]
