"""What stands beside every method: forgetting freely, keeping everything, learning nothing."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience, some_of, staying
from onward.learners.continual._method import Course, Hooks
from onward.learners.neural import whole


@dataclass(frozen=True, slots=True)
class FineTuning:
    """Train on each experience as if there were no other: the lower bound.

    >>> FineTuning()
    FineTuning()
    """

    def start(self, course: Course) -> Hooks:  # noqa: ARG002
        return Hooks()


@dataclass(frozen=True, slots=True)
class NoLearning:
    """Leave the network as it is, after as many experiences as are said.

    Args:
        after: experiences to learn first, at least 0.

    Raises:
        InvalidInput: it is no such number.

    >>> NoLearning(after=1)
    NoLearning(after=1)
    """

    after: int = 0

    def __post_init__(self) -> None:
        whole(0, after=self.after)

    def start(self, course: Course) -> Hooks:
        return Hooks(material=partial(_until, self.after, course))


def _until(after: int, course: Course, experience: Experience) -> Experience:
    """The experience; without its examples once so many were learned."""
    if course.learned < after:
        return experience
    return Experience(experience.x[:0], experience.y[:0], experience.task, experience.name)


@dataclass(frozen=True, slots=True)
class Joint:
    """Keep all examples and train on all of them with each experience: what continual learning is held against.

    The tasks of an experience are then mixed, so that the scenario "task" is not for it: train there on each task
    apart. Examples with keys can be forgotten.

    >>> Joint()
    Joint()
    """

    def start(self, course: Course) -> Hooks:
        kept = _Everything(course)
        return Hooks(
            begin=kept.add,
            unmet=kept.drop_latest,
            material=kept.material,
            state=kept.state,
            restore=kept.restore,
            forget=kept.forget,
        )


class _Everything:
    def __init__(self, course: Course) -> None:
        self._course = course
        self._all: Experience | None = None
        self._earlier: tuple[int, Sequence[str | None] | None] = (0, None)

    def material(self, experience: Experience) -> Experience:
        return experience if self._all is None else self._all

    def add(self, experience: Experience) -> None:
        if self._course.heads.kind == "task":
            raise InvalidInput(
                'Joint training cannot mix the tasks of the scenario "task".',
                why="A step belongs to one task.",
                mend="Use FineTuning with a learner for each task, or ExperienceReplay with room for all.",
            )
        before = self._all
        if before is not None:
            if before.x.shape[1:] != experience.x.shape[1:] or before.y.shape[1:] != experience.y.shape[1:]:
                raise InvalidInput(
                    f"Examples {tuple(experience.x.shape[1:])} with targets {tuple(experience.y.shape[1:])} do not go"
                    f" together with those before, {tuple(before.x.shape[1:])} with {tuple(before.y.shape[1:])}.",
                    mend="Bring them to one shape.",
                )
            keys = None
            if before.keys is not None or experience.keys is not None:
                keys = (*_named(before), *_named(experience))
            x, y = torch.cat([before.x, experience.x]), torch.cat([before.y, experience.y])
            self._all = replace(experience, x=x, y=y, keys=keys)
        else:  # a copy: whose tensors these are may write into them
            self._all = replace(experience, x=experience.x.clone(), y=experience.y.clone())
        self._earlier = (0, None) if before is None else (len(before), before.keys)

    def drop_latest(self) -> None:
        """As if the experience that was added last had never come."""
        count, keys = self._earlier
        if self._all is not None:
            x, y = (part[:count].clone() for part in (self._all.x, self._all.y))
            self._all = replace(self._all, x=x, y=y, keys=keys) if count else None

    def forget(self, keys: Collection[str]) -> int:
        if self._all is None:
            return 0
        before = len(self._all)
        self._all = some_of(self._all, staying(self._all, keys))
        return before - len(self._all)

    def state(self) -> dict[str, Any]:
        if self._all is None:
            return {}
        keys = None if self._all.keys is None else list(self._all.keys)
        return {"x": self._all.x, "y": self._all.y, "keys": keys}

    def restore(self, state: Mapping[str, Any]) -> None:
        here = self._course.device
        self._all = Experience(state["x"].to(here), state["y"].to(here), keys=state["keys"]) if state else None


def _named(experience: Experience) -> Sequence[str | None]:
    """A key, or none, for each example."""
    return [None] * len(experience) if experience.keys is None else experience.keys
