from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual.distillation import narrowed
from onward.learners.continual.distillation._narrow import count, smallest

from .networks import convolutional


@settings(deadline=None, max_examples=30)
@given(st.floats(0.01, 1))
def test_a_narrower_copy_runs_and_leaves_the_network_as_it_is(share):
    network = convolutional()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    made = narrowed(network, share)
    assert made(torch.zeros(2, 1, 8, 8)).shape == (2, 5)
    assert made[0].out_channels == made[1].num_features == max(1, round(8 * share))
    assert made[4].out_channels == max(1, round(12 * share))
    assert made[8].in_features == made[4].out_channels * 16
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


def test_all_units_are_the_same_network():
    network = convolutional().eval()
    x = torch.randn(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(narrowed(network, 1.0)(x), network(x))


def test_units_that_do_nothing_go_first():
    network = convolutional().eval()
    with torch.no_grad():
        network[0][0].weight[::2] = 0  # channels that are constant, and that the next layer does not hear
        network[1].weight[:, ::2] = 0
        network[5].weight[5:15] = 0
        network[8].weight[:, 5:15] = 0
    half = narrowed(network, 0.5)
    assert torch.equal(half[0].weight, network[0][0].weight[1::2])
    assert torch.equal(half[4].weight, network[1].weight[strongest(network)][:, 1::2])
    assert torch.equal(half[9].weight, network[6].weight[[*range(5), *range(15, 20)]])


def strongest(network: nn.Sequential) -> list[int]:
    into, out = network[1].weight.detach(), network[5].weight.detach().view(20, 12, 16)
    norms = [float(into[at].norm() * out[:, at].norm()) for at in range(12)]
    return sorted(sorted(range(12), key=norms.__getitem__)[6:])


def test_only_dead_units_are_lost():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv1d(2, 6, 3), nn.BatchNorm1d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 4, 3)).eval()
    with torch.no_grad():
        network[1].running_mean.normal_()
        network[4].weight.view(3, 6, 4)[:, [0, 3, 4]] = 0
    x = torch.randn(5, 2, 6)
    torch.testing.assert_close(narrowed(network, 0.5)(x), network(x))


@pytest.mark.parametrize("ratio", [1.5, 5.0, 10.0])
def test_the_widest_network_with_few_enough_parameters(ratio):
    network = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10))
    allowed = count(network) / ratio
    assert 0.9 * allowed < count(smallest(network, ratio)) <= allowed


def test_where_even_one_unit_a_layer_is_too_much_the_largest_ratio_is_named():
    network = nn.Sequential(nn.Linear(8, 2), nn.Linear(2, 8))
    with pytest.raises(InvalidInput, match=r"one unit in each hidden layer there are 25 of 42.*ratio of 1\.68 at most"):
        smallest(network, 1000)
    assert count(smallest(network, 1.68)) == 9 + 16


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x):
        return x + self.inner(x)


@pytest.mark.parametrize(
    "network",
    [
        nn.Linear(3, 2),
        nn.Sequential(nn.Linear(3, 2)),
        Residual(),
        nn.Sequential(nn.Linear(4, 4), Residual(), nn.Linear(4, 2)),
        nn.Sequential(nn.Conv1d(2, 4, 1), nn.Conv1d(4, 4, 1, groups=2), nn.Conv1d(4, 2, 1)),
        nn.Sequential(nn.Linear(4, 4), nn.PReLU(4), nn.Linear(4, 2)),
        nn.Sequential(nn.Linear(4, 5), nn.MaxPool1d(2), nn.Linear(2, 2)),
    ],
)
def test_says_what_it_cannot_make_narrower(network):
    with pytest.raises(InvalidInput, match="student="):
        narrowed(network, 0.5)


@pytest.mark.parametrize("share", [0, -1.0, 1.5, float("nan"), "half", True])
def test_refuses_a_share(share):
    with pytest.raises(InvalidInput, match="share"):
        narrowed(convolutional(), share)


@pytest.mark.parametrize(
    ("layer", "fits"),
    [
        (nn.GroupNorm(1, 8, affine=False), True),
        (nn.GroupNorm(2, 8, affine=False), False),
        (nn.Unflatten(1, (8,)), False),
    ],
)
def test_layers_that_take_one_number_of_features_are_refused(layer, fits):
    network = nn.Sequential(nn.Linear(4, 8), layer, nn.Linear(8, 3))
    if fits:
        assert narrowed(network, 0.5)(torch.zeros(2, 4)).shape == (2, 3)
    else:
        with pytest.raises(InvalidInput, match="cannot be made narrower"):
            narrowed(network, 0.5)
