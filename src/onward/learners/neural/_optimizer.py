"""Optimisers by name, and what one has to be for training loops that bring the gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch import Tensor

from onward.core import InvalidInput

FUSED: Final = ("cpu", "cuda")


class Adam(torch.optim.Adam):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980), in one pass over memory where torch has that.

    torch's fused step on a CPU reads numbers in the order in which they lie in memory: a gradient that lies there
    another way than its parameter would be added to the wrong places. It is laid out anew first.

    Args:
        parameters: (...,) tensors of any shape.
        lr: learning rate, above 0.

    >>> weight = torch.zeros(2, 3).requires_grad_()
    >>> weight.grad = torch.arange(6.0).view(3, 2).t()
    >>> _ = Adam([weight], lr=0.1).step()
    >>> [[round(value, 1) for value in row] for row in weight.tolist()]
    [[0.0, -0.1, -0.1], [-0.1, -0.1, -0.1]]
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float) -> None:
        values = list(parameters)
        super().__init__(values, lr=lr, fused=all(map(_fusible, values)) or None)

    def step(self, closure: Any = None) -> Any:
        """One step by the gradients that the parameters hold."""
        for group in self.param_groups:
            for value in group["params"]:
                slope = value.grad
                if slope is not None and slope.layout is torch.strided and slope.stride() != value.stride():
                    value.grad = torch.empty_like(value).copy_(slope)
        return super().step(closure)


def _fusible(value: Tensor) -> bool:
    """Real numbers on a device that can, without gaps: laid out as a copy would be."""
    dense = torch.empty_like(value).stride() == value.stride()
    return dense and value.is_floating_point() and value.device.type in FUSED


Made = Callable[[Any], torch.optim.Optimizer]
"""Makes an optimiser of parameters."""
OPTIMIZERS: Final[dict[str, Callable[..., torch.optim.Optimizer]]] = {"adam": Adam, "sgd": torch.optim.SGD}


def check_optimizer(named: str | Made) -> None:
    """Refuse a name that no optimiser has.

    Raises:
        InvalidInput: it is such.
    """
    if not callable(named) and named not in OPTIMIZERS:
        raise InvalidInput(f"No optimiser is called {named!r}.", mend="Name one.", options=OPTIMIZERS)


def optimizer_of(named: str | Made, parameters: Iterable[Tensor], rate: float) -> torch.optim.Optimizer:
    """The optimiser of a name with that learning rate; or what a function makes of the parameters, at its own.

    Raises:
        InvalidInput: no optimiser has that name; or the function makes none that steps by a gradient alone.

    >>> type(optimizer_of("sgd", [torch.zeros(1)], 0.1)).__name__
    'SGD'
    """
    check_optimizer(named)
    if isinstance(named, str):
        return OPTIMIZERS[named](parameters, lr=rate)
    made = named(parameters)
    _refuse_closure(made)
    return made


def _refuse_closure(optimizer: Any) -> None:
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
