"""Memory-aware synapses: parameters stay where the outputs are sensitive to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.continual.importance import mean_moments
from onward.learners.neural import at_least, share, whole

from ._ewc import counting, rows_of
from ._quadratic import Quadratic


@dataclass(frozen=True, slots=True)
class MemoryAwareSynapses:
    """Memory-aware synapses (Aljundi et al. 2018, arXiv:1711.09601).

    A parameter matters as much as the squared norm of an example's outputs changes with it: the mean over the examples
    of the magnitude of that gradient, each example's by itself. No labels are asked for. The importances of all
    experiences are added up; to the loss is added strength times the sum of importance (parameter - where the last
    experience left it)^2. Only the outputs that count for an experience, see `Heads`, are in the norm.

    Args:
        strength: of the penalty, at least 0; see `choose_strength`.
        decay: of the older importances with each experience, 0..1; 1 keeps them.
        examples: drawn from each experience, at least 1; all if not said.

    Raises:
        InvalidInput: a value is out of its range.

    >>> MemoryAwareSynapses(1.0).decay
    1.0
    """

    strength: float = 1.0
    decay: float = 1.0
    examples: int | None = None

    def __post_init__(self) -> None:
        at_least(0, strength=self.strength)
        share(decay=self.decay)
        if self.examples is not None:
            whole(1, examples=self.examples)

    def start(self, course: Course) -> Hooks:
        synapses = _Synapses(self, course)
        quadratic = synapses.quadratic
        return Hooks(
            begin=quadratic.renew,
            gradients=synapses.pull,
            end=synapses.end,
            state=quadratic.state,
            restore=quadratic.restore,
        )


class _Synapses:
    def __init__(self, settings: MemoryAwareSynapses, course: Course) -> None:
        self._settings, self._course = settings, course
        self.quadratic = Quadratic(course)

    def pull(self, step: Step) -> None:  # noqa: ARG002
        self.quadratic.pull(2 * self._settings.strength)

    def end(self, experience: Experience) -> None:
        settings, course = self._settings, self._course
        x = experience.x[rows_of(experience, course, settings.examples)]
        self.quadratic.replace(sensitivity(course, x, counting(experience, course)), settings.decay)


def sensitivity(course: Course, x: Tensor, counts: Tensor | None) -> dict[str, Tensor]:
    """Mean magnitude of the gradient of the squared norm of each example's outputs."""

    def directions(start: int, outputs: Tensor) -> Sequence[Tensor]:  # noqa: ARG001
        return [2 * (outputs if counts is None else outputs * counts)]

    return mean_moments(course.network, x, directions, moment="magnitude", prepare=course.prepare).values
