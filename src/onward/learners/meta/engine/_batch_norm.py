"""Normalisation by the statistics of the batch, task by task."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor

from onward.core import InvalidInput

from ._engine import Chance, Params
from ._op import Asked, Back, stacked

MANY: Final = 1024
"""Places of one task from which the CPU's own backward pass, task by task, is faster than ours of all tasks.

Its forward pass is not used: it sums in single precision, and errors of 1e-6 put units on the wrong side of a ReLU.
"""

native_backward = torch.ops.aten.native_batch_norm_backward.default


def one_row() -> InvalidInput:
    """What is to be said where there is nothing to take the statistics of."""
    return InvalidInput(
        "A batch norm is given a single row.",
        why="It norms by the statistics of what goes through the network together, and those of one row are its own.",
        mend="Give a task more support examples or queries, or norm by layers or groups.",
    )


@dataclass(frozen=True, slots=True)
class BatchNorm:
    """Each channel of (T, n, ..., c) to mean 0 and variance 1 over the task's own examples and places.

    Always by the statistics of what it is given, in training and after it, so that nothing leaks from task to task.
    Of few examples all tasks at once, by sums: `var_mean` over a dimension that is not the last is many times slower
    on a CPU.
    """

    weight: str | None
    bias: str | None
    eps: float
    fresh: bool = True
    random: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in (self.weight, self.bias) if name is not None)

    def pack(self, name: str, value: Tensor) -> Tensor:  # noqa: ARG002
        return value.unsqueeze(1)

    def unpack(self, name: str, value: Tensor) -> Tensor:  # noqa: ARG002
        return value.squeeze(1)

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        x = inputs[0]
        rows = x.flatten(1, -2)
        count = rows.shape[1]
        if count == 1:
            raise one_row()
        mean = rows.sum(1, keepdim=True).div_(count)
        unit = rows.sub_(mean) if own else rows - mean
        scale = (unit * unit).sum(1, keepdim=True).div_(count).add_(self.eps).rsqrt_()
        unit.mul_(scale)
        if self.weight is None or self.bias is None:
            return unit.clone().view(x.shape), (unit, scale, x.shape)
        return torch.addcmul(params[self.bias], unit, params[self.weight]).view(x.shape), (unit, scale, x.shape)

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:
        unit, scale, shape = kept
        gain = scale if self.weight is None else params[self.weight] * scale
        rows = cotangent.flatten(1, -2)
        if not asked.tape and rows.device.type == "cpu" and rows.shape[1] >= MANY:
            return self._by_task(rows, unit, gain, shape, asked)
        along = (rows * unit).sum(1, keepdim=True)
        total = rows.sum(1, keepdim=True)
        grads = self._grads(along, total, asked)
        kept = (rows, total, along, gain) if asked.tape else None
        if not asked.inputs:
            return Back((None,), grads, kept)
        centred = _centred(rows, unit, total, along, own=not asked.tape)
        return Back((centred.mul_(gain).view(shape),), grads, kept)

    def _by_task(self, rows: Tensor, unit: Tensor, gain: Tensor, shape: tuple[int, ...], asked: Asked) -> Back:
        """The same by the CPU's own function: `unit` has mean 0 and variance 1, and what scaled it is in the gain."""
        zero, one = torch.zeros_like(gain[0, 0]), torch.ones_like(gain[0, 0])
        mask = [asked.inputs, True, True]
        each = zip(rows, unit, gain[:, 0], strict=True)
        found = [native_backward(y, x, g, None, None, zero, one, True, self.eps, mask) for y, x, g in each]
        along, total = (stacked([part[at] for part in found]).unsqueeze(1) for at in (1, 2))
        back = stacked([part[0] for part in found]).view(shape) if asked.inputs else None
        return Back((back,), self._grads(along, total, asked))

    def tangent(
        self, params: Params, kept: Any, moved: tuple[Tensor | None, ...], direction: Params
    ) -> tuple[Tensor, Any]:
        unit, scale, shape = kept
        by = moved[0]
        turned = shrunk = None
        out: Tensor | None = None
        if by is not None:
            rows = by.flatten(1, -2)
            count = rows.shape[1]
            lean = (unit * rows).sum(1, keepdim=True).div_(count)
            turned = rows - rows.sum(1, keepdim=True).div_(count)
            turned.addcmul_(unit, lean, value=-1).mul_(scale)
            shrunk = lean.mul_(scale).mul_(scale).neg_()
            out = turned if self.weight is None else turned * params[self.weight]
        if self.weight in direction:
            by_weight = direction[self.weight or ""]
            out = unit * by_weight if out is None else out.addcmul_(unit, by_weight)
        if self.bias in direction:
            by_bias = direction[self.bias or ""]
            out = by_bias.expand_as(unit).contiguous() if out is None else out.add_(by_bias)
        assert out is not None
        return (out.clone() if out is turned else out).view(shape), (turned, shrunk)

    def backward_tangent(
        self, params: Params, kept: tuple[Any, Any, Any], cotangent: Tensor, direction: Params, asked: Asked
    ) -> Back:
        (unit, scale, shape), (rows, total, along, gain), (turned, shrunk) = kept
        moved = cotangent.flatten(1, -2)
        count = moved.shape[1]
        lean = moved * unit
        if turned is not None:
            lean.addcmul_(rows, turned)
        moved_along = lean.sum(1, keepdim=True)
        moved_total = moved.sum(1, keepdim=True)
        grads = self._grads(moved_along, moved_total, asked)
        if not asked.inputs:
            return Back((None,), grads)
        back = moved.sub_(moved_total / count)
        if turned is not None:
            back.addcmul_(turned, along, value=-1 / count)
        back.addcmul_(unit, moved_along, value=-1 / count).mul_(gain)
        slope = self._slope(params, scale, shrunk, direction)
        if slope is not None:
            back.addcmul_(_centred(rows, unit, total, along), slope)
        return Back((back.view(shape),), grads)

    def _slope(self, params: Params, scale: Tensor, shrunk: Tensor | None, direction: Params) -> Tensor | None:
        """How weight * scale moves."""
        slope = None if shrunk is None else (shrunk if self.weight is None else params[self.weight] * shrunk)
        if self.weight in direction:
            by = direction[self.weight or ""] * scale
            slope = by if slope is None else slope + by
        return slope

    def _grads(self, along: Tensor, total: Tensor, asked: Asked) -> Params:
        grads: Params = {}
        if self.weight in asked.names:
            grads[self.weight or ""] = along
        if self.bias in asked.names:
            grads[self.bias or ""] = total
        return grads


def _centred(rows: Tensor, unit: Tensor, total: Tensor, along: Tensor, *, own: bool = False) -> Tensor:
    """Cotangents less what moves mean and variance. `own`: in their place."""
    count = rows.shape[1]
    less = rows.sub_(total / count) if own else rows - total / count
    return less.addcmul_(unit, along, value=-1 / count)
