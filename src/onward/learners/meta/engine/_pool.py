"""Maxima of windows of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ._engine import Chance, Params
from ._maps import Pair
from ._op import Asked, Back

maxima = torch.ops.aten.max_pool2d_with_indices.default
maxima_backward = torch.ops.aten.max_pool2d_with_indices_backward.default


@dataclass(frozen=True, slots=True)
class MaxPool:
    """(T, n, h, w, c) -> (T, n, oh, ow, c): the largest value of each window; the first, where several are.

    All by torch's own functions, for the images of all tasks at once, which need no more than which places they were.
    """

    kernel: Pair
    stride: Pair
    padding: Pair
    fresh: bool = True
    random: bool = False

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        (x,) = inputs
        largest, places = maxima(_images(x), self.kernel, self.stride, self.padding)
        return _tasks(largest, len(x)), (places, tuple(x.shape))

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        places, shape = kept
        images = _images(cotangent.new_empty(shape))  # only their shape is looked at
        window = (self.kernel, self.stride, self.padding, (1, 1), False)
        return Back((_tasks(maxima_backward(_images(cotangent), images, *window, places), shape[0]),), {})

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,
        moved: tuple[Tensor | None, ...],
        direction: Params,  # noqa: ARG002
    ) -> tuple[Tensor, Any]:
        (by,) = moved
        assert by is not None
        places, _ = kept
        chosen = _tasks(places, len(by))
        return by.flatten(2, 3).gather(2, chosen.flatten(2, 3)).view_as(chosen), None


def _images(x: Tensor) -> Tensor:
    """(T, n, h, w, c) -> (T * n, c, h, w); in memory it stays channels last."""
    return x.flatten(0, 1).movedim(-1, 1)


def _tasks(x: Tensor, tasks: int) -> Tensor:
    """The way back."""
    value: Tensor = x.movedim(1, -1).unflatten(0, (tasks, -1)).contiguous()
    return value
