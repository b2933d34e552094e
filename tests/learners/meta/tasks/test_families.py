"""The built-in families of tasks."""

import math

import numpy as np
import pytest
import torch
from tests.learners.meta.tasks.data import needs_data

from onward.core import Damaged, InvalidInput, NotFound
from onward.datasets import DATA_SETS
from onward.learners.meta.tasks import GaussianBlobs, Sinusoid, from_arrays, from_frame, omniglot


def test_sinusoids_are_what_they_say():
    batch = Sinusoid(shots=5, queries=7, seed=1).sample_batch(2000)
    assert batch.support_x.shape == batch.support_y.shape == (2000, 5, 1)
    assert batch.query_x.shape == batch.query_y.shape == (2000, 7, 1)
    amplitude = torch.tensor([told["amplitude"] for told in batch.metadata])
    phase = torch.tensor([told["phase"] for told in batch.metadata])
    for x, y in ((batch.support_x, batch.support_y), (batch.query_x, batch.query_y)):
        torch.testing.assert_close(y, amplitude[:, None, None] * torch.sin(x - phase[:, None, None]))
    for found, low, high in ((amplitude, 0.1, 5.0), (phase, 0.0, math.pi), (batch.query_x, -5.0, 5.0)):
        assert low <= found.min() < low + 0.02 * (high - low)
        assert high - 0.02 * (high - low) < found.max() <= high
        assert abs(found.mean() - (low + high) / 2) < 0.05 * (high - low)


def test_sinusoids_under_a_seed_and_resumed():
    one, two = Sinusoid(seed=5), Sinusoid(seed=5)
    assert torch.equal(one.sample_batch(3).query_y, two.sample_batch(3).query_y)
    state = one.state_dict()
    expected = one.sample_batch(3)
    two = Sinusoid(seed=6)
    two.load_state_dict(state)
    found = two.sample_batch(3)
    assert torch.equal(found.support_y, expected.support_y)
    assert found.task_ids == expected.task_ids
    test = Sinusoid(seed=5).split("test").sample_batch(3)
    assert not torch.equal(test.query_y, Sinusoid(seed=5).sample_batch(3).query_y)
    assert torch.equal(test.query_y, Sinusoid(seed=5).split("test").sample_batch(3).query_y)
    assert not torch.equal(test.query_y, Sinusoid(seed=5).split("test", seed=6).sample_batch(3).query_y)
    with pytest.raises(InvalidInput, match="shots is 0"):
        Sinusoid(shots=0)


@needs_data
def test_omniglot_by_the_usual_protocol():
    data = omniglot(20, 5, 15, seed=1, rotations=("train",))
    splits = {name: set(data.split(name).classes) for name in data.splits}
    assert {name: len(classes) for name, classes in splits.items()} == {"train": 4400, "validation": 100, "test": 423}
    upright = {one for one in splits["train"] if isinstance(one, str)}
    assert len(upright | splits["validation"] | splits["test"]) == 1623
    batch = data.sample_batch(2)
    assert batch.support_x.shape == (2, 100, 1, 28, 28)
    assert batch.support_x.min() == 0
    assert batch.support_x.max() == 1
    assert batch.support_x.mean() < 0.2
    assert set(omniglot(seed=2, rotations=False).split("test").classes) != splits["test"]


@needs_data
def test_omniglot_by_alphabets():
    data = omniglot(protocol="background", validation=0, rotations=False)
    alphabets = {name: {one.partition("/")[0] for one in data.split(name).classes} for name in ("train", "test")}
    assert [len(found) for found in alphabets.values()] == [30, 20]
    assert not alphabets["train"] & alphabets["test"]
    assert len(data.classes) == 964
    with pytest.raises(InvalidInput, match="the split 'validation' has 0"):
        data.split("validation")


@needs_data
def test_omniglot_refuses():
    with pytest.raises(InvalidInput, match=r"no protocol 'vinyals'.*Known: background, random"):
        omniglot(protocol="vinyals")
    with pytest.raises(InvalidInput, match="validation is 1200 of 1200"):
        omniglot(validation=1200)


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\x03\x04 cut off"])
def test_omniglot_that_is_damaged(tmp_path, data):
    for file in DATA_SETS["omniglot"].files:
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_bytes(data)
    with pytest.raises(Damaged, match=r"cannot be read.*get omniglot --force"):
        omniglot(folder=tmp_path)


def test_omniglot_that_is_not_here(tmp_path):
    with pytest.raises(NotFound, match="onward datasets get omniglot"):
        omniglot(folder=tmp_path)


FRAME = {"user": np.arange(40) % 4, "size": np.arange(40.0), "good": np.arange(40) // 4 % 2}


@pytest.mark.parametrize(
    "make",
    [
        lambda **settings: Sinusoid(shots=3, queries=2, **settings),
        lambda **settings: GaussianBlobs(ways=2, queries=2, **settings),
        lambda **settings: from_arrays(np.zeros((40, 2)), np.arange(40) % 4, 2, 1, 1, split=(2, 2), **settings),
        lambda **settings: from_frame(
            FRAME, task_column="user", target_column="good", shots=1, queries=1, split=(2, 2), **settings
        ),
    ],
)
def test_a_device_or_a_seed_that_is_none_is_refused(make):
    with pytest.raises(InvalidInput, match="There is no device 'gpu' here"):
        make(device="gpu")
    with pytest.raises(InvalidInput, match=r"seed is 1\.5"):
        make(seed=1.5)
    assert len(make(seed=np.int64(3), device=torch.device("cpu")).sample_batch(np.int32(2))) == 2


def test_numbers_of_numpy_make_the_same_tasks_under_the_same_name():
    plain = GaussianBlobs(ways=3, shots=2, queries=4, dimensions=5, spread=2.0, noise=0.5, seed=7)
    ours = GaussianBlobs(
        np.int64(3), np.int32(2), np.uint8(4), dimensions=np.int16(5), spread=np.float64(2), noise=np.float32(0.5),
        seed=np.int64(7),
    )  # fmt: skip
    assert repr(plain) == repr(ours)
    assert torch.equal(plain.sample_batch(3).query_x, ours.sample_batch(np.int64(3)).query_x)
    x, y = np.random.default_rng(0).normal(size=(60, 2)), np.arange(60) % 6
    for split in ((4, 2), (0.5, 0.5)):
        numbers = np.array(split)
        one, other = (from_arrays(x, y, 2, np.int64(1), 2, split=each) for each in (split, tuple(numbers)))
        assert repr(one) == repr(other)
        assert torch.equal(one.sample_batch(2).query_x, other.sample_batch(2).query_x)
