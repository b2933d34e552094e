"""One meta-training, in slices: after each, what it has come to is told, so that a run cut off leaves what it got."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onward.learners.meta import MetaLearner, MetaLearningTask, TaskDistribution

Told = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Clock:
    """When to stop training, and begin to judge what has been learned.

    Args:
        until: `time.monotonic()` then; `None`: no bound.
    """

    until: float | None = None

    def left(self) -> float | None:
        """Seconds, at least a little."""
        return None if self.until is None else max(0.01, self.until - time.monotonic())

    def over(self) -> bool:
        return self.until is not None and time.monotonic() >= self.until

    def within(self, seconds: float | None) -> Clock:
        """The same, but at most so many seconds from now."""
        if seconds is None:
            return self
        then = time.monotonic() + seconds
        return replace(self, until=then if self.until is None else min(then, self.until))


@dataclass(frozen=True)
class Plan:
    """How long a training goes on.

    Args:
        steps: meta-iterations.
        batch_size: tasks in each.
        every: meta-iterations between two points of the curve.
    """

    steps: int
    batch_size: int
    every: int

    def cosine(self, step: int) -> float:
        """From 1 to 0 over the whole training."""
        return 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1)))

    def linear(self, step: int) -> float:
        """From 1 to 0 over the whole training."""
        return 1 - min(step / self.steps, 1)


def train(
    learner: MetaLearner,
    tasks: TaskDistribution,
    judges: Sequence[MetaLearningTask],
    plan: Plan,
    folder: Path,
    clock: Clock,
    told: Told,
) -> dict[str, Any]:
    """Train until the plan is done or time is over; go on from the checkpoint in `folder` where there is one.

    The learner then has the meta-parameters that were best on `judges`.

    Returns:
        What was told last: steps taken and planned, tasks seen, seconds, the engine, and the curve.
    """
    said: dict[str, Any] = {}
    done = 0
    while done < plan.steps:
        done = min(done + plan.every, plan.steps)
        report = learner.fit(
            tasks, steps=done, batch_size=plan.batch_size, validation=judges, validate_every=plan.every,
            checkpoints=folder, checkpoint_every=plan.steps + 1, budget=clock.left(),
        )  # fmt: skip
        done = max(done, report.steps)
        said = {
            "steps": report.steps, "of": plan.steps, "tasks seen": report.steps * plan.batch_size,
            "seconds": round(report.seconds, 1), "best step": report.best_step, "engine": report.engine,
            "curve": [_point(row) for row in report.history],
        }  # fmt: skip
        told(said)
        if clock.over():
            break
    return said


def _point(row: dict[str, float]) -> dict[str, float]:
    kept = ("step", "meta_loss", "validation_loss", "validation_accuracy")
    return {name: round(row[name], 4) for name in kept if name in row}
