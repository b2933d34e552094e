"""Layers that work value by value: activations, dropout, sums, and look-ups by index."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import grad, vmap

from ._engine import Chance, Params
from ._op import Asked, Back

threshold_backward = torch.ops.aten.threshold_backward.default
threshold_backward_into = torch.ops.aten.threshold_backward.grad_input


@dataclass(frozen=True, slots=True)
class Relu:
    """max(x, 0); its output is its own mask, which `threshold_backward` reads in one vectorised pass."""

    fresh: bool = False
    random: bool = False

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        out = inputs[0].relu_() if own else inputs[0].relu()
        return out, out

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        return Back((threshold_backward_into(cotangent, kept, 0, grad_input=cotangent),), {})

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,
        moved: tuple[Tensor | None, ...],
        direction: Params,  # noqa: ARG002
    ) -> tuple[Tensor, Any]:
        return threshold_backward(moved[0], kept, 0), None


@dataclass(frozen=True, slots=True)
class Pointwise:
    """Any function that works value by value and can be differentiated twice; its slopes are autograd's."""

    function: Callable[[Tensor], Tensor]
    fresh: bool = False
    random: bool = False

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        return self.function(inputs[0]), inputs[0]

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        slope = grad(lambda x: self.function(x).sum())(kept)
        return Back((cotangent * slope,), {}, (slope, cotangent) if asked.tape else None)

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,
        moved: tuple[Tensor | None, ...],
        direction: Params,  # noqa: ARG002
    ) -> tuple[Tensor, Any]:
        (by,) = moved
        assert by is not None
        slope = grad(lambda x: self.function(x).sum())(kept)
        return by * slope, by

    def backward_tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: tuple[Any, Any, Any],
        cotangent: Tensor,
        direction: Params,  # noqa: ARG002
        asked: Asked,  # noqa: ARG002
    ) -> Back:
        x, (slope, below), by = kept
        bend = grad(lambda x: grad(lambda x: self.function(x).sum())(x).sum())(x)
        return Back((cotangent * slope + below * bend * by,), {})


@dataclass(frozen=True, slots=True)
class Dropout:
    """A random share of the values to zero, the rest scaled up; another share in every pass, none without a chance.

    Args:
        rate: 0..1, the share.
        channels: whether whole channels of an image go together.
    """

    rate: float
    channels: bool = False
    fresh: bool = False
    random: bool = True

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        x = inputs[0]
        if self.channels and x.ndim != 5:
            raise ValueError("dropout of whole channels is for images")
        if chance.generator is None:
            return x, None
        shape = (*x.shape[:2], *[1] * (x.ndim - 3), x.shape[-1]) if self.channels else x.shape
        kept = torch.rand(shape, generator=chance.generator, dtype=x.dtype, device=x.device) >= self.rate
        mask = kept.to(x.dtype).div_(max(1 - self.rate, 1e-12))
        return x * mask, mask

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        return Back((cotangent if kept is None else cotangent * kept,), {})

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,
        moved: tuple[Tensor | None, ...],
        direction: Params,  # noqa: ARG002
    ) -> tuple[Tensor, Any]:
        (by,) = moved
        assert by is not None
        return (by if kept is None else by * kept), None


@dataclass(frozen=True, slots=True)
class Add:
    """The sum of two values of one shape: where a residual net's paths meet."""

    fresh: bool = True
    random: bool = False

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        return inputs[0] + inputs[1], None

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        return Back((cotangent, cotangent.clone()), {})  # each owner gets its own

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,  # noqa: ARG002
        moved: tuple[Tensor | None, ...],
        direction: Params,  # noqa: ARG002
    ) -> tuple[Tensor, Any]:
        one, other = moved
        if one is None or other is None:
            alone = other if one is None else one
            assert alone is not None
            return alone.clone(), None
        return one + other, None


@dataclass(frozen=True, slots=True)
class Embedding:
    """(T, n, ...) indices -> (T, n, ..., d) rows of the task's own table (T, v, d)."""

    weight: str
    padding: int | None = None
    fresh: bool = True
    random: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (self.weight,)

    def pack(self, name: str, value: Tensor) -> Tensor:  # noqa: ARG002
        return value

    unpack = pack

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        return _look_up(params[self.weight], inputs[0]), (inputs[0], params[self.weight].shape)

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        index, shape = kept
        if self.weight not in asked.names:
            return Back((None,), {})
        table = cotangent.new_zeros(len(index), *shape[1:])
        table = vmap(lambda t, i, c: t.index_add(0, i, c))(table, index.flatten(1), cotangent.flatten(1, -2))
        if self.padding is not None:
            table[:, self.padding] = 0
        return Back((None,), {self.weight: table})

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,
        moved: tuple[Tensor | None, ...],  # noqa: ARG002
        direction: Params,
    ) -> tuple[Tensor, Any]:
        return _look_up(direction[self.weight], kept[0]), None


def _look_up(table: Tensor, index: Tensor) -> Tensor:
    """Rows of each task's table; without a copy where all tasks share one."""
    if table.stride(0) == 0 or len(table) == 1:
        return table[0][index]
    rows: Tensor = vmap(lambda own, at: own[at])(table, index)
    return rows
