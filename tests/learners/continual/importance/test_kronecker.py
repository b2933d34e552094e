"""Kronecker factors: exact where the approximation is, and the nearest sum of two products."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual.importance import Factors, kronecker_factors, nearest_sum

from .plain import Shared


def random_like(start, outputs):
    generator = torch.Generator().manual_seed(start + 1)
    return [torch.randn(outputs.shape, dtype=outputs.dtype, generator=generator)]


def names_of(network):
    return [name for name, value in network.named_parameters() if value.requires_grad]


def full_information(network, layer, x, v):
    """Mean over the examples of g g' for the weight and the bias of a layer, the bias as a last column."""
    total = 0
    for row in range(len(x)):
        out = network(x[row : row + 1])
        weight, *bias = torch.autograd.grad(out, list(layer.parameters()), v[row : row + 1])
        g = torch.cat([weight.flatten(1), *[part[:, None] for part in bias]], 1).flatten()
        total = total + torch.outer(g, g)
    return total / len(x)


@pytest.mark.parametrize("bias", [True, False])
def test_one_example_of_a_linear_layer_is_exact(bias):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 3, bias=bias), nn.Tanh(), nn.Linear(3, 2)).double()
    x = torch.randn(1, 4, dtype=torch.double)
    found = kronecker_factors(network, x, random_like, names=names_of(network))
    assert list(found) == ["0.weight", "2.weight"]
    with torch.no_grad():
        v = random_like(0, network(x))[0]
    for name, at in (("0.weight", 0), ("2.weight", 2)):
        product = torch.kron(found[name].outputs, found[name].inputs)
        assert torch.allclose(product, full_information(network, network[at], x, v), atol=1e-12)


def test_factors_are_means_over_examples_whatever_the_batch():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)).double()
    x = torch.randn(11, 4, dtype=torch.double)

    def all_ones(start, outputs):
        return [torch.ones_like(outputs), 2 * torch.ones_like(outputs)]

    whole, parts = (kronecker_factors(network, x, all_ones, batch=size, names=names_of(network)) for size in (11, 3))
    a = torch.cat([x, torch.ones(11, 1, dtype=torch.double)], 1)
    assert torch.allclose(whole["0.weight"].inputs, a.t() @ a / 11)
    assert torch.allclose(whole["2.weight"].outputs, torch.full((2, 2), 5.0, dtype=torch.double))
    for name, factors in whole.items():
        assert torch.allclose(factors.inputs, parts[name].inputs)
        assert torch.allclose(factors.outputs, parts[name].outputs)


def test_convolutions_follow_their_definition():
    torch.manual_seed(0)
    layer = nn.Conv2d(2, 3, (2, 3), stride=2, padding=1)
    network = nn.Sequential(layer, nn.Flatten(), nn.LazyLinear(2)).double()
    x = torch.randn(5, 2, 6, 7, dtype=torch.double)
    network(x)
    found = kronecker_factors(network, x, random_like, names=names_of(network))["0.weight"]
    out = layer(x)
    (slopes,) = torch.autograd.grad(network[2](out.flatten(1)), out, random_like(0, torch.empty(5, 2).double())[0])
    padded = nn.functional.pad(x, (1, 1, 1, 1))
    inputs, outputs = torch.zeros(13, 13).double(), torch.zeros(3, 3).double()
    for n in range(5):
        for i in range(out.shape[2]):
            for j in range(out.shape[3]):
                patch = padded[n, :, 2 * i : 2 * i + 2, 2 * j : 2 * j + 3].flatten()
                a = torch.cat([patch, torch.ones(1).double()])
                inputs += torch.outer(a, a) / 5
                outputs += torch.outer(slopes[n, :, i, j], slopes[n, :, i, j]) / 5 / out[0, 0].numel()
    assert torch.allclose(found.inputs, inputs)
    assert torch.allclose(found.outputs, outputs)


def test_only_layers_that_are_used_plainly_have_factors():
    torch.manual_seed(0)
    network = Shared().double()
    found = kronecker_factors(network, torch.randn(6, 4).double(), random_like, names=names_of(network))
    assert list(found) == ["last.weight"]
    groups = nn.Sequential(nn.Conv2d(2, 4, 3, groups=2), nn.Flatten(), nn.Linear(4, 2)).double()
    found = kronecker_factors(groups, torch.randn(6, 2, 3, 3).double(), random_like, names=names_of(groups))
    assert list(found) == ["2.weight"]


def test_a_layer_used_otherwise_in_some_batches_is_refused():
    class Sometimes(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(3, 3)

        def forward(self, x):
            out = self.layer(x)
            return self.layer(out) if bool((x > 100).any()) else out

    x = torch.rand(9, 3)
    x[7] = 200
    with pytest.raises(InvalidInput, match="same way"):
        kronecker_factors(Sometimes(), x, random_like, batch=4, names=["layer.weight", "layer.bias"])


def positive(size, generator):
    root = torch.randn(size, size, dtype=torch.double, generator=generator)
    return root @ root.t()


@settings(max_examples=30, deadline=None)
@given(across=st.integers(1, 4), down=st.integers(1, 4), seed=st.integers(0, 10_000), scale=st.floats(0, 1e3))
def test_the_nearest_product_is_the_best_of_rank_one(across, down, seed, scale):
    generator = torch.Generator().manual_seed(seed)
    pairs = [Factors(positive(across, generator), positive(down, generator), "w", "") for _ in range(2)]
    pairs[1] = Factors(pairs[1].inputs * scale, pairs[1].outputs, "w", "")
    found = nearest_sum(*pairs)
    whole = sum(torch.outer(each.outputs.flatten(), each.inputs.flatten()) for each in pairs)
    u, s, v = torch.linalg.svd(whole)
    best = s[0] * torch.outer(u[:, 0], v[0])
    ours = torch.outer(found.outputs.flatten(), found.inputs.flatten())
    assert (ours - whole).norm() <= (best - whole).norm() + 1e-9 * whole.norm()
    for matrix in (found.inputs, found.outputs):
        assert torch.linalg.eigvalsh(matrix).min() >= -1e-9 * matrix.norm()


def test_a_sum_with_itself_or_with_nothing_is_exact():
    generator = torch.Generator().manual_seed(0)
    one = Factors(positive(3, generator), positive(2, generator), "w", "b")
    none = Factors(torch.zeros(3, 3).double(), torch.zeros(2, 2).double(), "w", "b")
    for found, times in ((nearest_sum(one, one), 2), (nearest_sum(one, none), 1), (nearest_sum(none, one), 1)):
        assert torch.allclose(torch.kron(found.outputs, found.inputs), times * torch.kron(one.outputs, one.inputs))
    both = nearest_sum(none, none)
    assert both.inputs.isfinite().all()
    assert torch.kron(both.outputs, both.inputs).eq(0).all()


def test_a_bias_that_one_of_them_lacks_gets_zeros():
    generator = torch.Generator().manual_seed(0)
    narrow = Factors(positive(2, generator), positive(2, generator), "w", "")
    wide = Factors(torch.zeros(3, 3).double(), torch.zeros(2, 2).double(), "w", "b")
    found = nearest_sum(wide, narrow)
    assert (found.weight, found.bias, tuple(found.inputs.shape)) == ("w", "b", (3, 3))
    assert found.inputs[2].eq(0).all()
