from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from onward.evaluation._significance import at_least, holm, least_chance, sign_flip, surely_not_worse, tarone

SIXTHS = st.integers(-6, 6).map(lambda sixths: sixths / 6)


@settings(max_examples=40, deadline=None)
@given(st.lists(SIXTHS, min_size=0, max_size=9))
def test_sign_flip_is_the_share_of_all_sign_patterns(differences):
    sizes = np.abs(differences)
    sums = [np.dot(signs, sizes) for signs in product((-1, 1), repeat=len(sizes))]
    wanted = np.mean(np.array(sums) >= np.sum(differences) - 1e-9)
    assert sign_flip(np.array(differences, float)) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (1, 0), (0, 5), (9, 2), (40, 41), (700, 600)])
def test_sign_flip_is_mcnemars_exact_test_on_right_and_wrong(won, lost):
    differences = np.array([1.0] * won + [-1.0] * lost + [0.0] * 50)
    wanted = binomtest(won, won + lost, alternative="greater").pvalue if won + lost else 1.0
    assert sign_flip(differences) == pytest.approx(wanted, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-1, 1), max_size=60))
def test_the_least_chance_is_never_undercut(differences):
    array = np.array(differences, float)
    assert least_chance(array) <= sign_flip(array) <= 1
    assert sign_flip(np.abs(array)) == pytest.approx(least_chance(array), abs=1e-12)


def test_sign_flip_agrees_with_sampled_signs_on_many_fractions():
    random = np.random.default_rng(3)
    differences = np.rint(random.normal(0.02, 0.3, 400).clip(-1, 1) * 24) / 24
    flips = random.choice([-1, 1], (20_000, 400)) @ np.abs(differences)
    assert sign_flip(differences) == pytest.approx(np.mean(flips >= differences.sum() - 1e-9), abs=0.015)


@pytest.mark.parametrize("margin", [0.01, 0.02, 0.05])
@pytest.mark.parametrize("count", [15, 60, 200])
def test_the_margin_test_errs_no_more_than_measured(count, margin):
    """Exact error at the edge, mean = -margin, over how often the models differ: README.md states at most 0.0264."""
    top = min(count, 60)
    tables = [(lost, won) for lost in range(top + 1) for won in range(top + 1 - lost)]
    rejected = [
        pair
        for pair in tables
        if surely_not_worse(np.repeat([-1.0, 1.0, 0.0], [*pair, count - sum(pair)]), margin) <= 0.025
    ]
    lost, won = np.array(rejected).reshape(-1, 2).T
    for gain in (0.0, 0.005, 0.02, 0.05):
        chance = binom.pmf(lost, count, gain + margin) * binom.pmf(won, count - lost, gain / (1 - gain - margin))
        assert chance.sum() <= 0.0265


def test_the_margin_test_is_sure_where_there_is_much_and_unsure_where_there_is_little():
    assert surely_not_worse(np.zeros(1000), 0.02) < 1e-5
    assert surely_not_worse(np.zeros(30), 0.02) > 0.2
    assert surely_not_worse(np.repeat([-1.0, 0.0], [20, 980]), 0.02) == pytest.approx(0.5)
    assert surely_not_worse(np.ones(15), 0.02) < 1e-3


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.integers(1, 30), st.floats(0, 1))
def test_at_least_is_the_binomial_tail(successes, trials, rate):
    successes = min(successes, trials)
    assert at_least(successes, trials, rate) == pytest.approx(binom.sf(successes - 1, trials, rate), abs=1e-9)


def test_holm_keeps_order_and_never_exceeds_one():
    assert holm([]) == []
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_tarone_divides_by_the_tests_that_can_reach_it():
    assert tarone([], 0.05) == 0.05
    assert tarone([1.0] * 100, 0.05) == 0.05
    assert tarone([1e-9] * 100, 0.05) == pytest.approx(0.05 / 100)
    assert tarone([0.04, 0.04, 1e-9], 0.05) == pytest.approx(0.05 / 2)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 20).map(lambda power: 2.0**-power), max_size=40))
def test_tarone_bounds_the_sum_of_what_can_be_rejected(least):
    level = tarone(least, 0.05)
    assert sum(chance <= level for chance in least) * level <= 0.05 + 1e-12
