"""Projections: the conditions of the optimum, and every active set tried in turn."""

from itertools import chain, combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.learners.continual.methods._projection import gram, multipliers, onto_cone, onto_half_space


def drawn(seed: int, count: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """References of very different lengths, some of them multiples of others, and a gradient."""
    chance = np.random.default_rng(seed)
    references = chance.normal(size=(count, size)) * 10.0 ** chance.integers(-3, 4, size=(count, 1))
    if count > 2 and seed % 2:
        references[1] = 3 * references[0]
    return references, chance.normal(size=size)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 8), st.integers(1, 12), st.sampled_from([0.0, 0.5, 2.0]))
def test_multipliers_meet_the_conditions_of_the_optimum(seed: int, count: int, size: int, margin: float) -> None:
    references, gradient = drawn(seed, count, size)
    found = multipliers(references @ references.T, references @ gradient, margin)
    slopes = references @ (gradient + found @ references)
    length = np.linalg.norm(references, axis=1)
    scale = length * (np.linalg.norm(gradient) + margin * length.sum())
    assert (found >= margin).all()
    assert (slopes >= -1e-9 * scale).all()
    assert (np.abs(slopes * (found - margin) * length) <= 1e-7 * scale * scale).all()


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.integers(4, 9), st.sampled_from([0.0, 0.5]))
def test_multipliers_are_those_of_the_best_active_set(seed: int, count: int, size: int, margin: float) -> None:
    chance = np.random.default_rng(seed)
    references, gradient = chance.normal(size=(count, size)), chance.normal(size=size)
    products, slopes = references @ references.T, references @ gradient

    def value(v: np.ndarray) -> float:
        return float(v @ products @ v / 2 + slopes @ v)

    best = np.inf
    for free in map(list, chain.from_iterable(combinations(range(count), k) for k in range(count + 1))):
        v = np.full(count, margin)
        fixed = np.setdiff1d(np.arange(count), free)
        if free:
            right = -slopes[free] - products[np.ix_(free, fixed)] @ v[fixed]
            v[free] = np.linalg.solve(products[np.ix_(free, free)], right)
        if (v >= margin - 1e-12).all():
            best = min(best, value(v))
    assert value(multipliers(products, slopes, margin)) == pytest.approx(best, rel=1e-9, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 6), st.integers(2, 12))
def test_a_projected_gradient_works_against_nothing_and_is_the_nearest(seed: int, count: int, size: int) -> None:
    references, gradient = drawn(seed, count, size)
    lists = [[torch.tensor(row[:1]), torch.tensor(row[1:])] for row in references]
    changed = [torch.tensor(gradient[:1]), torch.tensor(gradient[1:])]
    moved = onto_cone(changed, lists)
    after = torch.cat(changed).numpy()
    assert moved == bool((references @ gradient < 0).any())
    assert (references @ after / np.linalg.norm(references, axis=1)).min() >= -1e-8
    if not moved:
        assert np.array_equal(after, gradient)
    # g = after - sum of references: whatever else meets the constraints is further away (Moreau)
    assert abs(after @ (after - gradient)) <= 1e-8


def test_a_margin_leans_towards_the_references() -> None:
    gradient, reference = torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 1.0])
    plain, leaning = [gradient.clone()], [gradient.clone()]
    assert onto_cone(plain, [[reference]])
    assert onto_cone(leaning, [[reference]], margin=2.0)
    assert torch.equal(plain[0], torch.tensor([-0.5, 0.5]))
    assert torch.equal(leaning[0], torch.tensor([1.0, 2.0]))


def test_what_is_zero_or_no_number_changes_nothing() -> None:
    for reference in (torch.zeros(2), torch.tensor([float("nan"), 1.0])):
        gradient = [torch.tensor([1.0, -1.0])]
        assert not onto_cone(gradient, [[reference]])
        assert gradient[0].tolist() == [1.0, -1.0]
    gradient = [torch.tensor([1.0, -1.0])]
    onto_half_space(gradient, [torch.zeros(2)])
    assert gradient[0].tolist() == [1.0, -1.0]
    assert onto_cone(gradient, [[torch.zeros(2)], [torch.tensor([0.0, 1.0])]])
    assert gradient[0].tolist() == [1.0, 0.0]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 12))
def test_one_reference_is_the_same_either_way(seed: int, size: int) -> None:
    references, gradient = drawn(seed, 1, size)
    one, other = [torch.tensor(gradient)], [torch.tensor(gradient)]
    onto_cone(one, [[torch.tensor(references[0])]])
    onto_half_space(other, [torch.tensor(references[0])])
    assert torch.allclose(one[0], other[0], rtol=1e-9, atol=1e-12)


def test_inner_products_are_sums_in_double_precision() -> None:
    torch.manual_seed(0)
    rows = [[torch.randn(3, 4), torch.randn(5)] for _ in range(3)]
    flat = torch.stack([torch.cat([part.flatten() for part in row]) for row in rows]).double()
    assert torch.allclose(gram(rows), flat @ flat.T, rtol=1e-14)
    big = [[torch.tensor([1e8, 1.0])], [torch.tensor([1.0, 1.0])]]
    assert gram(big)[0, 1] == 1e8 + 1
