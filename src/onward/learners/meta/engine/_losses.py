"""Losses of stacked tasks: value, gradient with respect to the outputs, and the tangent of that gradient."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final, Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor
from torch.func import grad, grad_and_value, vmap

from onward.core import InvalidInput

WRONG: Final = (RuntimeError, ValueError, IndexError, TypeError, AssertionError)
"""What torch raises where something does not fit."""
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


@contextmanager
def twice() -> Iterator[None]:
    """Where second derivatives are taken.

    Raises:
        InvalidInput: there are none.
    """
    try:
        yield
    except RuntimeError as error:
        if "derivative for" not in str(error):
            raise
        raise InvalidInput(
            "The loss or the network cannot be differentiated twice.",
            why=f"{error}.",
            mend="Give another, or take first_order=True, Reptile or the like.",
        ) from error


@dataclass(frozen=True, slots=True)
class CrossEntropy:
    """Mean cross-entropy of (T, n, ..., classes) scores and (T, n, ...) classes: of examples, or of their places."""

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
        return F.cross_entropy(outputs.flatten(0, -2), y.long().flatten())

    def value(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Any]:
        count = y[0].numel()
        logs = outputs.log_softmax(-1)
        chances = logs.exp()
        index = y.long().unsqueeze(-1)
        loss = logs.gather(-1, index).flatten(1).sum(1).div_(-count)
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
        return F.mse_loss(outputs, y.view_as(outputs).to(outputs.dtype))

    def value(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Any]:
        off = outputs - y.view_as(outputs).to(outputs.dtype)
        scale = 2.0 / off[0].numel()
        return (off * off).flatten(1).mean(1), off * scale, scale

    def tangent(self, kept: Any, outputs: Tensor) -> Tensor:
        scale: float = kept
        return outputs * scale


@dataclass(frozen=True, slots=True)
class Custom:
    """Any function of one task's (outputs, y) that autograd can differentiate.

    Args:
        by_task: whether it is asked task by task, as `torch.func` cannot work on it.
    """

    function: LossFunction
    by_task: bool = False

    def check(self, outputs: tuple[int, ...], y: Tensor) -> None:
        """Only the function knows."""

    def one(self, outputs: Tensor, y: Tensor) -> Tensor:
        return self.function(outputs, y)

    def value(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor, Any]:
        if self.by_task:
            each = [self._slope(*task, graph=False) for task in zip(outputs, y, strict=True)]
            loss, gradient = (torch.stack(part) for part in zip(*[(one, slope) for _, one, slope in each], strict=True))
            return loss.detach(), gradient, (outputs, y)
        gradient, loss = vmap(grad_and_value(self.function))(outputs, y)
        return loss, gradient.contiguous(), (outputs, y)  # that of a sum is one number seen many times

    def tangent(self, kept: Any, outputs: Tensor) -> Tensor:
        at, y = kept
        with twice():
            if self.by_task:
                return torch.stack([self._bend(*task) for task in zip(at, y, outputs, strict=True)])
            found: Tensor = vmap(self._moved)(at, y, outputs)
        return found.contiguous()

    def _moved(self, outputs: Tensor, y: Tensor, by: Tensor) -> Tensor:
        found: Tensor = grad(lambda o: (grad(self.function)(o, y) * by).sum())(outputs)
        return found

    def _slope(self, outputs: Tensor, y: Tensor, *, graph: bool) -> tuple[Tensor, Tensor, Tensor]:
        """Outputs that remember, the loss, and its gradient with respect to them."""
        with torch.enable_grad():
            leaf = outputs.detach().requires_grad_()
            loss = self.function(leaf, y)
            (slope,) = torch.autograd.grad(loss, leaf, create_graph=graph)
        return leaf, loss, slope

    def _bend(self, outputs: Tensor, y: Tensor, by: Tensor) -> Tensor:
        leaf, _, slope = self._slope(outputs, y, graph=True)
        if not slope.requires_grad:
            return torch.zeros_like(by)
        with torch.enable_grad():
            (found,) = torch.autograd.grad((slope * by).sum(), leaf)
        return found


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


def settled(loss: Loss, outputs: Tensor, y: Tensor) -> Loss:
    """The loss as it is worked with: a function goes task by task if it does what `torch.func` cannot.

    Args:
        outputs: (T, n, ...), with targets (T, n, ...).

    Raises:
        InvalidInput: a function gives no number of a task that autograd can differentiate.
    """
    if not isinstance(loss, Custom):
        return loss
    why = _why_not(loss, outputs, y)
    if why:
        loss = replace(loss, by_task=True)
        why = _why_not(loss, outputs, y)
    if why:
        raise InvalidInput(
            f"The loss does not work on outputs {tuple(outputs.shape[1:])} and targets {tuple(y.shape[1:])} of a task.",
            why=why,
            mend="Give a function of (outputs, y) whose value is one number, e.g. a mean over the examples.",
        )
    return loss


def _why_not(loss: Loss, outputs: Tensor, y: Tensor) -> str:
    """Why a loss does not work on these; empty where it does."""
    try:
        losses = loss.value(outputs, y)[0]
    except torch.OutOfMemoryError:
        raise
    except WRONG as error:
        return f"{error}."
    return "" if losses.shape == outputs.shape[:1] else f"It gives tensors {tuple(losses.shape[1:])}."


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
