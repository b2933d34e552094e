"""Learn on a copy, and keep the copy only if what was known before still is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from torch import Tensor

from ._experience import Experience
from ._forgetting import ROUNDING, ForgettingDetector, ForgettingReport, TaskFinding, outcomes
from ._held import HeldOut
from ._learner import ContinualLearner
from ._method import Method
from ._noninferiority import surely_not_worse
from .methods import CLSER, DarkExperienceReplay, ExperienceReplay

FACTORS: Final = (1, 2, 4)
"""How much more is replayed in each further attempt."""
REPLAYING: Final = (ExperienceReplay, DarkExperienceReplay, CLSER)
"""Methods of which more can be replayed."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One copy that learned the task.

    Args:
        methods: by which, as text.
        learned: what `ContinualLearner.evaluate` said on the examples of the new task that were held out.
        forgetting: what became of the older tasks, since the learner in service and since each was best; `None` where
            there were none.
        passed: whether it may be kept.
    """

    methods: tuple[str, ...]
    learned: Mapping[str, float]
    forgetting: ForgettingReport | None
    passed: bool

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        forgetting = None if self.forgetting is None else self.forgetting.to_dict()
        return {
            "methods": list(self.methods),
            "learned": dict(self.learned),
            "forgetting": forgetting,
            "passed": self.passed,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A learner that may take the place of the one in service.

    Args:
        attempt: how it did.
        learner: it.
        held: older task -> what is held out of it, once this learner is in service.
    """

    attempt: Attempt
    learner: ContinualLearner
    held: dict[str, HeldOut]


@dataclass(frozen=True, slots=True)
class Trial:
    """What is tried, and against what.

    Args:
        copied: makes a copy of the learner in service, with these methods.
        detector: what compares.
        held: older task -> what is held out of it.
    """

    copied: Callable[[Sequence[Method]], ContinualLearner]
    detector: ForgettingDetector
    held: Mapping[str, HeldOut]

    def attempt(
        self, methods: Sequence[Method], lesson: Experience, asked: Experience, training: Mapping[str, Any]
    ) -> Candidate:
        """Learn on a copy, and compare it with the learner in service and with the best that there was of each task.

        Args:
            lesson: what is learned.
            asked: what was held out of it.
            training: arguments of `ContinualLearner.learn`.
        """
        learner = self.copied(methods)
        before = self._outcomes(learner)
        learner.learn(lesson, **training)
        after = self._outcomes(learner)
        held = {name: one.after(before[name]) for name, one in self.held.items()}  # of what is left it may be best
        best = {name: one.best for name, one in held.items()}
        report = self.detector.compare(before, after, best) if before else None
        suffered = {one.task for one in not_borne(report)}
        attempt = Attempt(tuple(map(repr, methods)), learner.evaluate(asked), report, not suffered)
        held = {name: one.after(after[name], anew=name in suffered) for name, one in held.items()}
        return Candidate(attempt, learner, held)

    def _outcomes(self, learner: ContinualLearner) -> dict[str, Tensor]:
        return {name: outcomes(learner, one.asked) for name, one in self.held.items()}


def not_borne(report: ForgettingReport | None) -> list[TaskFinding]:
    """What speaks against a learner."""
    return [] if report is None else [one for one in report.findings if not borne(one, report)]


def borne(finding: TaskFinding, report: ForgettingReport) -> bool:
    """Whether a task is surely kept; of so few examples that this could not be seen if nothing changed at all, whether
    no more than the margin was lost of them.
    """
    provable = surely_not_worse(np.zeros(finding.examples), report.margin) <= report.level
    return finding.kept or (not provable and finding.loss <= report.margin + ROUNDING)


def ladder(methods: Sequence[Method], batch_size: int) -> list[tuple[Method, ...]]:
    """The methods, then the same with more replay; they alone where none of them replays.

    Args:
        batch_size: replayed where a method does not say how many.

    >>> [one.batch_size for one, in ladder([ExperienceReplay(batch_size=32)], 128)]
    [32, 64, 128]
    """
    found = [tuple(_replaying(method, factor, batch_size) for method in methods) for factor in FACTORS]
    return found if found[0] != found[-1] else [tuple(methods)]


def _replaying(method: Method, factor: int, batch_size: int) -> Method:
    if factor == 1 or not isinstance(method, REPLAYING):
        return method
    return replace(method, batch_size=(method.batch_size or batch_size) * factor)
