"""Sequential networks with fewer units in their hidden layers."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from itertools import pairwise
from numbers import Real
from typing import Final, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from onward.core import InvalidInput
from onward.learners.neural import is_number

Weighted = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d
BISECTIONS: Final = 20
TINY: Final = 1e-9
"""A share of which one unit a layer stays."""


def layers(network: nn.Module) -> Iterator[nn.Module]:
    """The layers of a Sequential in order, those of Sequentials within it among them; of another module, itself."""
    if not isinstance(network, nn.Sequential):
        yield network
        return
    for layer in network:
        yield from layers(layer)


def is_weighted(layer: nn.Module) -> TypeGuard[Weighted]:
    """Whether it is a linear or convolution layer."""
    return isinstance(layer, Weighted)


def width(layer: Weighted) -> int:
    """Units or channels that it gives."""
    return len(layer.weight)


def narrowed(network: nn.Module, share: float) -> nn.Sequential:
    """A copy with the strongest units of each hidden layer.

    A unit's strength is the norm of the weights that lead into it times the norm of those that lead out of it. All
    weights among the units that stay are kept, so that the copy is a good place to learn on from.

    Args:
        network: a Sequential of linear and convolution layers (of one group), batch norms, layer norms over the last
            dimension, and modules without parameters that take any number of features;
            Sequentials within it are flattened.
        share: of the units that stay, above 0 and at most 1; at least one of each layer.

    Raises:
        InvalidInput: the network is built otherwise, or the share is out of its range.

    >>> narrowed(nn.Sequential(nn.Linear(4, 10), nn.ReLU(), nn.Linear(10, 2)), 0.5)
    Sequential(
      (0): Linear(in_features=4, out_features=5, bias=True)
      (1): ReLU()
      (2): Linear(in_features=5, out_features=2, bias=True)
    )
    """
    if not (is_number(share, Real) and 0 < share <= 1):
        raise InvalidInput(f"share is {share!r}.", mend="Give a number above 0 and at most 1.")
    flat = list(layers(network))
    weighted = [layer for layer in flat if is_weighted(layer)]
    if not isinstance(network, nn.Sequential) or len(weighted) < 2 or any(map(_different, weighted)):
        raise _unknown(network)
    chosen = iter([*(_strongest(layer, after, share) for layer, after in pairwise(weighted)), None])
    made: list[nn.Module] = []
    units: Tensor | None = None
    before = 1
    for layer in flat:
        if is_weighted(layer):
            outs = next(chosen)
            ins = None if units is None else _flattened(units, before, layer.weight.shape[1])
            made.append(_weighted(layer, ins, outs))
            units, before = outs, width(layer)
        else:
            made.append(_other(layer, units, before))
    return nn.Sequential(*made).train(network.training)


def smallest(network: nn.Module, ratio: float) -> nn.Sequential:
    """The widest `narrowed` copy with at most a `ratio`-th of the parameters.

    Raises:
        InvalidInput: with one unit a layer there are more; or as `narrowed`.
    """
    least = count(narrowed(network, TINY))
    if least * ratio > count(network):
        raise InvalidInput(
            f"No narrower network has {ratio:g} times fewer parameters.",
            why=f"With one unit in each hidden layer there are {least} of {count(network)}.",
            mend=f"Ask for a ratio of {math.floor(100 * count(network) / least) / 100:g} at most, or give a student=.",
        )
    allowed = count(network) / ratio
    low, high = 0.0, 1.0
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if count(narrowed(network, middle)) <= allowed else (low, middle)
    return narrowed(network, low or TINY)


def count(network: nn.Module) -> int:
    """Numbers in all parameters."""
    return sum(value.numel() for value in network.parameters())


def _different(layer: nn.Module) -> bool:
    """Whether its weights are not simply inputs by outputs, as those of several groups, or made of others."""
    return int(getattr(layer, "groups", 1)) != 1 or is_parametrized(layer)


def _unknown(module: nn.Module) -> InvalidInput:
    return InvalidInput(
        f"A {type(module).__name__} cannot be made narrower by itself.",
        why="That is known of Sequentials of at least two linear or convolution layers of one group and without "
        "parametrizations, with batch norms, layer norms and modules without parameters between them.",
        mend="Give a smaller network as student=.",
    )


def _strongest(layer: Weighted, following: Weighted, share: float) -> Tensor:
    """Sorted numbers of the units that stay."""
    into, out = layer.weight.detach(), following.weight.detach()
    units = len(into)
    if out.shape[1] % units:
        raise _unknown(following)
    strength = into.flatten(1).norm(dim=1) * out.transpose(0, 1).reshape(units, -1).norm(dim=1)
    strongest: Tensor = strength.topk(max(1, round(share * units))).indices
    return strongest.sort().values


def _flattened(units: Tensor, before: int, features: int) -> Tensor:
    """The features that stay, where each unit was flattened into several that lie together."""
    each = features // before
    return (units[:, None] * each + torch.arange(each, device=units.device)).flatten()


def _weighted(layer: Weighted, ins: Tensor | None, outs: Tensor | None) -> nn.Module:
    made = copy.deepcopy(layer)
    weight = layer.weight.detach()
    weight = weight if ins is None else weight.index_select(1, ins)
    weight = weight if outs is None else weight.index_select(0, outs)
    made.weight = nn.Parameter(weight.clone())
    if layer.bias is not None:
        bias = layer.bias.detach()
        made.bias = nn.Parameter(bias.clone() if outs is None else bias[outs])
    kind = "features" if isinstance(layer, nn.Linear) else "channels"
    setattr(made, f"out_{kind}", weight.shape[0])
    setattr(made, f"in_{kind}", weight.shape[1])
    return made


def _other(layer: nn.Module, units: Tensor | None, before: int) -> nn.Module:
    made = copy.deepcopy(layer)
    if units is None:
        return made
    if isinstance(made, BatchNorm):
        made.num_features = _chosen(made, _flattened(units, before, made.num_features))
    elif isinstance(made, nn.LayerNorm) and len(made.normalized_shape) == 1:
        made.normalized_shape = (_chosen(made, _flattened(units, before, made.normalized_shape[0])),)
    elif _fixed(made) or any(value.numel() > 1 for value in layer.parameters()):
        raise _unknown(layer)
    return made


def _fixed(layer: nn.Module) -> bool:
    """Whether it takes one number of features and no other."""
    return isinstance(layer, nn.Unflatten) or (isinstance(layer, nn.GroupNorm) and layer.num_groups > 1)


def _chosen(made: nn.Module, features: Tensor) -> int:
    """Leave a norm the parameters and statistics of some features; how many."""
    for name, parameter in list(made.named_parameters(recurse=False)):
        setattr(made, name, nn.Parameter(parameter.detach()[features]))
    for name, buffer in list(made.named_buffers(recurse=False)):
        if buffer.ndim:
            setattr(made, name, buffer[features])
    return len(features)
