"""Losses by name, and what they say of each example alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from onward.core import InvalidInput

LossFunction = Callable[[Tensor, Tensor], Tensor]
"""(scores (n, C), y (n, ...)) -> a scalar, the mean over the examples."""


def squared_error(outputs: Tensor, y: Tensor) -> Tensor:
    """Mean squared error over the examples and what each gives."""
    return F.mse_loss(outputs, y.view_as(outputs))


LOSSES: Final[dict[str, LossFunction]] = {"cross_entropy": F.cross_entropy, "mse": squared_error}


def loss_of(named: str | LossFunction) -> LossFunction:
    """The loss of a name, or the function itself.

    Raises:
        InvalidInput: no loss has the name.

    >>> loss_of("mse").__name__
    'squared_error'
    """
    if callable(named):
        return named
    if named not in LOSSES:
        raise InvalidInput(f"No loss is called {named!r}.", mend="Name one, or give a function.", options=LOSSES)
    return LOSSES[named]


def loss_on(loss: LossFunction, scores: Tensor, y: Tensor) -> Tensor:
    """What a loss says of a batch: a scalar.

    Raises:
        InvalidInput: it fails, or is no single number.
    """
    try:
        found = loss(scores, y)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _no_loss(scores, y, str(error)) from error
    if found.ndim:
        raise _no_loss(scores, y, f"It gives a tensor {tuple(found.shape)}")
    return found


def each(loss: LossFunction, scores: Tensor, y: Tensor) -> Tensor:
    """(n,) what a loss says of each example alone; gradients flow.

    Mean squares and `cross_entropy` are asked about all rows at once; any other function about one row after the other,
    some 30 microseconds each on a CPU. It is given the row twice, whose mean is that of the row, as many a function
    takes the dimension of the examples away where there is one alone (`squeeze`). A loss that weighs examples, by
    their class or otherwise, weighs none here: the weighted mean of one is what it is itself.

    Args:
        scores: (n, ...) of the examples.
        y: (n, ...) their targets.

    Raises:
        InvalidInput: the loss does not work on one example, or gives more than one number for it.

    >>> scores = torch.tensor([[0.0, 0.0], [0.0, 3.0]])
    >>> each(F.binary_cross_entropy_with_logits, scores, torch.ones(2, 2))
    tensor([0.6931, 0.3709])
    """
    if loss is squared_error:
        return _means((scores - y.view_as(scores)).square())
    if loss is F.cross_entropy:
        return _means(F.cross_entropy(scores, y, reduction="none"))
    if not len(scores):
        return scores.new_zeros(0)
    twice = (part.repeat_interleave(2, 0).split(2) for part in (scores, y))
    return torch.stack([_alone(loss, *row) for row in zip(*twice, strict=True)])


def _no_loss(scores: Tensor, y: Tensor, why: str) -> InvalidInput:
    return InvalidInput(
        f"The loss does not work on scores {tuple(scores.shape)} and targets {tuple(y.shape)}, {y.dtype}.",
        why=f"{why}.",
        mend="Give a function of (scores, y) whose value is one number: the mean over the examples.",
    )


def _means(values: Tensor) -> Tensor:
    """(n,) mean over what each of (n, ...) examples gives."""
    return values.unsqueeze(-1).flatten(1).mean(1)


def _alone(loss: LossFunction, scores: Tensor, y: Tensor) -> Tensor:
    """The loss of one row, given twice."""
    try:
        found = loss(scores, y)
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise _not_alone(str(error)) from error
    if found.ndim:
        raise _not_alone(f"It gives a tensor {tuple(found.shape)}")
    return found


def _not_alone(why: str) -> InvalidInput:
    return InvalidInput(
        "The loss does not work on an example alone.",
        why=f"{why}.",
        mend="Give a function of (scores, y) whose value is the mean over the examples, however few.",
    )
