"""What methods with a memory of examples do alike: fill it, and draw from it."""

from __future__ import annotations

from typing import Final

from torch import Tensor

from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Step
from onward.learners.continual.memory import Buffer, By, Policy, Sample, buffer_of, merits_for, policy_of
from onward.learners.neural import whole

PROBED: Final = 2
"""Examples that show whether the rest can be kept."""


def check_memory(memory: int | Buffer, policy: str | Policy, batch_size: int | None) -> None:
    """Refuse a memory that cannot be.

    Raises:
        InvalidInput: its size or that of a draw is below 1, or no policy has the name.
    """
    policy_of(policy)
    if not isinstance(memory, Buffer):
        whole(1, memory=memory)
    whole(1, batch_size=1 if batch_size is None else batch_size)


def check_kept(buffer: Buffer, course: Course, x: Tensor, y: Tensor, held: Tensor | None = None) -> None:
    """Refuse examples that a buffer could not keep, before anything is learned from them.

    Args:
        x, y: a few of them.
        held: what is kept in the place of x.

    Raises:
        InvalidInput: they do not fit what is there; or the network, or targets of this kind, tell the policy nothing.
    """
    buffer.check(x if held is None else held, y)
    if not getattr(course.network, "by_task", False):  # one that grows may have no outputs for them yet
        merits_for(buffer, course.network, course.outputs, x, y, held)


def merit_of(
    buffer: Buffer, course: Course, experience: Experience, held: Tensor | None = None, **extra: Tensor
) -> Tensor | None:
    """(n,) what the examples are worth to the policy of a buffer, by the network as it is; `None`: it does not ask.

    Args:
        held: what is kept in the place of x; one will do.
        extra: further columns.
    """

    def scores(x: Tensor) -> Tensor:
        return course.heads.scores(course.outputs(x), experience.task)

    return merits_for(buffer, course.network, scores, experience.x, experience.y, held, **extra)


class Rehearsal:
    """A learner's memory of examples, empty at first.

    Args:
        batch_size: examples of a draw; that of the learner if not said.
    """

    def __init__(self, memory: int | Buffer, policy: str | Policy, batch_size: int | None, course: Course) -> None:
        self.buffer = buffer_of(memory, policy, course.device)
        self._course, self._count = course, batch_size or course.batch_size
        self.streams = self.buffer.policy.moment == "step"

    def check(self, experience: Experience) -> None:
        """Refuse an experience that could not be kept.

        Raises:
            InvalidInput: it does not fit what is there, or the policy.
        """
        check_kept(self.buffer, self._course, experience.x[:PROBED], experience.y[:PROBED])

    def drawn(self, balanced: By | None = None) -> Sample | None:
        """Some examples at random, see `Buffer.sample`; `None` where there are none yet."""
        return self.buffer.sample(self._count, self._course.generator, balanced) if len(self.buffer) else None

    def offer(self, step: Step, **extra: Tensor) -> None:
        """The batch of a step, with further columns."""
        keys = step.experience.keys
        named = None if keys is None else [keys[at] for at in step.index.tolist()]
        self.buffer.add(step.x, step.y, step.task, self._course.generator, keys=named, check=False, **extra)

    def offer_all(self, experience: Experience, **extra: Tensor) -> None:
        """All of an experience that is over, with further columns."""
        x, y, keys, chance = experience.x, experience.y, experience.keys, self._course.generator
        merit = merit_of(self.buffer, self._course, experience, **extra)
        self.buffer.add(x, y, experience.task, chance, keys=keys, merit=merit, check=False, **extra)
