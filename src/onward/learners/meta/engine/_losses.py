"""Losses of stacked tasks: value, gradient with respect to the outputs, and the tangent of that gradient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

from onward.core import InvalidInput

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""(outputs, y) of one task -> a scalar."""


class Loss(Protocol):
    """The loss of each of T tasks."""

    def check(self, outputs: tuple[int, ...], y: Tensor) -> None:
        """Refuse (T, n, ...) targets that do not fit outputs of such a shape for each example.

        Raises:
            InvalidInput: they do not.
        """
        ...

    def one(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Scalar loss of one task: (n, ...) outputs and (n, ...) targets; differentiable by autograd."""
        ...

    def value(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Any]:
        """(T,) losses, (T, n, ...) gradients with respect to the outputs, and what `tangent` needs."""
        ...

    def tangent(self, kept: Any, outputs: Tensor) -> Tensor:
        """How the gradient moves when the outputs move by `outputs`."""
        ...


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Mean cross-entropy of (T, n, classes) scores and (T, n) classes."""

    def check(self, outputs: tuple[int, ...], y: Tensor) -> None:
        if y.is_floating_point() or not outputs or y.shape[2:] != outputs[:-1]:
            raise InvalidInput(
                f"Targets of type {y.dtype} and shape {tuple(y.shape[1:])} are no classes for scores "
                f"{(y.shape[1], *outputs)}.",
                why="Cross-entropy wants a whole number for each row of scores.",
                mend='Give class numbers of shape (n,), or loss="mse" for real targets.',
            )
        for number in map(int, y.aminmax()):
            if not 0 <= number < outputs[-1]:
                raise InvalidInput(
                    f"Class {number} has no score: there are {outputs[-1]}, numbered from 0.",
                    mend=f"Number the classes of a task from 0 to {outputs[-1] - 1}, or give an output for each.",
                )

    def one(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(outputs, y.long())

    def value(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Any]:
        count = y.shape[1]
        logs = outputs.log_softmax(-1)
        chances = logs.exp()
        index = y.long().unsqueeze(-1)
        loss = logs.gather(-1, index).sum((1, 2)).div_(-count)
        gradient = chances.scatter_add(-1, index, torch.full_like(index, -1, dtype=chances.dtype)).div_(count)
        return loss, gradient, (chances, count)

    def tangent(self, kept: Any, outputs: Tensor) -> Tensor:
        chances, count = kept
        moved: Tensor = (outputs - (chances * outputs).sum(-1, keepdim=True)).mul_(chances)
        return moved.div_(count)


@dataclass(frozen=True, slots=True)
class SquaredError:
    """Mean squared error over the examples and what each gives."""

    def check(self, outputs: tuple[int, ...], y: Tensor) -> None:
        if prod(y.shape[2:]) != prod(outputs):
            raise InvalidInput(
                f"Targets of shape {tuple(y.shape[2:])} do not fit outputs of shape {outputs}, those of one example.",
                why="The squared error holds each number that is predicted against one that should be.",
                mend="Give as many targets for each example as there are outputs.",
            )

    def one(self, outputs: Tensor, y: Tensor) -> Tensor:
        return F.mse_loss(outputs, y.view_as(outputs))

    def value(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Any]:
        off = outputs - y.view_as(outputs)
        scale = 2.0 / off[0].numel()
        return (off * off).flatten(1).mean(1), off * scale, scale

    def tangent(self, kept: Any, outputs: Tensor) -> Tensor:
        scale: float = kept
        return outputs * scale


@dataclass(frozen=True, slots=True)
class Custom:
    """Any function of one task's (outputs, y) that autograd can differentiate twice."""

    function: LossFunction

    def check(self, outputs: tuple[int, ...], y: Tensor) -> None:
        """Only the function knows."""

    def one(self, outputs: Tensor, y: Tensor) -> Tensor:
        return self.function(outputs, y)

    def value(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Any]:
        gradient, loss = vmap(grad_and_value(self.function))(outputs, y)
        return loss, gradient.contiguous(), (outputs, y)  # that of a sum is one number seen many times

    def tangent(self, kept: Any, outputs: Tensor) -> Tensor:
        at, y = kept

        def moved(each: Tensor, target: Tensor, by: Tensor) -> Tensor:
            found: Tensor = grad(lambda o: (grad(self.function)(o, target) * by).sum())(each)
            return found

        found: Tensor = vmap(moved)(at, y, outputs)
        return found.contiguous()


@dataclass(frozen=True, slots=True)
class Scaled:
    """A loss times a number."""

    loss: Loss
    by: float

    def check(self, outputs: tuple[int, ...], y: Tensor) -> None:
        self.loss.check(outputs, y)

    def one(self, outputs: Tensor, y: Tensor) -> Tensor:
        return self.loss.one(outputs, y) * self.by

    def value(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Any]:
        loss, gradient, kept = self.loss.value(outputs, y)
        return loss * self.by, gradient * self.by, kept

    def tangent(self, kept: Any, outputs: Tensor) -> Tensor:
        return self.loss.tangent(kept, outputs) * self.by


LOSSES: Final[dict[str, Loss]] = {"cross_entropy": CrossEntropy(), "mse": SquaredError()}


def loss_of(named: str | LossFunction) -> Loss:
    """The loss of a name, or of a function of one task's (outputs, y).

    Raises:
        InvalidInput: no loss has the name.

    >>> loss_of("mse")
    SquaredError()
    """
    if callable(named):
        return Custom(named)
    if named not in LOSSES:
        raise InvalidInput(f"No loss is called {named!r}.", mend="Name one, or give a function.", options=LOSSES)
    return LOSSES[named]
