"""What an optimiser has to be for training loops that bring the gradient."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from onward.core import InvalidInput


def refuse_closure(optimizer: Any) -> None:
    """Refuse what is no optimiser, or one that wants to ask for the loss itself.

    Raises:
        InvalidInput: it is.

    >>> refuse_closure(torch.optim.SGD([torch.zeros(1)]))
    """
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise InvalidInput(
            f"A {type(optimizer).__name__} is no optimiser.", mend="Return one of torch.optim from your function."
        )
    closure = inspect.signature(type(optimizer).step).parameters.get("closure")
    if closure is not None and closure.default is inspect.Parameter.empty:
        raise InvalidInput(
            f"{type(optimizer).__name__} asks for the loss several times in a step, and there is one gradient.",
            mend='Take "adam", "sgd", or another that steps by a gradient alone.',
        )
