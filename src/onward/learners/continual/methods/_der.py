"""Remember what the network once said, not only what was true: dark experience replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.continual.memory import Buffer, Policy, Sample
from onward.learners.neural import at_least

from ._adjustment import Adjustment
from ._rehearsal import Rehearsal, check_memory

COMPARED: Final = ("all", "met")


@dataclass(frozen=True, slots=True)
class DarkExperienceReplay:
    """Dark experience replay, DER, and with `beta` above 0 DER++ (Buzzega et al. 2020, arXiv:2004.07211).

    An example is remembered with the raw outputs (logits) that the network gave it in the step in which it came. To
    the loss of each batch are added `alpha` times the mean squared difference, over examples and outputs, between what
    the network says to `batch_size` remembered examples and what it said then; and `beta` times the mean loss on as
    many others, drawn apart, with their true targets.

    As in the authors' code the mean goes over all outputs, whether they count in the scenario or not; in the scenario
    "task", where the outputs of other tasks never count for an example, over those of its own task alone. What the
    network said of classes that it had not met by then holds back their learning (Boschini et al. 2022,
    arXiv:2201.00766): `compared="met"` leaves it out, and the true targets alone keep those classes off. Other than in
    that code, batch and remembered examples go through the network together, so that a batch norm sees them as one.

    Regression works the same: the outputs then are real values. It goes with penalties (EWC, SI, MAS), with an `EMA`,
    and with GEM or A-GEM listed after it. The network must keep as many outputs as it had.

    Args:
        memory: examples at most; or a `Buffer`, as a pattern: each learner gets an empty one like it.
        alpha: weight of what the network said, 0 or more.
        beta: weight of the true targets, 0 or more; 0: DER.
        batch_size: examples of each of the two draws; that of the learner if not said.
        policy: what to keep, by its name or itself; of a `Buffer`, its own counts. Those for streams are offered every
            batch of every pass, as in the authors' code; to the others, the network says what it says at the end.
        compared: of the outputs, "all", or those of the classes that were "met" when the example was remembered, which
            takes a `beta` above 0.
        adjustment: strength of the logit adjustment, 0 or more (Menon et al. 2021, arXiv:2007.07314): in training, the
            scores of classes that come seldom, as remembered ones do, are lowered by the logarithm of how much more
            often new ones come, and a part of that of how many more examples they have, so that these do not win for
            that alone. For losses of a softmax. It changes nothing where the same classes come that are remembered, in
            the scenario "task", and with real targets.

    Raises:
        InvalidInput: a value is out of its range, or unknown.

    >>> DarkExperienceReplay(200, alpha=0.3, beta=0.0).alpha
    0.3
    """

    memory: int | Buffer = 500
    alpha: float = 0.1
    beta: float = 0.5
    batch_size: int | None = None
    policy: str | Policy = "reservoir"
    compared: Literal["all", "met"] = "all"
    adjustment: float = 0.0

    def __post_init__(self) -> None:
        check_memory(self.memory, self.policy, self.batch_size)
        at_least(0, alpha=self.alpha, beta=self.beta, adjustment=self.adjustment)
        if self.compared not in COMPARED:
            raise InvalidInput(f"compared is {self.compared!r}.", mend="Choose one.", options=COMPARED)
        if self.compared == "met" and not self.beta:
            raise InvalidInput(
                'compared is "met" and beta is 0.',
                why="Nothing would keep new classes off old examples.",
                mend='Give beta a weight, or compare "all".',
            )
        if not (self.alpha or self.beta):
            raise InvalidInput("alpha and beta are 0: nothing is replayed.", mend="Give one of them a weight.")

    def start(self, course: Course) -> Hooks:
        replay = _Replay(self, course)
        return Hooks(
            recall=replay.recall,
            objective=replay.objective,
            begin=replay.begin,
            adjust=replay.adjustment.adjusted if self.adjustment else None,
            stepped=replay.stepped if replay.memory.streams else None,
            end=None if replay.memory.streams else replay.end,
            state=replay.state,
            restore=replay.restore,
            settle=replay.memory.buffer.settle,
            forget=replay.memory.buffer.forget,
        )


class _Replay:
    def __init__(self, settings: DarkExperienceReplay, course: Course) -> None:
        self._settings, self._course = settings, course
        self.memory = Rehearsal(settings.memory, settings.policy, settings.batch_size, course)
        self._said: Sample | None = None
        self._true: Sample | None = None
        self.adjustment = Adjustment(settings.adjustment, course, self.memory.buffer)

    def begin(self, experience: Experience) -> None:
        self.memory.check(experience)
        self.adjustment.begin(experience)

    def recall(self, step: Step) -> Tensor | None:  # noqa: ARG002
        self._said = self.memory.drawn() if self._settings.alpha else None
        self._true = self.memory.drawn() if self._settings.beta else None
        found = [part.x for part in (self._said, self._true) if part is not None]
        return torch.cat(found) if found else None

    def objective(self, step: Step, outputs: Tensor | None) -> Tensor | None:  # noqa: ARG002
        if outputs is None:
            return None
        heads, settings = self._course.heads, self._settings
        parts: list[Tensor] = []
        if self._said is not None:
            now, outputs = outputs[: len(self._said)], outputs[len(self._said) :]
            difference = self._difference(now, self._said)
            parts.append(settings.alpha * difference)
        if self._true is not None:
            scores = self.adjustment.adjusted(heads.scores(outputs, self._true.task))
            parts.append(settings.beta * self._course.loss(scores, self._true.y))
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]

    def _difference(self, now: Tensor, then: Sample) -> Tensor:
        """Mean square of what the network says now less what it said then, over the outputs that are compared."""
        logits = then.extra["logits"]
        if logits.shape != now.shape:
            raise InvalidInput(
                f"The network gave outputs of shape {tuple(logits.shape[1:])} and gives {tuple(now.shape[1:])} now.",
                mend="Give it an output for every class that may come from the start.",
            )
        counted = logits != -torch.inf
        return (now - logits.masked_fill(~counted, 0)).square().mul(counted).sum() / counted.sum()

    def _logits(self, outputs: Tensor, scores: Tensor) -> Tensor:
        """What is remembered of raw outputs: -inf is where nothing will be compared."""
        every = self._settings.compared == "all" and self._course.heads.kind != "task"
        return outputs if every else scores

    def stepped(self, step: Step) -> None:
        self.memory.offer(step, logits=self._logits(step.outputs, step.scores))

    def end(self, experience: Experience) -> None:
        outputs = self._course.outputs(experience.x)
        scores = self._course.heads.scores(outputs, experience.task)
        self.memory.offer_all(experience, logits=self._logits(outputs, scores))

    def state(self) -> dict[str, Any]:
        return {"memory": self.memory.buffer.state(), "adjustment": self.adjustment.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.memory.buffer.restore(state["memory"])
        self.adjustment.restore(state["adjustment"])
