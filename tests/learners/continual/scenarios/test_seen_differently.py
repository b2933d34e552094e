"""One data set seen differently, and boundaries that blur."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.learners.continual import Experience
from onward.learners.continual.scenarios import Stream, blurry, from_arrays, permuted, rotated


def test_permutations():
    x = torch.randn(30, 2, 3)
    stream = permuted(x, torch.arange(30) % 3, 4, test=(x, torch.arange(30) % 3), validation=0.2, seed=1)
    assert (len(stream), stream.kind, stream.outputs, stream.labels) == (4, "domain", 3, (0, 1, 2))
    assert torch.equal(stream.test[0].x, x)
    orders = set()
    for number in range(4):
        seen, again = stream.test[number], stream.test[number]
        assert torch.equal(seen.x, again.x)
        assert seen.task == number
        assert torch.equal(seen.y, torch.arange(30) % 3)
        flat, plain = seen.x.flatten(1), x.flatten(1)
        order = tuple((flat[:, None, :] == plain[:, :, None]).all(0).nonzero()[:, 0].tolist())
        match = (flat[:, :, None] == plain[:, None, :]).all(0)
        assert (match.sum(0) == 1).all()
        assert (match.sum(1) == 1).all()
        orders.add((order, tuple(match.nonzero()[:, 1].tolist())))
        train, base = stream.train[number].x.flatten(1), stream.train[0].x.flatten(1)
        assert torch.equal(train, base[:, match.nonzero()[:, 1]])
        assert len(stream.validation[number]) == 6
    assert len(orders) == 4
    other = permuted(x, torch.arange(30) % 3, 4, seed=np.int64(2))
    assert not torch.equal(other.test[1].x[0], permuted(x, torch.arange(30) % 3, 4, seed=3).test[1].x[0])
    assert [one.name for one in stream.train[1:3]] == ["permutation 1", "permutation 2"]
    with pytest.raises(InvalidInput, match="count is 0"):
        permuted(x, torch.arange(30), 0)
    with pytest.raises(IndexError):
        stream.train[4]


def test_one_number_an_example_has_one_order_and_any_seed_will_do():
    stream = permuted(torch.arange(20.0), torch.arange(20) % 2, 2, seed=2**70)
    assert torch.equal(stream.train[0].x, stream.train[1].x)


def test_permutations_of_real_targets():
    x = torch.randn(30, 4)
    stream = permuted(x, x.sum(1), 3)
    assert stream.regression
    assert torch.allclose(stream.train[2].x.sum(1), stream.train[2].y, atol=1e-5)


@pytest.mark.parametrize("shape", [(20, 6, 6), (20, 3, 6, 6)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float64])
def test_rotations(shape, dtype):
    x = (255 * torch.rand(shape)).to(dtype)
    stream = rotated(x, torch.arange(20) % 2, [0, 90, -90, 450, 12.5], test=(x, torch.arange(20) % 2))
    plain, left, right, again, little = (one.x for one in stream.test)
    assert torch.equal(plain, x)
    assert torch.allclose(left.double(), torch.rot90(x, 1, (-2, -1)).double(), atol=1e-2)
    assert torch.allclose(right.double(), torch.rot90(x, -1, (-2, -1)).double(), atol=1e-2)
    assert torch.allclose(left.double(), again.double(), atol=1e-2)
    assert little.dtype == dtype
    assert little.shape == x.shape
    with pytest.raises(InvalidInput, match="no images"):
        rotated(torch.zeros(20, 3), torch.arange(20) % 2, [0])
    with pytest.raises(InvalidInput, match="angles is"):
        rotated(x, torch.arange(20) % 2, [])
    with pytest.raises(InvalidInput, match="angles is"):
        rotated(x, torch.arange(20) % 2, [float("nan")])


def sharp(sizes):
    """Experience by experience its own class; x tells which row of all."""
    starts = torch.tensor([0, *sizes]).cumsum(0).tolist()
    parts = []
    for task, (start, end) in enumerate(pairwise(starts)):
        x = torch.arange(start, end)
        parts.append(Experience(x, torch.full_like(x, task), task, str(task), [str(at) for at in x.tolist()]))
    return Stream(parts, parts, "class", len(sizes))


@settings(max_examples=60, deadline=None)
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=6), share=st.floats(0, 1), seed=st.integers(0, 99))
def test_blurring_exchanges_a_share_and_loses_nothing(sizes, share, seed):
    stream = sharp(sizes)
    blurred = blurry(stream, share, seed)
    assert [len(one) for one in blurred.train] == sizes
    together = torch.cat([one.x for one in blurred.train])
    assert torch.equal(together.sort().values, torch.arange(sum(sizes)))
    lent = [int(share * size) for size in sizes]
    most = max(lent)
    stuck = max(0, most - (sum(lent) - most))
    foreign = 0
    for task, one in enumerate(blurred.train):
        assert [int(key) for key in one.keys] == one.x.tolist()
        foreign += int((one.y != task).sum())
        assert int((one.y != task).sum()) <= lent[task]
    assert foreign == sum(lent) - stuck
    assert blurred.test is stream.test
    assert torch.equal(together, torch.cat([one.x for one in blurry(stream, share, seed).train]))


def test_strangers_come_from_everywhere():
    blurred = blurry(sharp([300] * 4), 0.3, 1)
    for task, one in enumerate(blurred.train):
        counts = one.y.bincount(minlength=4)
        assert counts[task] == 210
        assert all(count > 10 for other, count in enumerate(counts.tolist()) if other != task)


def test_what_cannot_blur():
    stream = from_arrays(torch.randn(40, 2), torch.arange(40) % 4, 2, kind="task")
    with pytest.raises(InvalidInput, match="boundaries cannot blur"):
        blurry(stream)
    uneven = Stream(
        [Experience(torch.zeros(2, 3), torch.zeros(2)), Experience(torch.zeros(2, 4), torch.zeros(2))],
        [Experience(torch.zeros(2, 3), torch.zeros(2))] * 2,
        "domain",
        1,
    )
    with pytest.raises(InvalidInput, match="cannot be mixed"):
        blurry(uneven)
    with pytest.raises(InvalidInput, match="share is 2"):
        blurry(uneven, 2)


@pytest.mark.parametrize(
    ("part", "said"),
    [({"x": torch.zeros(2, 3).byte()}, "x is .*uint8"), ({"y": torch.zeros(2).long()}, "y is .*int64")],
)
def test_examples_of_other_types_are_not_mixed(part, said):
    one = Experience(torch.zeros(2, 3), torch.zeros(2))
    with pytest.raises(InvalidInput, match=said):
        blurry(Stream([one, replace(one, **part)], [one, one], "domain", 1))


def test_keys_stay_with_their_examples_where_others_have_none():
    keyed = Experience(torch.arange(20), torch.zeros(20), keys=[str(at) for at in range(20)])
    bare = Experience(torch.arange(20, 40), torch.zeros(20))
    blurred = blurry(Stream([keyed, bare], [keyed, bare], "domain", 1), 0.5)
    for one in blurred.train:
        assert one.keys == tuple(str(at) if at < 20 else None for at in one.x.tolist())


@pytest.mark.parametrize("sizes", [[2000] * 2, [2000, 1500, 500], [3000, *[1] * 1000], [60] * 60])
def test_partners_are_looked_for_many_at_a_time(sizes, monkeypatch):
    looks, look = [], np.flatnonzero
    monkeypatch.setattr(np, "flatnonzero", lambda values: looks.append(len(values)) or look(values))
    blurred = blurry(sharp(sizes), 1.0, 1)
    assert len(looks) < 40
    stuck = max(0, 2 * max(sizes) - sum(sizes))
    assert sum(int((one.y == task).sum()) for task, one in enumerate(blurred.train)) == stuck
