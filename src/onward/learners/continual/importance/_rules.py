"""Gradients of single examples in closed form, from what went into a layer and the gradient of what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

Moment = Literal["square", "magnitude", "itself"]
Gradients = dict[str, Tensor]
Layer = Any
LARGEST: Final = 2**20
"""Numbers to hold at once for the gradients of single examples: what fits a cache."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How a layer's parameters get their gradients.

    Args:
        fits: whether the rule holds for a layer and its (n, ...) input.
        samples: (layer, inputs (n, ...), gradients of outputs (n, ...)) -> (n, ...) for each parameter.
        sums: (layer, inputs, several gradients of outputs, moment) -> sums over all of them of the moments, where there
            is a shorter way; or `None`.
        rows: (layer, inputs, gradients of outputs) -> (n, positions, in) and (n, positions, out), of which the weight's
            gradient is the sum of outer products; or `None`.
    """

    fits: Callable[[Layer, Tensor], bool]
    samples: Callable[[Layer, Tensor, Tensor], Gradients]
    sums: Callable[[Layer, Tensor, Sequence[Tensor], Moment], Gradients | None]
    rows: Callable[[Layer, Tensor, Tensor], tuple[Tensor, Tensor]] | None = None


def moment_of(values: Tensor, moment: Moment) -> Tensor:
    """Squares, magnitudes, or the values themselves."""
    if moment == "itself":
        return values
    return values.square() if moment == "square" else values.abs()


def summed(rule: Rule, layer: Layer, a: Tensor, deltas: Sequence[Tensor], moment: Moment) -> Gradients:
    """Sums of the moments over the examples, and over several gradients of the outputs."""
    short = rule.sums(layer, a, deltas, moment)
    if short is not None:
        return short
    size = at_once(layer, a, deltas[0])
    totals: Gradients = {}
    for delta in deltas:
        for part, gradient in zip(a.split(size), delta.split(size), strict=True):
            found = rule.samples(layer, part, gradient)
            add(totals, {name: moment_of(value, moment).sum(0) for name, value in found.items()})
    return totals


def at_once(layer: Layer, a: Tensor, delta: Tensor) -> int:
    """Examples whose gradients and unfolded inputs fit."""
    numbers: int = max(layer.weight.numel(), a[0].numel() * _overlap(layer), delta[0].numel())
    return max(1, LARGEST // numbers)


def add(totals: Gradients, more: Mapping[str, Tensor]) -> None:
    """Add to sums, in place."""
    for name, value in more.items():
        if name in totals:
            totals[name].add_(value)
        else:
            totals[name] = value


def _overlap(layer: Layer) -> int:
    """How often a number of the input stands in the unfolded input, at most."""
    return int(torch.Size(layer.kernel_size).numel()) if hasattr(layer, "kernel_size") else 1


def _outer(a: Tensor, deltas: Sequence[Tensor], moment: Moment) -> Gradients:
    """The gradient of each example is one outer product: so is its moment."""
    raised = moment_of(deltas[0], moment)
    for delta in deltas[1:]:
        raised.add_(moment_of(delta, moment))
    return {"weight": raised.t() @ moment_of(a, moment), "bias": raised.sum(0)}


def _linear_rows(layer: nn.Linear, a: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    return a.reshape(len(a), -1, a.shape[-1]), delta.reshape(len(a), -1, delta.shape[-1])


def _linear(layer: nn.Linear, a: Tensor, delta: Tensor) -> Gradients:
    a, delta = _linear_rows(layer, a, delta)
    return {"weight": delta.transpose(1, 2) @ a, "bias": delta.sum(1)}


def _linear_sums(layer: nn.Linear, a: Tensor, deltas: Sequence[Tensor], moment: Moment) -> Gradients | None:  # noqa: ARG001
    return _outer(a, deltas, moment) if a.ndim == 2 else None


def _pairs(layer: Layer) -> list[tuple[int, int]]:
    """Padding, dilation and stride in two dimensions."""
    one = len(layer.kernel_size) == 1
    padding = (0,) * len(layer.kernel_size) if layer.padding == "valid" else layer.padding
    return [(fill, v[0]) if one else (v[0], v[1]) for fill, v in ((0, padding), (1, layer.dilation), (1, layer.stride))]


def _unfolded(layer: Layer, a: Tensor) -> Tensor:
    """(n, groups, inputs of a group and kernel, positions)."""
    kernel = (1, *layer.kernel_size) if len(layer.kernel_size) == 1 else layer.kernel_size
    padding, dilation, stride = _pairs(layer)
    image = a.unsqueeze(2) if a.ndim == 3 else a
    found = F.unfold(image, kernel, dilation, padding, stride)
    return found.reshape(len(a), layer.groups, -1, found.shape[-1])


def _convolution_rows(layer: Layer, a: Tensor, delta: Tensor) -> tuple[Tensor, Tensor]:
    """Of a convolution without groups."""
    return _unfolded(layer, a).squeeze(1).transpose(1, 2), delta.flatten(2).transpose(1, 2)


def _convolution(layer: Layer, a: Tensor, delta: Tensor) -> Gradients:
    columns = _unfolded(layer, a)
    rows = delta.reshape(len(a), layer.groups, -1, columns.shape[-1])
    weight = rows @ columns.transpose(2, 3)
    return {"weight": weight.reshape(len(a), *layer.weight.shape), "bias": delta.flatten(2).sum(2)}


def _convolution_sums(layer: Layer, a: Tensor, deltas: Sequence[Tensor], moment: Moment) -> Gradients | None:
    """Where it has one position only, it is a linear layer."""
    if layer.groups > 1 or deltas[0][0, 0].numel() != 1:
        return None
    found = _outer(_unfolded(layer, a).flatten(1), [delta.flatten(1) for delta in deltas], moment)
    return found | {"weight": found["weight"].view_as(layer.weight)}


def _convolves(layer: Layer, a: Tensor) -> bool:
    plain = layer.padding_mode == "zeros" and (not isinstance(layer.padding, str) or layer.padding == "valid")
    return plain and a.ndim == len(layer.kernel_size) + 2


def _channels(a: Tensor, normal: Tensor, delta: Tensor) -> Gradients:
    shape = (*a.shape[:2], -1)
    delta = delta.reshape(shape)
    return {"weight": (delta * normal.reshape(shape)).sum(2), "bias": delta.sum(2)}


def _batch_norm(layer: Layer, a: Tensor, delta: Tensor) -> Gradients:
    return _channels(a, F.batch_norm(a, layer.running_mean, layer.running_var, eps=layer.eps), delta)


def _group_norm(layer: nn.GroupNorm, a: Tensor, delta: Tensor) -> Gradients:
    return _channels(a, F.group_norm(a, layer.num_groups, eps=layer.eps), delta)


def _layer_norm(layer: nn.LayerNorm, a: Tensor, delta: Tensor) -> Gradients:
    shape = (len(a), -1, *layer.normalized_shape)
    normal = F.layer_norm(a, layer.normalized_shape, eps=layer.eps).reshape(shape)
    delta = delta.reshape(shape)
    return {"weight": (delta * normal).sum(1), "bias": delta.sum(1)}


def _embedding(layer: nn.Embedding, a: Tensor, delta: Tensor) -> Gradients:
    weight = delta.new_zeros(len(a), *layer.weight.shape)
    rows = a.reshape(len(a), -1)
    each = delta.reshape(*rows.shape, -1)
    weight.scatter_add_(1, rows.unsqueeze(2).expand_as(each), each)
    if layer.padding_idx is not None:
        weight[:, layer.padding_idx] = 0
    return {"weight": weight}


def _embedding_sums(layer: nn.Embedding, a: Tensor, deltas: Sequence[Tensor], moment: Moment) -> Gradients:
    """Rows that an example uses more than once are added up first; no table for each example."""
    count = layer.num_embeddings
    example = torch.arange(len(a), device=a.device).repeat_interleave(a[0].numel())
    used, at = (example * count + a.flatten()).unique(return_inverse=True)
    weight = torch.zeros_like(layer.weight)
    for delta in deltas:
        each = delta.reshape(len(at), -1)
        rows = each.new_zeros(len(used), each.shape[1]).index_add_(0, at, each)
        weight.index_add_(0, used % count, moment_of(rows, moment))
    if layer.padding_idx is not None:
        weight[layer.padding_idx] = 0
    return {"weight": weight}


def _no_sums(layer: Layer, a: Tensor, deltas: Sequence[Tensor], moment: Moment) -> None:  # noqa: ARG001
    return None


def _looks_up(layer: nn.Embedding, a: Tensor) -> bool:
    return not (layer.sparse or layer.scale_grad_by_freq or layer.max_norm is not None or a.is_floating_point())


_LINEAR = Rule(lambda _, a: a.ndim >= 2, _linear, _linear_sums, _linear_rows)
_CONVOLUTION = Rule(_convolves, _convolution, _convolution_sums, _convolution_rows)
_BATCH_NORM = Rule(lambda layer, a: a.ndim >= 2 and layer.running_mean is not None, _batch_norm, _no_sums)
_GROUP_NORM = Rule(lambda _, a: a.ndim >= 2, _group_norm, _no_sums)
_LAYER_NORM = Rule(lambda layer, a: a.ndim > len(layer.normalized_shape), _layer_norm, _no_sums)
RULES: Final[Mapping[type[nn.Module], Rule]] = {
    nn.Linear: _LINEAR,
    nn.Conv1d: _CONVOLUTION,
    nn.Conv2d: _CONVOLUTION,
    nn.BatchNorm1d: _BATCH_NORM,
    nn.BatchNorm2d: _BATCH_NORM,
    nn.BatchNorm3d: _BATCH_NORM,
    nn.GroupNorm: _GROUP_NORM,
    nn.LayerNorm: _LAYER_NORM,
    nn.Embedding: Rule(_looks_up, _embedding, _embedding_sums),
}


def rule_of(layer: nn.Module) -> Rule | None:
    """That of exactly this class: what inherits from it may compute something else."""
    return RULES.get(type(layer))
