"""The same sums, one example at a time and nothing clever."""

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


def moments(network, x, losses_of, moment=torch.square):
    """Means over the examples; `losses_of(outputs, row)` gives pairs of weight and scalar."""
    modes = [module.training for module in network.modules()]
    network.eval()
    params = {name: value for name, value in network.named_parameters() if value.requires_grad}
    totals = {name: torch.zeros_like(value) for name, value in params.items()}
    for row in range(len(x)):
        outputs = network(x[row : row + 1].clone())
        for weight, loss in losses_of(outputs, row):
            found = torch.autograd.grad(loss, list(params.values()), retain_graph=True, allow_unused=True)
            for name, gradient in zip(params, found, strict=True):
                if gradient is not None:
                    totals[name] += float(weight) * moment(gradient)
    for module, mode in zip(network.modules(), modes, strict=True):
        module.training = mode
    return {name: total / len(x) for name, total in totals.items()}


def empirical(y):
    return lambda outputs, row: [(1, F.cross_entropy(outputs, y[row : row + 1]))]


def exact(outputs, row):
    said = outputs.log_softmax(1)[0]
    return [(value.exp().detach(), -value) for value in said]


def close(found, true, tolerance=1e-10):
    assert found.keys() == true.keys()
    for name, value in true.items():
        assert found[name].shape == value.shape
        assert (found[name] - value).abs().max() <= tolerance * value.abs().max(), name


class Shared(nn.Module):
    """One layer used twice, one tied weight, one parameter of its own, one layer by its weight only."""

    def __init__(self):
        super().__init__()
        self.twice, self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        self.tied = nn.Linear(4, 4)
        self.tied.weight = self.first.weight
        self.scale = nn.Parameter(torch.rand(4))
        self.bare = nn.Linear(4, 4, bias=False)

    def forward(self, x):
        x = self.tied(self.first(x).tanh()).tanh()
        x = self.twice(self.twice(x).tanh()) * self.scale
        return self.last(x @ self.bare.weight + self.bare(x).relu())
