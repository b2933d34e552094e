"""Normalisation by the statistics of each example, or of groups of its channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ._engine import Chance, Params
from ._op import Asked, Back


@dataclass(frozen=True, slots=True)
class Standardise:
    """Groups of each example's features to mean 0 and variance 1: layer norm (all of them), group norm (of channels).

    Args:
        groups: channel groups of a group norm; 0: all features of `ndim` trailing dimensions together.
        trailing: how many trailing dimensions a layer norm spans.
    """

    groups: int
    trailing: int
    eps: float
    fresh: bool = False
    random: bool = False

    def _split(self, x: Tensor) -> tuple[Tensor, tuple[int, ...]]:
        """The features by group, and the dimensions to reduce."""
        if not self.groups:
            return x, tuple(range(x.ndim - self.trailing, x.ndim))
        split = x.unflatten(-1, (self.groups, -1))
        return split, (*range(2, x.ndim - 1), split.ndim - 1)

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        x, dims = self._split(inputs[0])
        unit = x - x.mean(dims, keepdim=True)
        scale = (unit * unit).mean(dims, keepdim=True).add_(self.eps).rsqrt_()
        unit.mul_(scale)
        return unit.reshape(inputs[0].shape), (unit, scale, dims)

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        unit, scale, dims = kept
        rows = cotangent.reshape(unit.shape)
        along = (rows * unit).mean(dims, keepdim=True)
        centred = rows - rows.mean(dims, keepdim=True) - unit * along
        return Back(((centred * scale).reshape(cotangent.shape),), {}, (rows, centred, along) if asked.tape else None)

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,
        moved: tuple[Tensor | None, ...],
        direction: Params,  # noqa: ARG002
    ) -> tuple[Tensor, Any]:
        unit, scale, dims = kept
        (by,) = moved
        assert by is not None
        rows = by.reshape(unit.shape)
        lean = (unit * rows).mean(dims, keepdim=True)
        turned = (rows - rows.mean(dims, keepdim=True) - unit * lean) * scale
        return turned.reshape(by.shape), (turned, -scale * scale * lean)

    def backward_tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: tuple[Any, Any, Any],
        cotangent: Tensor,
        direction: Params,  # noqa: ARG002
        asked: Asked,  # noqa: ARG002
    ) -> Back:
        (unit, scale, dims), (rows, centred, along), (turned, shrunk) = kept
        moved = cotangent.reshape(unit.shape)
        moved_along = (moved * unit + rows * turned).mean(dims, keepdim=True)
        back = moved - moved.mean(dims, keepdim=True) - turned * along - unit * moved_along
        return Back(((back * scale + centred * shrunk).reshape(cotangent.shape),), {})


@dataclass(frozen=True, slots=True)
class Scale:
    """Weight times value plus bias, feature by feature: what follows `Standardise`.

    Args:
        shape: of the weight in the module: (c,) or, of a layer norm, its trailing dimensions, channels first.
    """

    weight: str
    bias: str | None
    shape: tuple[int, ...]
    fresh: bool = True
    random: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return (self.weight,) if self.bias is None else (self.weight, self.bias)

    def pack(self, name: str, value: Tensor) -> Tensor:  # noqa: ARG002
        value = value.permute(0, 2, 3, 1) if len(self.shape) == 3 else value
        return value.unsqueeze(1).contiguous()

    def unpack(self, name: str, value: Tensor) -> Tensor:  # noqa: ARG002
        value = value.squeeze(1)
        return value.permute(0, 3, 1, 2) if len(self.shape) == 3 else value

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        x = inputs[0]
        out = x * self._wide(params[self.weight], x)
        if self.bias is not None:
            out += self._wide(params[self.bias], x)
        return out, x

    def _wide(self, value: Tensor, x: Tensor) -> Tensor:
        """(T, 1, *shape) -> ready to meet (T, n, ..., *shape)."""
        return value.reshape(len(value), *[1] * (x.ndim - 1 - len(self.shape)), *value.shape[2:])

    def _narrow(self, value: Tensor) -> Tensor:
        """Summed over all but the tasks and the features."""
        dims = tuple(range(1, value.ndim - len(self.shape)))
        return value.sum(dims).unsqueeze(1)

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:
        grads: Params = {}
        if self.weight in asked.names:
            grads[self.weight] = self._narrow(cotangent * kept)
        if self.bias in asked.names:
            grads[self.bias or ""] = self._narrow(cotangent)
        back = cotangent * self._wide(params[self.weight], kept) if asked.inputs else None
        return Back((back,), grads, cotangent if asked.tape else None)

    def tangent(
        self, params: Params, kept: Any, moved: tuple[Tensor | None, ...], direction: Params
    ) -> tuple[Tensor, Any]:
        (by,) = moved
        out = torch.zeros_like(kept) if by is None else by * self._wide(params[self.weight], kept)
        if self.weight in direction:
            out.addcmul_(kept, self._wide(direction[self.weight], kept))
        if self.bias in direction:
            out.add_(self._wide(direction[self.bias or ""], kept))
        return out, by

    def backward_tangent(
        self, params: Params, kept: tuple[Any, Any, Any], cotangent: Tensor, direction: Params, asked: Asked
    ) -> Back:
        x, below, by = kept
        grads: Params = {}
        if self.weight in asked.names:
            lean = cotangent * x
            grads[self.weight] = self._narrow(lean if by is None else lean.addcmul_(below, by))
        if self.bias in asked.names:
            grads[self.bias or ""] = self._narrow(cotangent)
        if not asked.inputs:
            return Back((None,), grads)
        back = cotangent * self._wide(params[self.weight], x)
        if self.weight in direction:
            back.addcmul_(below, self._wide(direction[self.weight], x))
        return Back((back,), grads)
