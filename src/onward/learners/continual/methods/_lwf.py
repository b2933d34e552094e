"""Learning without forgetting: the network before is the teacher of the network after."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from onward.core import InvalidInput
from onward.learners.continual._checks import is_classes
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.continual.distillation._loss import soft_loss
from onward.learners.neural import above, share


@dataclass(frozen=True, slots=True)
class LearningWithoutForgetting:
    """Say of new examples what the network said before it learned them (Li and Hoiem 2016, arXiv:1606.09282).

    To the loss of the new targets comes the divergence from what the network of the experience before says of the
    same inputs, both softened by a temperature. In the scenario "task" that is the mean over the old
    tasks, each among its own classes; in "class" the old classes as far as the teacher knew them, against all that are
    known now; in "domain" all outputs. Real targets are held to by their squared error. No old example is kept.

    It works as far as new inputs tell about old tasks: with related tasks and known ones well, in the scenario "class"
    hardly (van de Ven and Tolias 2019, arXiv:1904.07734).

    Args:
        temperature: above 0.
        alpha: weight of what was said before, 0..1; the new targets have the rest. `None`: 1 - 1 / t in the t-th
            experience, so that each has an equal say.
        squared: multiply that by the square of the temperature, as distillation does. The old then has four times the
            say, and in the scenario "class" no new class is learned: the authors do not.

    Raises:
        InvalidInput: a value is out of its range; at the start of a learner: the network has columns, which answer for
            their tasks by themselves.

    >>> LearningWithoutForgetting().temperature
    2.0
    """

    temperature: float = 2.0
    alpha: float | None = None
    squared: bool = False

    def __post_init__(self) -> None:
        above(temperature=self.temperature)
        share(alpha=0.0 if self.alpha is None else self.alpha)

    def start(self, course: Course) -> Hooks:
        if getattr(course.network, "by_task", False):
            raise InvalidInput(
                "A network with columns has nothing to be taught of old tasks.",
                why="The column of a task answers for it, and does not change.",
                mend="Use Progressive() without it, or give the network that the columns are made of.",
            )
        taught = _Taught(self, course)
        return Hooks(
            objective=taught.objective, weight=taught.weight, end=taught.end, state=taught.state, restore=taught.restore
        )


class _Taught:
    def __init__(self, settings: LearningWithoutForgetting, course: Course) -> None:
        self._settings, self._course = settings, course
        self._teacher: nn.Module | None = None
        self._groups: list[list[int]] = []
        self._old: tuple[Tensor, Tensor] | None = None

    def objective(self, step: Step, recalled: Tensor | None) -> Tensor | None:  # noqa: ARG002
        if self._teacher is None:
            return None
        with torch.no_grad():
            said: Tensor = self._teacher(step.inputs)
        if not is_classes(step.y):
            return self._share * F.mse_loss(step.outputs, said)
        scale = self._settings.temperature**2 if self._settings.squared else 1.0
        return self._share * scale * self._divergence(step, said)

    def weight(self, step: Step) -> float:  # noqa: ARG002
        return 1.0 if self._teacher is None else 1 - self._share

    @property
    def _share(self) -> float:
        alpha = self._settings.alpha
        return 1 - 1 / (self._course.learned + 1) if alpha is None else alpha

    def _divergence(self, step: Step, said: Tensor) -> Tensor:
        """Mean over the examples, and over the old tasks where they are apart."""
        heat, (places, missing) = self._settings.temperature, self._places(said)
        if self._course.heads.kind == "task":
            own, said = (part[:, places].masked_fill(missing, -torch.inf) for part in (step.outputs, said))
            now = F.log_softmax(own / heat, -1)
        else:
            now, said = F.log_softmax(step.scores / heat, -1)[:, places], said[:, places]
        return soft_loss(now, F.log_softmax(said / heat, -1))

    def _places(self, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """(groups, k) the outputs of each group, in rows as long as the largest wants, and where a row has no more.

        There is one group but in the scenario "task", where tasks are not asked about the outputs of others.
        """
        if self._old is None or self._old[0].device != outputs.device:
            groups = [torch.tensor(classes or range(outputs.shape[1])) for classes in self._groups]
            sizes = torch.tensor([len(group) for group in groups])
            places = pad_sequence(groups, batch_first=True)
            missing = torch.arange(places.shape[1]) >= sizes[:, None]
            self._old = places.to(outputs.device), missing.to(outputs.device)
        return self._old

    def end(self, experience: Experience) -> None:  # noqa: ARG002
        self._set(copy.deepcopy(self._course.network))
        heads = self._course.heads
        match heads.kind:
            case "task":
                self._groups = [list(classes) for classes in heads.classes.values()]
            case "class":
                self._groups = [list(heads.seen)]
            case "domain":
                self._groups = [[]]

    def _set(self, teacher: nn.Module) -> None:
        self._teacher, self._old = teacher.eval().requires_grad_(False), None

    def state(self) -> dict[str, Any]:
        teacher = None if self._teacher is None else dict(self._teacher.state_dict())
        return {"teacher": teacher, "groups": self._groups}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._teacher, self._groups = None, state["groups"]
        if state["teacher"] is not None:
            teacher = copy.deepcopy(self._course.network)
            teacher.load_state_dict(state["teacher"])
            self._set(teacher)
