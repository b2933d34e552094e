"""The course of methods that learn in closed form from sums over features."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import prod
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Hooks
from onward.learners.neural import precise

from ._features import Features, Linear, Projected
from ._moments import Moments

PART: Final = 4096
"""Rows of which features are made together."""


class Rule(Protocol):
    """How sums become a linear layer, and what is chosen on the way."""

    def moments(self, rows: Tensor, y: Tensor, outputs: int) -> Moments:
        """Sums of (n, d) features and their targets."""
        ...

    def choose(self, sums: Moments, held: Moments, outputs: int) -> None:
        """Choose by rows that were held out, before they are joined."""
        ...

    def solve(self, sums: Moments, outputs: int) -> tuple[Tensor, Tensor]:
        """Weight (outputs, d) and bias (outputs,)."""
        ...

    chosen: float
    """What was chosen last."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What a course of closed form is made of.

    Args:
        encoder: of features; those of the course's own network where `None`.
        projection: width of the random layer over them; 0 for none.
        held_out: share of an experience by which `Rule.choose` chooses; 0 where nothing is to be chosen.
        keep_features: keep those of examples with keys, so that they can be forgotten.
    """

    encoder: nn.Module | None
    projection: int = 0
    held_out: float = 0.0
    keep_features: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class _Kept:
    keys: tuple[str | None, ...]
    rows: Tensor
    y: Tensor

    def joined(self, other: _Kept) -> _Kept:
        return _Kept(self.keys + other.keys, torch.cat([self.rows, other.rows]), torch.cat([self.y, other.y]))

    def at(self, places: list[int]) -> _Kept:
        return _Kept(tuple(self.keys[at] for at in places), self.rows[places], self.y[places])


class Streaming:
    """Learns experiences by adding them to sums."""

    def __init__(self, course: Course, rule: Rule, plan: Plan) -> None:
        if getattr(course.network, "by_task", False):
            raise InvalidInput(
                "A network with columns has features of its own for each task, and the head is one for all.",
                mend="Give the network that the columns are made of.",
            )
        self._course, self._rule, self._plan = course, rule, plan
        self._encoder = Features(course.network) if plan.encoder is None else plan.encoder
        self._start: float = rule.chosen
        self._forget_all()

    def _forget_all(self) -> None:
        self._features = Projected(self._encoder, None)
        self._sums: Moments | None = None
        self._outputs = 0
        self._shape: tuple[int, ...] = ()
        self._served: Linear | None = None
        self._kept: _Kept | None = None
        self._rule.chosen = self._start

    def hooks(self) -> Hooks:
        return Hooks(
            unmet=self.unmet,
            instead=self.learn,
            serve=self.serve,
            state=self.state,
            restore=self.restore,
            forget=self.forget,
        )

    def serve(self) -> nn.Module:
        return self._course.network if self._served is None else self._served

    def learn(self, experience: Experience) -> None:
        if not self._outputs:
            self._begin(experience.x)
        order = torch.arange(len(experience))
        if self._plan.held_out:
            order = torch.randperm(len(experience), generator=self._course.generator)
        held = order[: int(self._plan.held_out * len(experience))]
        sums, kept = self._summed(experience, order[len(held) :])
        sums = sums if self._sums is None else self._sums.joined(sums)
        if len(held):
            out, more = self._summed(experience, held)
            self._rule.choose(sums, out, self._outputs)
            sums, kept = sums.joined(out), _both(kept, more)
        self._hold(sums, _both(self._kept, kept))

    def unmet(self) -> None:
        """What was looked at and drawn for a first experience that was refused is not kept."""
        if self._sums is None:
            self._forget_all()

    def _begin(self, x: Tensor) -> None:
        """Look at how many features and outputs there are, and draw the projection."""
        self._shape = tuple(self._course.outputs(x[:1]).shape[1:])
        self._outputs = prod(self._shape)
        if self._plan.projection:
            features = self._course.outputs(x[:1], self._features)
            weight = torch.randn(features.shape[1], self._plan.projection, generator=self._course.generator)
            self._features = Projected(self._encoder, weight.to(x.device, precise(features.dtype)))

    def _summed(self, experience: Experience, order: Tensor) -> tuple[Moments, _Kept | None]:
        """Sums over rows of an experience, and what is kept of them.

        Raises:
            InvalidInput: the features are no finite numbers.
        """
        total: Moments | None = None
        kept: _Kept | None = None
        for part in order.split(PART):
            at = part.to(experience.x.device)
            rows, y = self._course.outputs(experience.x[at], self._features), experience.y[at]
            sums = self._rule.moments(rows, y, self._outputs)
            total = sums if total is None else total.joined(sums)
            if self._plan.keep_features and experience.keys is not None:
                keys = tuple(experience.keys[number] for number in part.tolist())
                kept = _both(kept, _Kept(keys, rows, y))
        assert total is not None
        if not total.finite:
            raise InvalidInput(
                "The features of these examples hold what is no finite number.",
                mend="Scale the inputs by prepare=, or give another encoder=.",
            )
        return total, kept

    def _hold(self, sums: Moments, kept: _Kept | None) -> None:
        """Go by these sums from now on, once they are solved."""
        layer = self._rule.solve(sums, self._outputs)
        self._sums, self._kept = sums, kept
        self._answer_by(*layer)

    def _answer_by(self, weight: Tensor, bias: Tensor) -> None:
        """Answer by this layer, in the precision of the network but at least in single."""
        kinds = (value.dtype for value in self._course.network.parameters() if value.is_floating_point())
        kind = precise(next(kinds, torch.float32))
        self._served = Linear(self._features, weight.to(kind), bias.to(kind), self._shape)

    def forget(self, keys: Collection[str]) -> int:
        """Take the examples with these keys out of the sums, where their features were kept."""
        if self._kept is None or self._sums is None:
            return 0
        gone = [at for at, key in enumerate(self._kept.keys) if key in keys]
        if gone:
            out = self._kept.at(gone)
            left = set(range(len(self._kept.keys))) - set(gone)
            sums = self._sums.without(self._rule.moments(out.rows, out.y, self._outputs))
            self._hold(sums, self._kept.at(sorted(left)))
        return len(gone)

    def state(self) -> dict[str, Any]:
        if self._sums is None or self._served is None:
            return {}
        kept = self._kept and {"keys": list(self._kept.keys), "rows": self._kept.rows, "y": self._kept.y}
        return {
            "sums": self._sums.state(),
            "outputs": list(self._shape),
            "chosen": self._rule.chosen,
            "projection": self._features.weight,
            "weight": self._served.weight,
            "bias": self._served.bias,
            "kept": kept,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._forget_all()
        if not state:
            return
        device = next((value.device for value in self._course.network.parameters()), state["weight"].device)
        projection = state["projection"]
        self._features = Projected(self._encoder, None if projection is None else projection.to(device))
        self._sums = Moments.restored(state["sums"], device)
        self._shape, self._rule.chosen = tuple(map(int, state["outputs"])), float(state["chosen"])
        self._outputs = prod(self._shape)
        self._answer_by(state["weight"].to(device), state["bias"].to(device))
        kept = state["kept"]
        self._kept = kept and _Kept(tuple(kept["keys"]), kept["rows"].to(device), kept["y"].to(device))


def _both(one: _Kept | None, other: _Kept | None) -> _Kept | None:
    """What is kept of both."""
    return other if one is None else one if other is None else one.joined(other)
