"""The gradient of every example by itself, against a backward pass for each."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual.importance import fisher, sample_gradients

from .plain import Shared


class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale, self.layer, self.unused = nn.Parameter(torch.tensor(0.5)), nn.Linear(4, 3), nn.Linear(2, 2)

    def forward(self, x):
        return self.layer(x * self.scale if float(x.abs().sum()) >= 0 else x)


@pytest.mark.parametrize("batch", [1, 4, 50])
@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.Tanh(), nn.Linear(6, 3)),
        lambda: nn.Sequential(nn.Unflatten(1, (1, 2, 2)), nn.Conv2d(1, 3, 2), nn.Flatten()),
        Shared,
        Branching,
    ],
    ids=["layers", "convolution", "shared", "branching"],
)
def test_each_is_what_a_backward_pass_gives(make, batch):
    torch.manual_seed(0)
    network = make().double()
    x, y = torch.randn(9, 4).double(), torch.randint(3, (9,))
    found = sample_gradients(network, x, y, batch=batch)
    named = dict(network.named_parameters())
    assert found.keys() == named.keys()
    for row in range(9):
        loss = F.cross_entropy(network(x[row : row + 1]), y[row : row + 1])
        expected = torch.autograd.grad(loss, list(named.values()), allow_unused=True)
        for (name, value), true in zip(named.items(), expected, strict=True):
            expected_here = torch.zeros_like(value) if true is None else true
            assert torch.allclose(found[name][row], expected_here, atol=1e-12), name
    squares = fisher(network, x, y, kind="empirical").values
    for name, value in found.items():
        assert torch.allclose(value.square().mean(0), squares[name], atol=1e-12)


def test_what_cannot_be_computed_is_refused():
    with pytest.raises(InvalidInput, match="0 examples"):
        sample_gradients(nn.Linear(4, 3), torch.zeros(0, 4), torch.zeros(0).long())
    with pytest.raises(InvalidInput, match="2 targets"):
        sample_gradients(nn.Linear(4, 3), torch.zeros(1, 4), torch.zeros(2).long())
