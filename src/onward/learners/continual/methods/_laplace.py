"""Online Laplace approximation with the information of whole layers: parameters of a layer are held together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.continual.importance import Factors, kronecker_factors, mean_moments, nearest_sum
from onward.learners.continual.importance._fisher import KINDS, Kind, directions_of
from onward.learners.neural import at_least, precise, whole

from ._ewc import check_likelihood, counting, likelihood, rows_of
from ._quadratic import Quadratic, gradients_of


@dataclass(frozen=True, slots=True)
class KroneckerLaplace:
    """Online structured Laplace approximation (Ritter, Botev and Barber 2018, arXiv:1805.07810).

    As online EWC, but for every linear layer, and every convolution without groups whose padding is zeros and a number,
    the Fisher information is a Kronecker product, which knows how the parameters of the layer act together: for the
    move D (out, in) of a layer's weight and bias, strength / 2 times tr(G D A D') is added to the loss, around where
    the last experience left it. Other parameters have the diagonal. A sum over experiences is kept as the nearest
    product (as Kao et al. 2021, arXiv:2106.08085), so that state and step cost the same however many there were. The
    state of a layer is in^2 + out^2 numbers beside its parameters, and a step multiplies by both matrices.

    Args:
        strength: of the penalty, at least 0; 1 is Bayes' rule where an experience stands for as many examples as it
            has and the loss is multiplied by their number. See `choose_strength`.
        kind: of the Fisher information, see `EWC`.
        examples: drawn from each experience for it, at least 1; all if not said.

    Raises:
        InvalidInput: a value is out of its range.

    >>> KroneckerLaplace(10.0).kind
    'true'
    """

    strength: float = 100.0
    kind: Kind = "true"
    examples: int | None = None

    def __post_init__(self) -> None:
        at_least(0, strength=self.strength)
        if self.examples is not None:
            whole(1, examples=self.examples)
        if self.kind not in KINDS:
            raise InvalidInput(f"kind is {self.kind!r}.", mend="Choose one.", options=KINDS)

    def start(self, course: Course) -> Hooks:
        own = _Posterior(self, course)
        return Hooks(begin=own.begin, gradients=own.pull, end=own.end, state=own.state, restore=own.restore)


class _Posterior:
    """A Gaussian around where the parameters last came to: its precision."""

    def __init__(self, laplace: KroneckerLaplace, course: Course) -> None:
        self._laplace, self._course = laplace, course
        self.rest = Quadratic(course)
        self._layers: dict[str, Factors] = {}
        self._center: dict[str, Tensor] = {}

    def begin(self, experience: Experience) -> None:
        check_likelihood(self._laplace.kind, experience, self._course)
        self.rest.renew(experience)

    @torch.no_grad()
    def pull(self, step: Step) -> None:  # noqa: ARG002
        strength = self._laplace.strength
        self.rest.pull(strength)
        known = dict(self._course.network.named_parameters())
        for layer in self._layers.values():
            own = {name: known[name] for name in (layer.weight, layer.bias) if name in known}
            if layer.weight not in own:
                continue
            moved = [value - self._center[name] for name, value in own.items()]
            matrix = torch.cat([part.reshape(len(part), -1) for part in moved], 1)
            slope = torch.linalg.multi_dot([layer.outputs, matrix, layer.inputs])
            parts = slope.split([part[0].numel() for part in moved], 1)
            for value, part in zip(own.values(), parts, strict=True):
                if value.requires_grad:
                    gradients_of([value])[0].add_(part.view_as(value), alpha=strength)

    def end(self, experience: Experience) -> None:
        laplace, course = self._laplace, self._course
        rows = rows_of(experience, course, laplace.examples)
        x, y = experience.x[rows], experience.y[rows]
        known, counts = course.parameters(), counting(experience, course)
        directions = directions_of(laplace.kind, likelihood(laplace.kind, y, course), x, y, counts, course.generator)
        found = kronecker_factors(course.network, x, directions, prepare=course.prepare, names=known)
        for name, factors in found.items():
            held = self._layers.get(name)
            self._layers[name] = factors if held is None else nearest_sum(held, factors)
        covered = {name for layer in found.values() for name in (layer.weight, layer.bias)}
        self._center |= {name: _exact(value.detach()) for name, value in known.items() if name in covered}
        others = [name for name in known if name not in covered]
        if others:
            left = mean_moments(course.network, x, directions, prepare=course.prepare, names=others)
            self.rest.replace(left.values)

    def state(self) -> dict[str, Any]:
        layers = {
            name: {"inputs": layer.inputs, "outputs": layer.outputs, "bias": layer.bias}
            for name, layer in self._layers.items()
        }
        return {"layers": layers, "place": dict(self._center)} | self.rest.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        self.rest.restore(state)
        device = self._course.device
        self._center = {name: _exact(value.to(device)) for name, value in state["place"].items()}
        self._layers = {
            name: Factors(_exact(held["inputs"].to(device)), _exact(held["outputs"].to(device)), name, held["bias"])
            for name, held in state["layers"].items()
        }


def _exact(value: Tensor) -> Tensor:
    """A copy in single precision at least."""
    return value.to(precise(value.dtype), copy=True)
