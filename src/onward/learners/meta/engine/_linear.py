"""Products with weights: fully connected layers, and convolutions after `Unfold`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ._engine import Chance, Params
from ._op import Asked, Back


@dataclass(frozen=True, slots=True)
class Linear:
    """(T, ..., i) -> (T, ..., o): a batched product with weights (T, i, o), and a bias (T, 1, o) if it has one.

    Args:
        weight: name; in the module (o, i), or (o, i, height, width) for a convolution's.
        bias: name of the bias, if it has one that matters.
        window: kernel height and width of a convolution; the features are then (height, width, channels).
    """

    weight: str
    bias: str | None
    window: tuple[int, int] | None = None
    fresh: bool = True
    random: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def pack(self, name: str, value: Tensor) -> Tensor:
        if name == self.bias:
            return value.unsqueeze(1)
        if self.window is None:
            return value.transpose(1, 2).contiguous()
        return value.permute(0, 3, 4, 2, 1).reshape(len(value), -1, value.shape[1])

    def unpack(self, name: str, value: Tensor) -> Tensor:
        if name == self.bias:
            return value.squeeze(1)
        if self.window is None:
            return value.transpose(1, 2)
        taps: Tensor = value.unflatten(1, (*self.window, -1))
        return taps.permute(0, 4, 3, 1, 2)

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        x = inputs[0]
        rows = x.flatten(1, -2)
        return self._product(rows, params).view(*x.shape[:-1], -1), (rows, x.shape)

    def _product(self, rows: Tensor, params: Params) -> Tensor:
        if self.bias is not None and self.bias in params:
            return torch.baddbmm(params[self.bias], rows, params[self.weight])
        return torch.bmm(rows, params[self.weight])

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:
        rows, shape = kept
        below = cotangent.flatten(1, -2)
        grads: Params = {}
        if self.weight in asked.names:
            grads[self.weight] = torch.bmm(rows.transpose(1, 2), below)
        if self.bias in asked.names:
            grads[self.bias] = below.sum(1, keepdim=True)
        back = torch.bmm(below, params[self.weight].transpose(1, 2)).view(shape) if asked.inputs else None
        return Back((back,), grads, below if asked.tape else None)

    def tangent(
        self, params: Params, kept: Any, moved: tuple[Tensor | None, ...], direction: Params
    ) -> tuple[Tensor, Any]:
        rows, shape = kept
        by = None if moved[0] is None else moved[0].flatten(1, -2)
        out: Tensor | None = None
        if self.weight in direction:
            out = self._product(rows, direction)
        if by is not None:
            weight = params[self.weight]
            out = torch.bmm(by, weight) if out is None else out.baddbmm_(by, weight)
        if out is None:  # only the bias moves
            bias = direction[self.bias or ""]
            out = bias.expand(-1, rows.shape[1], -1).contiguous()
        elif self.weight not in direction and self.bias in direction:
            out += direction[self.bias]
        return out.view(*shape[:-1], -1), by

    def backward_tangent(
        self, params: Params, kept: tuple[Any, Any, Any], cotangent: Tensor, direction: Params, asked: Asked
    ) -> Back:
        (rows, shape), below, by = kept
        moved = cotangent.flatten(1, -2)
        grads: Params = {}
        if self.weight in asked.names:
            found = torch.bmm(rows.transpose(1, 2), moved)
            grads[self.weight] = found if by is None else found.baddbmm_(by.transpose(1, 2), below)
        if self.bias in asked.names:
            grads[self.bias] = moved.sum(1, keepdim=True)
        if not asked.inputs:
            return Back((None,), grads)
        back = torch.bmm(moved, params[self.weight].transpose(1, 2))
        if self.weight in direction:
            back.baddbmm_(below, direction[self.weight].transpose(1, 2))
        return Back((back.view(shape),), grads)
