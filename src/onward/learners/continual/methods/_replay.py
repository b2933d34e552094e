"""Train on old examples together with the new ones: experience replay."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.continual.memory import Buffer, Policy, Sample
from onward.learners.neural import above

from ._front import Front
from ._rehearsal import PROBED, Rehearsal, check_kept, check_memory, merit_of

WEIGHTS: Final = ("tasks", "examples")
BALANCES: Final = (None, "class", "task")


@dataclass(frozen=True, slots=True)
class ExperienceReplay:
    """Experience replay (Chaudhry et al. 2019, arXiv:1902.10486).

    In every step, examples drawn from a memory go through the network together with the batch, each is scored by its
    own task, and their mean loss is added. Policies for streams ("reservoir", "ring", "class_balanced") are offered
    each batch after its step, in the first pass over an experience alone, so that an example is in the stream once;
    they also bring back examples of the experience under way. The others pick from an experience when it is over.

    Examples are kept as they are given, before `prepare`. Where they may not be kept, `features` keeps what a frozen
    front of the network makes of them, once prepared; the rest of the network then takes the features in a pass of
    its own. The front stays in evaluation mode.

    Args:
        memory: examples at most; or a `Buffer`, as a pattern: each learner gets an empty one like it.
        policy: what to keep, by its name or itself; of a `Buffer`, its own counts.
        batch_size: examples replayed in each step; that of the learner if not said.
        weight: of their loss, above 0. "tasks": 1/t for the new and 1 - 1/t for the old ones in the t-th experience
            (van de Ven and Tolias 2018, arXiv:1809.10635). "examples": each example of the step counts the same, as in
            the code of DER (Buzzega et al. 2020, arXiv:2004.07211).
        balanced: "class" or "task": each is drawn as often as the others.
        features: name of the network's frozen front, e.g. "encoder"; `None`: examples are kept themselves.

    Raises:
        InvalidInput: a value is out of its range, or a name is unknown.

    >>> ExperienceReplay(200, batch_size=32, balanced="class").memory
    200
    """

    memory: int | Buffer = 500
    policy: str | Policy = "reservoir"
    batch_size: int | None = None
    weight: float | Literal["tasks", "examples"] = 1.0
    balanced: Literal["class", "task"] | None = None
    features: str | None = None

    def __post_init__(self) -> None:
        check_memory(self.memory, self.policy, self.batch_size)
        if self.balanced not in BALANCES:
            raise InvalidInput(f"balanced is {self.balanced!r}.", mend="Choose one, or None.", options=BALANCES[1:])
        if isinstance(self.weight, str) and self.weight not in WEIGHTS:
            raise InvalidInput(f"weight is {self.weight!r}.", mend="Give a number, or name one.", options=WEIGHTS)
        if not isinstance(self.weight, str):
            above(weight=self.weight)

    def start(self, course: Course) -> Hooks:
        replay = _Replay(self, course)
        return Hooks(
            begin=replay.begin,
            recall=replay.recall,
            objective=replay.objective,
            weight=replay.own_weight if isinstance(self.weight, str) else None,
            stepped=replay.stepped if replay.memory.streams else None,
            end=None if replay.memory.streams else replay.end,
            state=replay.state,
            restore=replay.restore,
            settle=replay.buffer.settle,
            forget=replay.buffer.forget,
        )


class _Replay:
    def __init__(self, settings: ExperienceReplay, course: Course) -> None:
        self._settings, self._course = settings, course
        self.memory = Rehearsal(settings.memory, settings.policy, settings.batch_size, course)
        self.buffer = self.memory.buffer
        self._front = None if settings.features is None else Front(course, settings.features)
        self._taken = 0
        self._drawn: Sample | None = None

    def begin(self, experience: Experience) -> None:
        x, y, held = experience.x[:PROBED], experience.y[:PROBED], None
        if self._front is not None:
            self._front.check(x)
            held = self._front.features(x)
        check_kept(self.buffer, self._course, x, y, held)
        self._taken = 0

    def recall(self, step: Step) -> Tensor | None:  # noqa: ARG002
        now = self._settings.weight != "tasks" or self._course.learned
        self._drawn = self.memory.drawn(self._settings.balanced) if now else None
        if self._front is not None:
            self._front.settle()
            return None
        return None if self._drawn is None else self._drawn.x

    def objective(self, step: Step, outputs: Tensor | None) -> Tensor | None:
        drawn, course = self._drawn, self._course
        if drawn is None:
            return None
        if self._front is not None:
            outputs = self._front.rest(drawn.x)
        assert outputs is not None
        loss = course.loss(course.heads.scores(outputs, drawn.task), drawn.y)
        match self._settings.weight:
            case "tasks":
                return loss * self._share_of_old
            case "examples":
                return loss * (len(drawn) / (len(drawn) + len(step.x)))
            case weight:
                return loss if weight == 1 else loss * weight

    @property
    def _share_of_old(self) -> float:
        """Of the experiences that were met, this one among them."""
        return self._course.learned / (self._course.learned + 1)

    def own_weight(self, step: Step) -> float:
        """That of the batch's own loss."""
        if self._drawn is None:
            return 1.0
        if self._settings.weight == "tasks":
            return 1 - self._share_of_old
        return len(step.x) / (len(step.x) + len(self._drawn))

    def stepped(self, step: Step) -> None:
        count = min(len(step.x), len(step.experience) - self._taken)
        if not count:
            return
        self._taken += count
        keys = step.experience.keys
        named = None if keys is None else [keys[at] for at in step.index[:count].tolist()]
        self._keep(step.x[:count], step.y[:count], step.task, keys=named)

    def end(self, experience: Experience) -> None:
        held = None if self._front is None else self._front.features(experience.x[:1])
        merit = merit_of(self.buffer, self._course, experience, held)
        self._keep(experience.x, experience.y, experience.task, keys=experience.keys, merit=merit)

    def _keep(self, x: Tensor, y: Tensor, task: int, **more: Any) -> None:
        held = x if self._front is None else self._front.features(x)
        self.buffer.add(held, y, task, self._course.generator, check=self._front is not None, **more)

    def state(self) -> dict[str, Any]:
        return {"buffer": self.buffer.state(), "taken": self._taken}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.buffer.restore(state["buffer"])
        self._taken = int(state["taken"])
