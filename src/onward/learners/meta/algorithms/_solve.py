"""Linear equations of many tasks at once, by products alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from onward.learners.meta.engine import Params


def solve(matrix: Callable[[Params], Params], target: Params, steps: int) -> Params:
    """Conjugate gradient (Hestenes and Stiefel 1952) from 0, each of T tasks with steps of its own.

    A task along whose direction the matrix is not positive stays where it is, as in truncated Newton methods.

    Args:
        matrix: symmetric; (T, ...) values -> their product with each task's matrix.
        target: right-hand sides, (T, ...).
        steps: at least 1.
    """
    found = {name: torch.zeros_like(value) for name, value in target.items()}
    left, along = target, target
    square = dot(left, left)
    for _ in range(steps):
        product = matrix(along)
        curve = dot(along, product)
        far = torch.where(curve > 0, square / curve, 0.0)
        found = plus(found, along, far)
        left = plus(left, product, -far)
        before, square = square, dot(left, left)
        along = plus(left, along, torch.where(before > 0, square / before, 0.0))
    return found


def dot(one: Params, other: Params) -> Tensor:
    """(T,) inner products."""
    return torch.stack([(value * other[name]).flatten(1).sum(1) for name, value in one.items()]).sum(0)


def plus(one: Params, other: Params, by: Tensor) -> Params:
    """one + by * other, with (T,) factors."""
    return {n: torch.addcmul(value, other[n], by.view(-1, *[1] * (value.ndim - 1))) for n, value in one.items()}
