"""Elastic weight consolidation: parameters stay where the likelihood of what was learned is sharp."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._checks import is_classes
from onward.learners.continual._experience import Experience
from onward.learners.continual._losses import LOSSES, LossFunction
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.continual.importance import fisher
from onward.learners.continual.importance._fisher import KINDS, Kind
from onward.learners.neural import at_least, share, whole

from ._quadratic import Quadratic


@dataclass(frozen=True, slots=True)
class EWC:
    """Elastic weight consolidation (Kirkpatrick et al. 2017, arXiv:1612.00796), offline and online.

    To the loss is added strength / 2 times the sum of F (parameter - center)^2, with F the diagonal of the Fisher
    information from the gradient of every example by itself: the strength means the same for every batch size.
    Offline it is the sum of one such penalty for each experience, which is one penalty again, around their weighted
    mean; online (Schwarz et al. 2018, arXiv:1805.06370) F decays and the center is where the parameters last came to.
    Either way the method keeps two numbers for each parameter, and a step costs the same after any number of
    experiences. The gradient is added to `.grad`, so that only what comes after it in the list of methods sees it.

    The likelihood is that of the classes by the softmax of the scores that count; for real targets a Gaussian of
    variance 1 around the outputs. Under a loss of one's own, `kind="empirical"` takes the gradients of that loss; the
    other kinds stay with the softmax, and take classes alone. Where an experience brings new classes without telling
    tasks apart, no penalty on parameters keeps the old ones (van de Ven and Tolias 2019, arXiv:1904.07734): use replay.

    Args:
        strength: of the penalty, at least 0. What is right spans 10 orders of magnitude; see `choose_strength`.
        online: one decaying penalty around the latest parameters.
        decay: of the older F with each experience, 0..1; online only.
        kind: "true": F of a label drawn from what the network says for each example; "exact": expected over all
            labels, one backward pass for each; "empirical": of the labels given; "predicted": of the likeliest label,
            to repeat what was published with it. See `fisher`.
        normalise: scale F of each experience to a mean of 1, so that all experiences weigh the same (as Schwarz et al.
            do, whose scale they do not say); the strength then is that much smaller.
        examples: drawn from each experience for F, at least 1; all if not said.

    Raises:
        InvalidInput: a value is out of its range.

    >>> EWC(100.0, online=True, decay=0.9).kind
    'true'
    """

    strength: float = 100.0
    online: bool = False
    decay: float = 1.0
    kind: Kind = "true"
    normalise: bool = False
    examples: int | None = None

    def __post_init__(self) -> None:
        at_least(0, strength=self.strength)
        if self.examples is not None:
            whole(1, examples=self.examples)
        if self.kind not in KINDS:
            raise InvalidInput(f"kind is {self.kind!r}.", mend="Choose one.", options=KINDS)
        share(decay=self.decay)
        if self.decay != 1 and not self.online:
            raise InvalidInput(
                f"decay is {self.decay!r} offline.", why="Only the online form forgets.", mend="Set online=True."
            )

    def start(self, course: Course) -> Hooks:
        own = _Consolidation(self, course)
        return Hooks(begin=own.begin, gradients=own.pull, end=own.end, state=own.quadratic.state, restore=own.restore)


class _Consolidation:
    def __init__(self, ewc: EWC, course: Course) -> None:
        self._ewc, self._course = ewc, course
        self.quadratic = Quadratic(course)

    def begin(self, experience: Experience) -> None:
        check_likelihood(self._ewc.kind, experience, self._course)
        self.quadratic.renew(experience)

    def pull(self, step: Step) -> None:  # noqa: ARG002
        self.quadratic.pull(self._ewc.strength)

    def end(self, experience: Experience) -> None:
        ewc, course = self._ewc, self._course
        rows = rows_of(experience, course, ewc.examples)
        x, y = experience.x[rows], experience.y[rows]
        found = fisher(
            course.network,
            x,
            y,
            kind=ewc.kind,
            loss=likelihood(ewc.kind, y, course),
            mask=counting(experience, course),
            prepare=course.prepare,
            generator=course.generator,
        ).values
        if ewc.normalise:
            found = normalised(found)
        if ewc.online:
            self.quadratic.replace(found, ewc.decay)
        else:
            self.quadratic.merge(found)

    def restore(self, state: Mapping[str, Any]) -> None:
        self.quadratic.restore(state)


def rows_of(experience: Experience, course: Course, count: int | None) -> Tensor | slice:
    """Rows drawn from an experience without putting back; all where it has no more."""
    if count is None or count >= len(experience):
        return slice(None)
    return torch.randperm(len(experience), generator=course.generator)[:count].to(experience.x.device)


def check_likelihood(kind: Kind, experience: Experience, course: Course) -> None:
    """Refuse targets of which nothing is known to draw others from, or of which the likeliest say nothing.

    Raises:
        InvalidInput: they are such, and the kind asks for that.
    """
    if kind == "predicted" and not is_classes(experience.y):
        raise InvalidInput(
            'Fisher information of kind "predicted" is of the likeliest class, and these targets are none.',
            mend='Take kind="empirical"; or "true" for real targets under loss="mse".',
        )
    if kind != "empirical" and not _is_likelihood(course.loss) and not is_classes(experience.y):
        raise InvalidInput(
            f"Fisher information of kind {kind!r} needs a likelihood to draw targets from, which a loss does not tell.",
            mend='Take kind="empirical", or loss="mse".',
        )


def likelihood(kind: Kind, y: Tensor, course: Course) -> Literal["cross_entropy", "mse"] | LossFunction:
    """Of classes, or of real targets; of given targets a loss of one's own, which says nothing to draw others from."""
    if kind == "empirical" and not _is_likelihood(course.loss):
        return course.loss
    return "cross_entropy" if is_classes(y) else "mse"


def _is_likelihood(loss: LossFunction) -> bool:
    return loss in (*LOSSES.values(), F.mse_loss) or isinstance(loss, nn.MSELoss)


def counting(experience: Experience, course: Course) -> Tensor | None:
    """(C,) true where an output counts for an experience; `None` where all do."""
    outputs = course.outputs(experience.x[:1])
    counts = course.heads.scores(torch.zeros_like(outputs), experience.task).isfinite()
    return None if bool(counts.all()) else counts[0]


def normalised(importance: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Scaled to a mean of 1 over all parameters; zeros stay zeros."""
    total = torch.stack([value.sum() for value in importance.values()]).sum()
    count = sum(value.numel() for value in importance.values())
    scale = torch.where(total > 0, count / total, 0)
    return {name: value * scale for name, value in importance.items()}
