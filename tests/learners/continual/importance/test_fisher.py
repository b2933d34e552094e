from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual.importance import fisher, mean_moments

from .plain import Shared, close, empirical, exact, moments


def mlp(seed=0, outputs=3):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, outputs)).double()


def data(n=13, *shape, classes=3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, *(shape or (4,)), dtype=torch.double, generator=generator)
    return x, torch.randint(classes, (n,), generator=generator)


def network_of(name):
    torch.manual_seed(3)
    return {
        "convolutions": lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, stride=2, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(inplace=True),
            nn.Conv2d(4, 6, (3, 2), groups=2, dilation=(1, 2), bias=False),
            nn.GroupNorm(3, 6),
            nn.Conv2d(6, 5, (2, 2), padding="valid"),
            nn.ReLU(),
            nn.Flatten(),
            nn.LazyLinear(3),
        ),
        "one position": lambda: nn.Sequential(nn.Conv2d(2, 3, 8), nn.Flatten()),
        "signals": lambda: nn.Sequential(
            nn.Flatten(2),
            nn.Conv1d(2, 4, 5, stride=3, padding=2, dilation=2),
            nn.BatchNorm1d(4),
            nn.Tanh(),
            nn.LayerNorm(20),
            nn.Linear(20, 3),
            nn.Flatten(),
            nn.LayerNorm((12,)),
            nn.BatchNorm1d(12),
            nn.Linear(12, 3),
        ),
    }[name]().double()


def test_fisher_is_the_mean_of_the_squared_gradients_of_single_examples():
    network, (x, y) = mlp(), data()
    found = fisher(network, x, y, kind="empirical", batch=5)
    close(found.values, moments(network, x, empirical(y)))
    assert set(found.ways.values()) == {"closed"}
    assert found.examples == 13


def test_exact_fisher_is_the_expectation_over_what_the_network_says():
    network, (x, _) = mlp(), data()
    close(fisher(network, x, kind="exact", batch=4).values, moments(network, x, exact))


def test_true_fisher_comes_to_the_exact_one():
    network, (x, _) = mlp(), data(4)
    many = x.repeat(5000, 1)
    found = fisher(network, many, generator=torch.Generator().manual_seed(0)).values
    close(found, fisher(network, x, kind="exact").values, tolerance=0.1)


def test_true_fisher_is_decided_by_its_generator():
    network, (x, _) = mlp(), data()
    first, again = (fisher(network, x, generator=torch.Generator().manual_seed(7)).values for _ in range(2))
    assert all(torch.equal(first[name], again[name]) for name in first)


@pytest.mark.parametrize("name", ["convolutions", "one position", "signals"])
@pytest.mark.parametrize("kind", ["empirical", "exact", "predicted"])
def test_layers_have_a_closed_form(name, kind):
    network, (x, y) = network_of(name), data(7, 2, 8, 8)
    network(x)  # makes lazy layers, moves running statistics
    found = fisher(network, x, y, kind=kind, batch=4)
    network.eval()
    y = network(x).argmax(1) if kind == "predicted" else y
    close(found.values, moments(network, x, exact if kind == "exact" else empirical(y)))
    assert set(found.ways.values()) == {"closed"}


def test_embeddings_add_up_what_an_example_uses_twice():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Embedding(6, 4, padding_idx=0), nn.Flatten(), nn.Linear(20, 3)).double()
    x, y = torch.randint(6, (9, 5)), torch.randint(3, (9,))
    found = fisher(network, x, y, kind="empirical", batch=4)
    close(found.values, moments(network, x, empirical(y)))
    assert set(found.ways.values()) == {"closed"}


def test_shared_parameters_are_right_in_another_way():
    torch.manual_seed(0)
    network, (x, y) = Shared().double(), data()
    found = fisher(network, x, y, kind="empirical")
    close(found.values, moments(network, x, empirical(y)))
    ways = found.ways
    assert ways["twice.weight"] == ways["first.weight"] == ways["bare.weight"] == ways["scale"] == "vmap"
    assert ways["last.weight"] == ways["tied.bias"] == "closed"


class Branching(nn.Module):
    """Goes by its values, and so cannot be mapped."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.layer = nn.Linear(4, 3)

    def forward(self, x):
        x = x * self.scale if float(x.sum()) > 0 else x * self.scale * 2
        return self.layer(x)


def test_a_network_that_cannot_be_mapped_goes_one_by_one():
    network, (x, y) = Branching().double(), data()
    x = x.abs()
    found = fisher(network, x, y, kind="empirical")
    close(found.values, moments(network, x, empirical(y)))
    assert found.ways == {"scale": "loop", "layer.weight": "closed", "layer.bias": "closed"}


class Changing(nn.Module):
    """Works in place wherever that can be, its input included."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        x.mul_(2)
        h = self.a(x)
        h.relu_()
        h = h + self.b(h)
        h.sin_()
        return self.c(h).mul_(3)


def test_what_works_in_place_is_right_and_leaves_the_examples():
    network, (x, y) = Changing().double(), data()
    before = x.clone()
    found = fisher(network, x, y, kind="empirical", batch=5)
    assert torch.equal(x, before)
    close(found.values, moments(network, x, empirical(y)))


class Transposing(nn.Module):
    """Its layers see the examples along the second dimension."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = nn.Linear(4, 4), nn.Linear(4, 3)

    def forward(self, x):
        return self.last(self.inner(x.transpose(0, 1)).tanh().sum(0))


@pytest.mark.parametrize("positions", [2, 3, 13])
def test_a_layer_that_sees_the_examples_elsewhere_is_not_trusted(positions):
    network, (x, y) = Transposing().double(), data(13, positions, 4)
    found = fisher(network, x, y, kind="empirical")
    close(found.values, moments(network, x, empirical(y)))
    assert found.ways["inner.weight"] == "vmap"


def test_recurrent_and_attending_networks_are_right():
    torch.manual_seed(0)
    block = nn.TransformerEncoderLayer(4, 2, 8, batch_first=True)
    network, (x, y) = nn.Sequential(block, nn.Flatten(), nn.Linear(12, 3)).double(), data(5, 3, 4)
    close(fisher(network, x, y, kind="empirical").values, moments(network, x, empirical(y)))

    class Recurrent(nn.Module):
        def __init__(self):
            super().__init__()
            self.cell, self.last = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x):
            return self.last(self.cell(x)[0][:, -1])

    network = Recurrent().double()
    close(fisher(network, x, y, kind="empirical").values, moments(network, x, empirical(y)))


def test_regression_is_a_gaussian_of_variance_one():
    network, (x, _) = mlp(outputs=2), data()
    y = torch.randn(13, 2, dtype=torch.double)
    found = fisher(network, x, y, kind="empirical", loss="mse")
    close(found.values, moments(network, x, lambda out, row: [(1, (out - y[row]).square().sum() / 2)]))
    found = fisher(network, x, kind="exact", loss="mse")
    close(found.values, moments(network, x, lambda out, row: [(1, one) for one in out[0]]))
    many = fisher(network, x.repeat(2000, 1), loss="mse", generator=torch.Generator().manual_seed(0))
    close(many.values, found.values, tolerance=0.1)


def test_a_loss_of_ones_own_is_the_likelihood():
    network, (x, y) = mlp(), data()

    def loss(scores, y):
        return F.cross_entropy(scores, y, label_smoothing=0.1)

    found = fisher(network, x, y, kind="empirical", loss=loss, batch=5)
    close(found.values, moments(network, x, lambda out, row: [(1, loss(out, y[row : row + 1]))]))


def test_outputs_that_do_not_count_are_out_of_it():
    network, (x, _) = mlp(outputs=4), data()
    mask = torch.tensor([True, False, True, False])
    found = fisher(network, x, kind="exact", mask=mask)
    close(found.values, moments(network, x, lambda out, row: exact(out[:, mask], row)))
    assert found.values["4.bias"][~mask].eq(0).all()
    drawn = fisher(network, x, mask=mask.expand(13, 4))
    assert drawn.values["4.bias"][~mask].eq(0).all()
    assert drawn.values["4.bias"][mask].gt(0).all()


def test_a_head_that_is_not_used_matters_nothing():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x):
            return self.used(x)

    x, y = data()
    found = fisher(Two().double(), x, y, kind="empirical")
    assert found.values["unused.weight"].eq(0).all()
    assert found.values["used.weight"].gt(0).any()


def test_the_network_is_left_as_it_was():
    network = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout(0.5), nn.Linear(4, 3)).double()
    network[1].eval()
    for value in network[0].parameters():
        value.requires_grad_(False)
    network[3].weight.grad = torch.ones_like(network[3].weight)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    x, y = data()
    with torch.no_grad():
        found = fisher(network, x, y, kind="empirical")
    assert [module.training for module in network.modules()] == [True, True, False, True, True]
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert network[3].weight.grad.eq(1).all()
    assert network[1].weight.grad is None
    assert not any(module._forward_hooks for module in network.modules())
    assert set(found.values) == {"1.weight", "1.bias", "3.weight", "3.bias"}
    assert not any(value.requires_grad for value in found.values.values())


def test_single_precision_is_within_1e5_of_the_loop():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(30, 40), nn.ReLU(), nn.Linear(40, 10))
    x, y = torch.rand(300, 30), torch.randint(10, (300,))
    found = fisher(network, x, y, kind="empirical").values
    true = moments(network.double(), x.double(), empirical(y))
    for name, value in true.items():
        assert ((found[name] - value).abs() <= 1e-5 * value + 1e-7 * value.max()).all()


def test_magnitudes_go_the_same_ways():
    torch.manual_seed(0)
    for network in (mlp(), Shared().double()):
        x, _ = data()
        found = mean_moments(network, x, lambda start, out: [2 * out], moment="magnitude", batch=5)
        close(found.values, moments(network, x, lambda out, row: [(1, out.square().sum())], torch.abs))


@settings(max_examples=25, deadline=None)
@given(
    widths=st.lists(st.integers(1, 6), min_size=1, max_size=3),
    middle=st.lists(st.integers(1, 3), max_size=2),
    n=st.integers(1, 6),
    batch=st.integers(1, 7),
    bias=st.booleans(),
    seed=st.integers(0, 100),
)
def test_linear_layers_of_every_shape(widths, middle, n, batch, bias, seed):
    torch.manual_seed(seed)
    sizes = [2, *widths]
    layers = [nn.Sequential(nn.Linear(a, b, bias=bias), nn.Tanh()) for a, b in pairwise(sizes)]
    network = nn.Sequential(*layers, nn.Flatten(), nn.LazyLinear(3)).double()
    x, y = torch.randn(n, *middle, 2, dtype=torch.double), torch.randint(3, (n,))
    network(x)
    found = fisher(network, x, y, kind="empirical", batch=batch)
    close(found.values, moments(network, x, empirical(y)), tolerance=1e-9)


@settings(max_examples=25, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.integers(1, 3),
    padding=st.integers(0, 2),
    dilation=st.integers(1, 2),
    groups=st.sampled_from([1, 2, 4]),
    n=st.integers(1, 4),
)
def test_convolutions_of_every_shape(kernel, stride, padding, dilation, groups, n):
    torch.manual_seed(0)
    first = nn.Conv2d(4, 8, kernel, stride, padding, dilation, groups)
    network = nn.Sequential(first, nn.Tanh(), nn.Flatten(), nn.LazyLinear(3)).double()
    x, y = torch.randn(n, 4, 7, 6, dtype=torch.double), torch.randint(3, (n,))
    network(x)
    found = fisher(network, x, y, kind="empirical", batch=2)
    close(found.values, moments(network, x, empirical(y)), tolerance=1e-9)
    assert set(found.ways.values()) == {"closed"}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "nearly"}, "nearly"),
        ({"loss": "hinge"}, "hinge"),
        ({"kind": "predicted", "loss": "mse"}, "squares there are 0"),
        ({"kind": "predicted", "loss": F.cross_entropy}, "draw"),
        ({"loss": F.cross_entropy}, "draw"),
        ({"kind": "empirical"}, "no targets"),
        ({"kind": "empirical", "y": torch.zeros(2).long()}, "2 targets"),
        ({"names": ["9.weight"]}, "9.weight"),
        ({"batch": 0}, "batches of 0"),
    ],
)
def test_what_cannot_be_computed_is_refused(settings, said):
    with pytest.raises(InvalidInput, match=said):
        fisher(mlp(), data()[0], **settings)


def test_examples_and_outputs_must_match():
    with pytest.raises(InvalidInput, match="0 examples"):
        fisher(mlp(), torch.zeros(0, 4, dtype=torch.double))
    with pytest.raises(InvalidInput, match="outputs of shape"):
        fisher(nn.Sequential(nn.Linear(4, 3), nn.Flatten(0)).double(), data()[0])
    with pytest.raises(InvalidInput, match="no scores of classes"):
        fisher(nn.Linear(4, 3).double(), data(5, 2, 4)[0])
