"""Small real streams, and what two learners must share to be the same."""

from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import nn

from onward.learners.continual import ContinualLearner, Experience


@cache
def digits(per: int = 2) -> list[Experience]:
    """Scikit-learn's digits, a few classes at a time."""
    data = load_digits()
    x = torch.tensor(data.data, dtype=torch.float32) / 16
    y = torch.tensor(data.target)
    groups = [torch.arange(at, at + per) for at in range(0, 10, per)]
    return [Experience(x[rows], y[rows], task=at) for at, g in enumerate(groups) for rows in [torch.isin(y, g)]]


def network(dropout: float = 0.0, outputs: int = 10) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), nn.Dropout(dropout), nn.Linear(32, outputs))


def same(one: ContinualLearner, other: ContinualLearner) -> None:
    """Assert that everything is the same, bit for bit."""
    same_state(one.state_dict(), other.state_dict())


def same_state(one: object, other: object) -> None:
    """Assert that two states are the same, bit for bit."""
    _same(one, other, "state")


def _same(one: object, other: object, where: str) -> None:
    assert type(one) is type(other), where
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor)
        assert one.dtype == other.dtype, where
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert isinstance(other, dict)
        assert list(one) == list(other), where
        for name, value in one.items():
            _same(value, other[name], f"{where}.{name}")
    elif isinstance(one, list | tuple):
        assert isinstance(other, list | tuple)
        assert len(one) == len(other), where
        for at, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            _same(mine, theirs, f"{where}.{at}")
    else:
        assert one == other, where
