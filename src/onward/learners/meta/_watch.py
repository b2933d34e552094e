"""Who looks on while a learner trains: a learning tracker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import isfinite
from typing import Any, Final, Protocol

from ._processes import processes

METRICS: Final = ("meta_loss", "task_adaptation_loss", "task_evaluation_accuracy", "gradient_norm", "learning_rate")
HELD: Final = 512


class Tracker(Protocol):
    """What is asked of a tracker; `onward.LearningProgressTracker` is one."""

    def log_metric(self, name: str, value: float, *, step: int | None = None, timestamp: float | None = None) -> None:
        """Record a value of a metric."""
        ...

    def record_learning_event(
        self, task_type: str, performance_score: float, learning_rate: float, episode_count: int = 0,
        convergence_metric: float = 0.0, **metadata: Any,
    ) -> None:  # fmt: skip
        """Record how well something is learned."""
        ...


class Recorder:
    """Hands the figures of steps to a tracker, many at a time, each with the time it was made.

    Args:
        tracker: `None`, or any process but the first: nothing is recorded.
        kind: what the learning is called.
    """

    def __init__(self, tracker: Tracker | None, kind: str) -> None:
        self._tracker = None if processes()[0] else tracker
        self._kind = kind
        self._waiting: list[tuple[str, float, int, float]] = []

    def step(self, figures: Mapping[str, float], step: int) -> None:
        """The figures of a step."""
        if self._tracker is None:
            return
        now = time.time()
        named = ((name, figures[name]) for name in METRICS if name in figures)
        self._waiting += [(name, value, step, now) for name, value in named if isfinite(value)]
        if len(self._waiting) >= HELD:
            self.flush()

    def flush(self) -> None:
        """Hand over what waits."""
        waiting, self._waiting = self._waiting, []
        for name, value, step, at in waiting:
            assert self._tracker is not None
            self._tracker.log_metric(name, value, step=step, timestamp=at)

    def validated(self, loss: float, accuracy: float | None, rate: float, tasks: int) -> None:
        """A validation: its score is the accuracy, or 1 / (1 + loss) of real targets.

        Args:
            rate: the outer learning rate.
            tasks: seen so far.
        """
        self.flush()
        if self._tracker is not None and isfinite(loss) and rate > 0:
            low = max(loss, 0.0)
            score = 1 / (1 + low) if accuracy is None else accuracy
            self._tracker.record_learning_event(self._kind, score, rate, tasks, low)
