"""One running quadratic penalty: what every method that ties parameters down has in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course
from onward.learners.neural import precise


class Quadratic:
    """1/2 sum of weight (parameter - center)^2 over all parameters; two numbers for each, however many experiences.

    A sum of such penalties is one again, but for a constant: sum_i F_i (p - p_i)^2 = (sum_i F_i) (p - m)^2 + c with m
    the mean of the p_i weighted by the F_i. A parameter without a weight, such as one that was not there yet, is free.
    Both numbers are in single precision at least.
    """

    def __init__(self, course: Course) -> None:
        self._course = course
        self._weight: dict[str, Tensor] = {}
        self._center: dict[str, Tensor] = {}
        self._tied: tuple[list[Tensor], list[Tensor], list[Tensor]] | None = None

    @property
    def weight(self) -> Mapping[str, Tensor]:
        """By the parameter's name, of its shape."""
        return self._weight

    @property
    def center(self) -> Mapping[str, Tensor]:
        """By the parameter's name, of its shape."""
        return self._center

    def merge(self, importance: Mapping[str, Tensor]) -> None:
        """Add a penalty around where the parameters are now."""
        for name, value in self._now(importance).items():
            added = importance[name].to(value.dtype)
            weight = self._weight.get(name)
            if weight is None:
                self._weight[name], self._center[name] = added.clone(), value.clone()
                continue
            weight += added
            share = torch.where(weight > 0, added / weight, 1)
            self._center[name].lerp_(value, share)

    def replace(self, importance: Mapping[str, Tensor], keep: float = 1.0) -> None:
        """Add to the weights, which are multiplied by `keep` first, and move the center to where the parameters are."""
        for name, value in self._now(importance).items():
            weight = self._weight.get(name)
            added = importance[name].to(value.dtype)
            self._weight[name] = added.clone() if weight is None else weight.mul_(keep).add_(added)
            self._center[name] = value.clone()

    def _now(self, importance: Mapping[str, Tensor]) -> dict[str, Tensor]:
        self.renew()
        known = self._course.parameters().items()
        return {name: value.detach().to(precise(value.dtype)) for name, value in known if name in importance}

    def renew(self, experience: Experience | None = None) -> None:  # noqa: ARG002 - a hook
        """Look the parameters up again at the next step: another method may have changed which there are."""
        self._tied = None

    @torch.no_grad()
    def pull(self, strength: float) -> None:
        """Add the gradient of `strength` times the penalty to the parameters' `.grad`."""
        if self._tied is None:
            values = self._course.parameters()
            names = [name for name in values if name in self._weight]
            weights, centers = ([held[name] for name in names] for held in (self._weight, self._center))
            self._tied = [values[name] for name in names], centers, weights
        tied, centers, weights = self._tied
        if tied:
            way = torch._foreach_sub(tied, centers)  # noqa: SLF001 - the name torch's own optimisers use
            torch._foreach_addcmul_(gradients_of(tied), way, weights, value=strength)

    def state(self) -> dict[str, Any]:
        """What it takes to go on."""
        return {"weight": dict(self._weight), "center": dict(self._center)}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The way back."""
        device = self._course.device
        self._weight, self._center = (
            {name: value.to(device, precise(value.dtype), copy=True) for name, value in state[part].items()}
            for part in ("weight", "center")
        )
        self.renew()


def gradients_of(parameters: list[Tensor]) -> list[Tensor]:
    """Their `.grad`, made where the loss does not depend on one."""
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    return [parameter.grad for parameter in parameters if parameter.grad is not None]
