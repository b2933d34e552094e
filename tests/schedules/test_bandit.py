from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.schedules import Bandit

GAINS = {0.001: 0.0, 0.01: 0.01, 0.03: 0.02, 0.1: 0.05, 0.3: 0.03}  # by how much the log of a loss falls, on average
DIVERGES = {**GAINS, 0.3: -1.5}
SEEDS = range(10)


def share_of(
    best: Callable[[int], float], bandit: Bandit, gain: Callable[[int, float], float], steps: int, seed: int
) -> float:
    """Of the second half of the steps, the share that used the best value; the noise is as large as the gaps."""
    random, log_loss, used = Random(seed), 0.0, []
    bandit.step(1.0)
    for step in range(steps):
        used.append(bandit.value == best(step))
        log_loss -= gain(step, bandit.value) + random.gauss(0, 0.02)
        bandit.step(math.exp(log_loss))
    return sum(used[steps // 2 :]) / (steps - steps // 2)


@pytest.mark.parametrize("gains", [GAINS, DIVERGES], ids=["all learn", "one diverges"])
def test_it_finds_the_best_rate(gains: dict[float, float]) -> None:
    shares = [share_of(lambda _: 0.1, Bandit(gains, seed=s), lambda _, rate: gains[rate], 150, s) for s in SEEDS]
    assert np.mean(shares) > 0.75  # by chance: 0.2
    assert min(shares) > 0.4


def test_it_follows_when_the_best_rate_changes() -> None:
    late = dict(zip(GAINS, reversed(GAINS.values()), strict=True))

    def gain(step: int, rate: float) -> float:
        return (GAINS if step < 150 else late)[rate]

    def shares(discount: float) -> float:
        bandits = [Bandit(GAINS, seed=seed, discount=discount) for seed in SEEDS]
        return float(np.mean([share_of(lambda _: 0.01, one, gain, 300, s) for s, one in enumerate(bandits)]))

    assert shares(0.98) > 0.6  # of the 150 steps after the change, the first of which must find it out
    assert shares(0.98) > shares(1.0) + 0.1


@pytest.mark.parametrize("seed", range(5))
def test_gradient_descent_with_a_bandit_is_near_the_best_fixed_rate(seed: int) -> None:
    """A noisy quadratic: too low a rate does not arrive, too high a one stays high; the bandit does neither."""

    def descend(rate_of: Bandit | float, steps: int = 200) -> float:
        random = np.random.default_rng(seed)
        curvature, weights = np.geomspace(0.05, 4, 50), np.full(50, 3.0)
        for _ in range(steps):
            rate = rate_of if isinstance(rate_of, float) else rate_of.value
            for _ in range(5):
                weights = weights - rate * (curvature * weights + 0.3 * random.normal(size=50))
            loss = 0.5 * float(curvature @ weights**2)
            if isinstance(rate_of, Bandit):
                rate_of.step(loss)
        return loss

    rates = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3]
    fixed = sorted(descend(rate) for rate in rates)
    assert descend(Bandit(rates, seed=seed)) < 2 * fixed[0] < fixed[2]


def test_all_are_tried_in_order_first() -> None:
    bandit = Bandit([3.0, 1.0, 2.0])
    assert bandit.value == bandit.best == 3.0
    assert [bandit.step(loss) for loss in (9.0, 8.0, 7.0)] == [3.0, 1.0, 2.0]


def test_best_is_that_of_the_highest_mean() -> None:
    bandit = Bandit([1.0, 2.0, 3.0])
    for loss in (100.0, 90.0, 50.0, 48.0):
        bandit.step(loss)
    assert bandit.best == 2.0
    higher = Bandit([1.0, 2.0, 3.0], better="higher")
    for accuracy in (0.5, 0.6, 0.61, 0.5):
        higher.step(accuracy)
    assert higher.best == 1.0


def test_the_scale_of_performance_does_not_matter() -> None:
    random = Random(3)
    losses = [math.exp(random.gauss(0, 1)) for _ in range(100)]
    one, other = Bandit([1, 2, 3]), Bandit([1, 2, 3])
    assert [one.step(loss) for loss in losses] == [other.step(loss * 2**40) for loss in losses]


def test_a_loss_and_its_negative_as_a_score_are_the_same() -> None:
    random = Random(4)
    losses = [random.gauss(0, 1) for _ in range(50)]
    one, other = Bandit([1, 2, 3]), Bandit([1, 2, 3], better="higher")
    assert [one.step(loss) for loss in losses] == [other.step(-loss) for loss in losses]


def test_a_divergence_is_a_loss_that_rose_without_end() -> None:
    for broken in (math.nan, math.inf):
        bandit = Bandit([1.0, 2.0])
        for loss in (1.0, broken, 0.99):
            bandit.step(loss)
        assert bandit.best == 2.0
        assert bandit.state_dict()["means"] == pytest.approx([-1.0, 0.01])
        assert bandit.state_dict()["last"] == 0.99


def test_seeds_differ_and_repeat() -> None:
    random = Random(5)
    losses = [random.random() for _ in range(40)]

    def values(seed: int) -> list[float]:
        bandit = Bandit([1, 2, 3], seed=seed)
        return [bandit.step(loss) for loss in losses]

    assert values(0) == values(0)
    assert len({tuple(values(seed)) for seed in range(5)}) == 5


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    st.floats(1e-6, 1),
    st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=5, unique=True),
)
def test_whatever_comes_it_gives_one_of_its_values(losses: list[float], discount: float, values: list[float]) -> None:
    bandit = Bandit(values, discount=discount)
    assert bandit.values == tuple(values)
    for loss in losses:
        assert bandit.step(loss) == bandit.value
        assert bandit.value in values
        assert bandit.best in values
        state = bandit.state_dict()
        assert all(-2 <= mean <= 2 for mean in state["means"])
        assert all(map(math.isfinite, state["spreads"]))


@pytest.mark.parametrize(
    ("values", "settings", "message"),
    [
        ([1.0], {}, "at least 2"),
        ([1.0, 1.0], {}, "none twice"),
        ([1.0, math.nan], {}, "a value is nan"),
        (["a", 1.0], {}, "a value is 'a'"),
        ([1.0, 2.0], {"discount": 0}, "discount is 0"),
        ([1.0, 2.0], {"discount": 1.1}, r"discount is 1\.1"),
        ([1.0, 2.0], {"seed": -1}, "seed is -1"),
        ([1.0, 2.0], {"better": "up"}, "better is 'up'.*Known: higher, lower"),
    ],
)
def test_settings_out_of_range_are_told(values: list[Any], settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Bandit(values, **settings)


def test_it_goes_by_performance() -> None:
    with pytest.raises(InvalidInput, match="A bandit goes by performance"):
        Bandit([1, 2]).step()
