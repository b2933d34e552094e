"""Two slow teachers: complementary learning systems with experience replay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from onward.learners.continual._checks import is_classes
from onward.learners.continual._experience import Experience
from onward.learners.continual._losses import LossFunction, each
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.continual.memory import Buffer, Policy, Sample
from onward.learners.neural import at_least

from ._ema import EMA, Averages
from ._rehearsal import Rehearsal, check_memory

STABLE: Final = EMA(0.999, 0.7)
PLASTIC: Final = EMA(0.999, 0.9)


@dataclass(frozen=True, slots=True)
class CLSER:
    """Complementary learning systems with experience replay (Arani, Sarfraz and Zonooz 2022, arXiv:2201.12604).

    Beside the network go two exponential moving averages of its weights: a stable one that is updated seldom and a
    plastic one that is updated often. With each batch go `batch_size` remembered examples. The loss is the mean over
    both, and `weight` times the mean squared difference, over all raw outputs, between what the network says to the
    remembered examples and what that teacher says that gives their true class the higher probability (of other targets:
    the one with the lower loss). The stable average predicts.

    As in the authors' code, teachers see the same augmented inputs as the network. Other than there, they are in
    evaluation mode, and running statistics of batch norms are averaged with the weights.

    It goes with penalties (EWC, SI, MAS) and with GEM or A-GEM listed after it; not with a second method that brings
    its own network to predict with, nor with one that adds parameters, which is refused when it does.

    Args:
        memory: examples at most; or a `Buffer`, as a pattern: each learner gets an empty one like it.
        batch_size: examples drawn from it in each step; that of the learner if not said.
        weight: of the consistency with the teachers, 0 or more.
        stable: how the stable average is updated.
        plastic: how the plastic one is; `None`: there is one teacher, the stable one (the paper's Mean-ER).
        policy: what to keep, by its name or itself; of a `Buffer`, its own counts. Those for streams are offered every
            batch of every pass, as in the authors' code.

    Raises:
        InvalidInput: a value is out of its range.

    >>> CLSER(200, plastic=None).stable
    EMA(decay=0.999, frequency=0.7)
    """

    memory: int | Buffer = 500
    batch_size: int | None = None
    weight: float = 0.1
    stable: EMA = STABLE
    plastic: EMA | None = PLASTIC
    policy: str | Policy = "reservoir"

    def __post_init__(self) -> None:
        check_memory(self.memory, self.policy, self.batch_size)
        at_least(0, weight=self.weight)

    def start(self, course: Course) -> Hooks:
        replay = _Replay(self, course)
        return Hooks(
            begin=replay.begin,
            recall=replay.recall,
            weight=replay.share,
            objective=replay.objective,
            stepped=replay.stepped,
            end=None if replay.memory.streams else replay.memory.offer_all,
            serve=replay.averages.first,
            state=replay.state,
            restore=replay.restore,
            settle=replay.memory.buffer.settle,
            forget=replay.memory.buffer.forget,
        )


class _Replay:
    def __init__(self, settings: CLSER, course: Course) -> None:
        self._settings, self._course = settings, course
        self.memory = Rehearsal(settings.memory, settings.policy, settings.batch_size, course)
        paces = (settings.stable,) if settings.plastic is None else (settings.stable, settings.plastic)
        self.averages = Averages(paces, course)
        self._drawn: Sample | None = None

    def begin(self, experience: Experience) -> None:
        self.memory.check(experience)
        self.averages.begin(experience)

    def recall(self, step: Step) -> Tensor | None:  # noqa: ARG002
        self._drawn = self.memory.drawn()
        return None if self._drawn is None else self._drawn.x

    def share(self, step: Step) -> float:
        """That of the batch in the mean over it and what is remembered."""
        return 1.0 if self._drawn is None else len(step.x) / (len(step.x) + len(self._drawn))

    def objective(self, step: Step, outputs: Tensor | None) -> Tensor | None:
        if outputs is None or self._drawn is None:
            return None
        scores = self._course.heads.scores(outputs, self._drawn.task)
        replayed = self._course.loss(scores, self._drawn.y) * (1 - self.share(step))
        if not self._settings.weight:
            return replayed
        taught = F.mse_loss(outputs, self._taught(step.recalled, self._drawn))
        return replayed + self._settings.weight * taught

    @torch.no_grad()
    def _taught(self, inputs: Tensor, sample: Sample) -> Tensor:
        """(m, C) what the better teacher says."""
        said: list[Tensor] = [network(inputs) for network in self.averages.networks]
        if len(said) == 1:
            return said[0]
        scores = [self._course.heads.scores(outputs, sample.task) for outputs in said]
        return better(said, scores, sample.y, self._course.loss)

    def stepped(self, step: Step) -> None:
        if self.memory.streams:
            self.memory.offer(step)
        self.averages.follow(step)

    def state(self) -> dict[str, Any]:
        return {"memory": self.memory.buffer.state(), "averages": self.averages.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self.memory.buffer.restore(state["memory"])
        self.averages.restore(state["averages"])


def better(said: Sequence[Tensor], scores: Sequence[Tensor], y: Tensor, loss: LossFunction) -> Tensor:
    """(m, C) for each example the raw outputs of the teacher that knows it better; of two alike, those of the second.

    Args:
        said: (m, C) raw outputs of two teachers.
        scores: the same through the heads.
        y: (m,) classes: the higher probability of the true one decides; or (m, ...) other targets: the lower loss.

    >>> said = [torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.zeros(2, 2)]
    >>> better(said, said, torch.tensor([0, 1]), F.cross_entropy)
    tensor([[2., 0.],
            [0., 0.]])
    """
    if is_classes(y):
        true = [given.log_softmax(1).gather(1, y.unsqueeze(1)).squeeze(1) for given in scores]
        chosen = true[0] > true[1]
    else:
        losses = [each(loss, given, y) for given in scores]
        chosen = losses[0] < losses[1]
    return torch.where(chosen.view(-1, *[1] * (said[0].ndim - 1)), said[0], said[1])
