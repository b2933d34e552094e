"""Losses by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

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
