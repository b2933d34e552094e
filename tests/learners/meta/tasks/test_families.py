"""The built-in families of tasks."""

import math

import pytest
import torch
from tests.learners.meta.tasks.data import needs_data

from onward.core import Damaged, InvalidInput, NotFound
from onward.datasets import DATA_SETS
from onward.learners.meta.tasks import Sinusoid, omniglot


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
