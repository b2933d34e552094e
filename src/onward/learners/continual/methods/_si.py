"""Synaptic intelligence: parameters stay where they are that made the loss fall."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.neural import above, at_least, precise

from ._quadratic import Quadratic


@dataclass(frozen=True, slots=True)
class SynapticIntelligence:
    """Synaptic intelligence (Zenke, Poole and Ganguli 2017, arXiv:1703.04200).

    While an experience is learned, every step adds to each parameter's account how much the loss fell by its move:
    minus the gradient times the move. At its end the account, divided by (the whole move)^2 + damping, is added to
    the parameter's importance, which is at least 0, and the account is empty. To the loss is added strength times the
    sum of importance (parameter - where the last experience left it)^2.

    The gradient of the account is that of the loss before any method changes it, as in the authors' code: no penalty
    of this or another method is in it. What methods add to the loss itself, such as replay, is.

    Args:
        strength: of the penalty, at least 0; see `choose_strength`.
        damping: above 0, the least square of a move that counts.

    Raises:
        InvalidInput: a value is out of its range.

    >>> SynapticIntelligence(10.0)
    SynapticIntelligence(strength=10.0, damping=0.1)
    """

    strength: float = 10.0
    damping: float = 0.1

    def __post_init__(self) -> None:
        at_least(0, strength=self.strength)
        above(damping=self.damping)

    def start(self, course: Course) -> Hooks:
        own = _Account(self, course)
        return Hooks(
            begin=own.begin,
            measure=own.measure,
            gradients=own.pull,
            stepped=own.stepped,
            end=own.end,
            state=own.state,
            restore=own.restore,
        )


class _Account:
    """How much each parameter's moves made the loss fall, and where it began."""

    def __init__(self, si: SynapticIntelligence, course: Course) -> None:
        self._si, self._course = si, course
        self._quadratic = Quadratic(course)
        self._paid: dict[str, Tensor] = {}
        self._begun: dict[str, Tensor] = {}
        self._open: list[tuple[Tensor, Tensor]] | None = None
        self._moving: list[Tensor] = []
        self._into: list[Tensor] = []
        self._from: list[Tensor] = []
        self._slopes: list[Tensor] = []

    def begin(self, experience: Experience) -> None:
        self._quadratic.renew(experience)
        self._close()

    def _close(self) -> None:
        self._paid, self._begun, self._open = {}, {}, None
        self._moving, self._into, self._from, self._slopes = [], [], [], []

    def _opened(self) -> list[tuple[Tensor, Tensor]]:
        """Each parameter and its account; the accounts of an experience begin with its first step."""
        known = self._course.parameters()
        if not self._paid:
            self._paid = {name: _nothing_paid(value) for name, value in known.items()}
            self._begun = {name: value.detach().clone() for name, value in known.items()}
        return [(known[name], paid) for name, paid in self._paid.items() if name in known]

    def measure(self, step: Step) -> None:  # noqa: ARG002
        """Before the step: where the parameters are, and what the loss alone says of them."""
        if self._open is None:
            self._open = self._opened()
        moving = [(parameter, paid) for parameter, paid in self._open if parameter.grad is not None]
        self._moving, self._into = [parameter for parameter, _ in moving], [paid for _, paid in moving]
        self._from = [parameter.detach().clone() for parameter in self._moving]
        self._slopes = [parameter.grad.clone() for parameter in self._moving if parameter.grad is not None]

    def pull(self, step: Step) -> None:  # noqa: ARG002
        self._quadratic.pull(2 * self._si.strength)

    @torch.no_grad()
    def stepped(self, step: Step) -> None:  # noqa: ARG002
        """After it: the gradient times the way back."""
        if self._moving:
            torch._foreach_sub_(self._from, self._moving)
            torch._foreach_addcmul_(self._into, self._slopes, self._from)

    def end(self, experience: Experience) -> None:  # noqa: ARG002
        known = self._course.parameters()
        importance = {}
        for name, paid in self._paid.items():
            if name not in known:
                continue
            move = known[name].detach() - self._begun[name]
            earned = paid / (move.square() + self._si.damping)
            held = self._quadratic.weight.get(name)
            importance[name] = earned.clamp_min(0) if held is None else torch.maximum(earned, -held)
        self._quadratic.replace(importance)
        self._close()

    def state(self) -> dict[str, Any]:
        return self._quadratic.state() | {"paid": dict(self._paid), "begun": dict(self._begun)}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._quadratic.restore(state)
        device = self._course.device
        self._paid, self._begun = (
            {name: value.to(device).clone() for name, value in state[part].items()} for part in ("paid", "begun")
        )
        self._open = None


def _nothing_paid(parameter: Tensor) -> Tensor:
    """An empty account, in single precision at least: in less, what thousands of steps earn would be lost."""
    return torch.zeros_like(parameter, dtype=precise(parameter.dtype), requires_grad=False)
