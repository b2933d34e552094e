"""What stays of a stream: fair samples, the latest, equal shares; a batch at a time as well as one by one."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual.memory import (
    POLICIES,
    Buffer,
    ClassBalanced,
    Policy,
    Random,
    Reservoir,
    Ring,
    policy_of,
)

BATCHES = st.lists(st.integers(1, 9), min_size=1, max_size=12)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def stream(buffer: Buffer, classes: Tensor, batch: int, generator: torch.Generator, task: int = 0) -> None:
    """Examples that are their own number in the stream."""
    numbers = torch.arange(buffer.seen, buffer.seen + len(classes)).view(-1, 1)
    for x, y in zip(numbers.split(batch), classes.split(batch), strict=True):
        buffer.add(x, y, task, generator)


def numbers(buffer: Buffer) -> list[int]:
    return sorted(buffer.contents().x[:, 0].tolist())


def is_uniform(counts: Tensor, trials: int, kept: int) -> bool:
    """Whether each of n examples was kept as often as any other: within 5 standard deviations of chi squared."""
    n = len(counts)
    p = kept / n
    statistic = float(((counts - trials * p) ** 2 / (trials * p * (1 - p))).sum()) * (n - 1) / n
    return abs(statistic - (n - 1)) < 5 * (2 * (n - 1)) ** 0.5


@pytest.mark.parametrize(
    ("policy", "batch"),
    [(Reservoir(), 1), (Reservoir(), 11), (ClassBalanced(), 11), (ClassBalanced(), 30), (Random(), 30)],
)
def test_every_example_of_a_stream_is_as_likely_kept(policy: Policy, batch: int) -> None:
    trials, length, capacity, generator = 60 if batch == 1 else 300, 30, 8, chance()
    counts = torch.zeros(length)
    for _ in range(trials):
        buffer = Buffer(capacity, policy)
        stream(buffer, torch.zeros(length, dtype=torch.long), batch, generator)
        assert len(set(numbers(buffer))) == capacity
        counts[numbers(buffer)] += 1
    assert is_uniform(counts, trials, capacity)


def test_a_reservoir_is_where_one_example_at_a_time_would_leave_it() -> None:
    """Algorithm R by hand, with the same draws."""
    y, batched = torch.zeros(50, dtype=torch.long), Buffer(8)
    stream(batched, y, 10, chance())
    held: list[int] = []
    generator = chance()
    draws = torch.cat([torch.rand(10, dtype=torch.float64, generator=generator) for _ in range(5)])
    for number, drawn in enumerate(draws.tolist()):
        if number < 8:
            held.append(number)
        elif (slot := int(drawn * (number + 1))) < 8:
            held[slot] = number
    assert batched.contents().x[:, 0].tolist() == held


def test_gaps_in_a_full_reservoir_fill_as_slowly_as_rows_were_replaced() -> None:
    generator, buffer = chance(), Buffer(10)
    stream(buffer, torch.zeros(1000, dtype=torch.long), 100, generator)
    buffer.drop(torch.arange(10) < 5)
    stream(buffer, torch.zeros(100, dtype=torch.long), 100, generator)
    assert 5 <= len(buffer) <= 8
    before = numbers(buffer)
    stream(buffer, torch.zeros(20000, dtype=torch.long), 1000, generator)
    assert len(buffer) == 10
    assert len(set(numbers(buffer)) & set(before)) < 5


@given(BATCHES, st.integers(1, 4), st.integers(0, 3))
@settings(max_examples=40)
def test_a_ring_holds_the_latest_of_each(batches: list[int], each: int, seed: int) -> None:
    generator = chance(seed)
    buffer, classes = Buffer(4 * each, Ring(each=each)), []
    for size in batches:
        y = torch.randint(4, (size,), generator=generator)
        stream(buffer, y, size, generator)
        classes.extend(y.tolist())
    latest = [at for at, c in enumerate(classes) if classes[at + 1 :].count(c) < each]
    assert numbers(buffer) == latest


def test_a_ring_without_a_share_divides_between_those_it_met() -> None:
    buffer = Buffer(12, Ring("task"))
    for task in range(4):
        stream(buffer, torch.zeros(50, dtype=torch.long), 9, chance(), task=task)
        assert set(buffer.counts("task").values()) == {12 // (task + 1)}
    assert numbers(buffer) == [n for task in range(4) for n in range(task * 50 + 47, task * 50 + 50)]


@pytest.mark.parametrize("policy", [ClassBalanced(), Random("class")])
def test_classes_are_as_equal_as_the_stream_allows(policy: Policy) -> None:
    buffer = Buffer(30, policy)
    y = torch.tensor([0] * 200 + [1] * 7 + [2] * 90 + [3] * 3)
    stream(buffer, y[torch.randperm(300, generator=chance())], 16, chance())
    assert sorted(buffer.counts().values()) == [3, 7, 10, 10]


def paper_counts(classes: list[int], capacity: int, chance: random.Random) -> Counter[int]:
    """Algorithm 1 of Chrysakis and Moens 2020, an example at a time."""
    held, full, seen = [], set(), Counter[int]()
    for c in classes:
        seen[c] += 1
        counts = Counter(held)
        if len(held) < capacity:
            held.append(c)
        elif c not in full:
            largest = [at for at, h in enumerate(held) if counts[h] == max(counts.values())]
            held[chance.choice(largest)] = c
        elif chance.random() <= counts[c] / seen[c]:
            held[held.index(c)] = c
        counts = Counter(held)
        if len(held) == capacity:
            full |= {h for h in counts if counts[h] == max(counts.values())}
    return Counter(held)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=150), st.integers(1, 20), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_classes_have_the_shares_of_class_balancing_reservoir_sampling(
    classes: list[int], capacity: int, batch: int
) -> None:
    buffer = Buffer(capacity, ClassBalanced())
    stream(buffer, torch.tensor(classes), batch, chance())
    paper, found = paper_counts(classes, capacity, random.Random(0)), buffer.counts()
    assert sum(found.values()) == sum(paper.values())
    assert all(abs(found.get(c, 0) - paper[c]) <= 1 for c in range(5)), (found, paper)


def test_each_class_is_a_fair_sample_of_its_own_even_where_its_share_shrank() -> None:
    generator, trials, length = chance(), 300, 20
    counts = torch.zeros(2 * length)
    for _ in range(trials):
        buffer = Buffer(10, ClassBalanced())
        stream(buffer, torch.tensor([0] * length + [1] * length), 20, generator)
        assert buffer.counts() == {0: 5, 1: 5}
        counts[numbers(buffer)] += 1
    assert is_uniform(counts[:length], trials, 5)
    assert is_uniform(counts[length:], trials, 5)


def test_a_class_stays_fair_when_examples_of_its_stream_are_forgotten_and_room_comes_back() -> None:
    """Every second of the first 30 withdraws: whoever is left is as likely there as whoever comes later."""
    generator, counts, trials = chance(), torch.zeros(60), 400
    for _ in range(trials):
        buffer = Buffer(10, ClassBalanced())
        stream(buffer, torch.zeros(30, dtype=torch.long), 30, generator)
        buffer.drop(buffer.contents().x[:, 0] % 2 == 1)
        stream(buffer, torch.zeros(30, dtype=torch.long), 30, generator)
        counts[numbers(buffer)] += 1
    assert not counts[1:30:2].any()
    assert abs(float(counts[0:30:2].mean() / counts[30:].mean()) - 1) < 0.15
    assert float(counts.sum()) < trials * 10


@given(st.sampled_from(sorted(POLICIES)), BATCHES, st.integers(1, 20), st.integers(0, 5))
@settings(max_examples=40)
def test_no_policy_exceeds_the_capacity_nor_keeps_an_example_twice(
    name: str, batches: list[int], capacity: int, seed: int
) -> None:
    generator, buffer = chance(seed), Buffer(capacity, policy_of(name))
    for size in batches:
        x = torch.arange(buffer.seen, buffer.seen + size).view(-1, 1)
        y = torch.randint(3, (size,), generator=generator)
        merit = torch.rand(size, generator=generator) if buffer.policy.scored else None
        buffer.add(x, y, 0, generator, merit=merit)
    total = sum(batches)
    assert buffer.seen == total
    assert len(buffer) == min(capacity, total)
    assert len(set(numbers(buffer))) == len(buffer)
    assert Counter(buffer.counts().values()).total() <= 3


def test_an_unknown_name_says_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="class_balanced, gradient_magnitude, herding, random, reservoir, ring"):
        policy_of("best")
    for wrong in (3, None, Ring, ["ring"]):
        with pytest.raises(InvalidInput, match="no policy of a memory"):
            policy_of(wrong)


@pytest.mark.parametrize(
    "make", [lambda: Ring("day"), lambda: Ring(each=0), lambda: Ring(each=2.5), lambda: ClassBalanced("x")]
)  # type: ignore[arg-type]
def test_settings_that_cannot_be_are_refused(make: object) -> None:
    with pytest.raises(InvalidInput):
        make()  # type: ignore[operator]


def test_classes_below_0_are_refused_by_name() -> None:
    buffer, generator = Buffer(2, ClassBalanced()), torch.Generator().manual_seed(0)
    with pytest.raises(InvalidInput, match="-1 is no number of a class"):
        buffer.add(torch.zeros(2, 2), torch.tensor([-1, 1]), 0, generator)
    assert len(buffer) == 0
