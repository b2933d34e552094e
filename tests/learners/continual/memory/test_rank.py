"""Equal shares against a plain count, one example at a time."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from onward.learners.continual.memory._rank import distinct, leading, ranks

GROUPS = arrays(np.int64, st.integers(1, 40), elements=st.integers(0, 5))


def plain_shares(groups: list[int], count: int, each: int | None) -> Counter[int]:
    """Give one row to every group that has one left, round after round."""
    left, shares = Counter(groups), Counter[int]()
    while sum(shares.values()) < count:
        open_ = [g for g in left if shares[g] < min(left[g], left[g] if each is None else each)]
        if not open_:
            break
        for group in open_[: count - sum(shares.values())]:
            shares[group] += 1
    return shares


@given(GROUPS, st.integers(0, 45), st.none() | st.integers(1, 6), st.integers(0, 99))
def test_shares_are_as_equal_as_can_be_and_the_lowest_of_each_group(
    groups: np.ndarray, count: int, each: int | None, seed: int
) -> None:
    priority = torch.rand(len(groups), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    held = leading(torch.from_numpy(groups), priority, count, each)
    assert len(held.unique()) == len(held)
    expected = plain_shares(groups.tolist(), count, each)
    found = Counter(groups[held.numpy()].tolist())
    assert sorted(found.values()) == sorted(expected.values())
    for group, share in found.items():
        rows = np.flatnonzero(groups == group)
        lowest = rows[np.argsort(priority.numpy()[rows])[:share]]
        assert set(lowest.tolist()) == {at for at in held.tolist() if groups[at] == group}


def test_where_a_round_does_not_fit_its_lowest_priorities_are_in() -> None:
    groups, priority = torch.tensor([0, 0, 1, 1, 2, 2]), torch.tensor([0.1, 0.9, 0.2, 0.3, 0.4, 0.5])
    assert sorted(leading(groups, priority, 4).tolist()) == [0, 2, 3, 4]


@given(GROUPS)
def test_ranks_count_within_each_group(groups: np.ndarray) -> None:
    priority = torch.arange(len(groups), 0, -1).double()
    found = ranks(torch.from_numpy(groups), priority)
    later = [int((groups[at + 1 :] == groups[at]).sum()) for at in range(len(groups))]
    assert found.tolist() == later


@given(st.integers(0, 60), st.integers(1, 2000), st.integers(0, 99))
def test_numbers_are_distinct(count: int, size: int, seed: int) -> None:
    found = distinct(count, size, torch.Generator().manual_seed(seed))
    assert len(found) == min(count, size) == len(found.unique())
    assert not len(found) or (int(found.min()) >= 0 and int(found.max()) < size)


@pytest.mark.parametrize("size", [30, 200])
def test_all_numbers_are_equally_likely(size: int) -> None:
    chance = torch.Generator().manual_seed(0)
    drawn = torch.stack([distinct(3, size, chance) for _ in range(2000)])
    counts = drawn.flatten().bincount(minlength=size).double()
    expected = 3 * 2000 / size
    assert float(((counts - expected) ** 2 / expected).sum()) < size + 5 * (2 * size) ** 0.5
