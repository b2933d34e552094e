"""Optimisers by name, and what one has to be for training loops that bring the gradient."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import Any, Final

import torch
from torch import Tensor

from onward.core import InvalidInput

FUSED: Final = ("cpu", "cuda")
MOMENTS: Final = frozenset({"exp_avg", "exp_avg_sq"})


class Adam(torch.optim.Adam):
    """Adam (Kingma and Ba 2015, arXiv:1412.6980), in one pass over memory where torch has that.

    torch's fused step on a CPU reads numbers in the order in which they lie in memory: gradients and moments that lie
    there another way than their parameter would go to the wrong places. They are laid out anew before the step.

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
        self._laying_out = self.register_step_pre_hook(_lay_out)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        if "_laying_out" not in self.__dict__:  # a copy, whose hooks do not come along
            self._laying_out = self.register_step_pre_hook(_lay_out)


def _lay_out(optimizer: torch.optim.Optimizer, *_: Any) -> None:
    """Let gradients and moments lie as their parameters do; of parameters with gaps take the step that is not fused."""
    for group in optimizer.param_groups:
        for value in group["params"] if group["fused"] else ():
            if value.grad is None:
                continue
            held = optimizer.state.get(value, {})
            value.grad = _laid(value.grad, value)
            for name in MOMENTS & held.keys():
                held[name] = _laid(held[name], value)
            if value.grad.layout is torch.strided and value.grad.stride() != value.stride():
                group["fused"] = None


def _laid(numbers: Tensor, value: Tensor) -> Tensor:
    """The same numbers, where they lie otherwise, as a copy that lies as `value` does, if it has no gaps."""
    if numbers.layout is not torch.strided or numbers.stride() == value.stride():
        return numbers
    return torch.empty_like(value).copy_(numbers)


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
