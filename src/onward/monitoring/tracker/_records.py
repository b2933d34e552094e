"""What the tracker keeps: learning events, and the series that every measurement belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple

Kind = Literal["task", "metric", "goal", "convergence"]
"""What a series measures: a learner's score on a task, a metric, the way to a goal, or moments of convergence."""


class Source(NamedTuple):
    """What a series is of: its kind and name; for metrics also the task and the client, where they are told apart."""

    kind: Kind
    name: str
    task: str = ""
    client: str = ""


class Measurement(NamedTuple):
    """One value of a series.

    Args:
        source: which series.
        time: POSIX seconds.
        value: the score or metric.
        step: episodes, or the step of a metric.
        rate: learning rate.
        convergence: the convergence metric.
        body: metadata as JSON; empty where there is none.
    """

    source: Source
    time: float
    value: float
    step: int | None = None
    rate: float | None = None
    convergence: float | None = None
    body: str = ""


@dataclass(frozen=True, slots=True)
class LearningEvent:
    """One step of somebody's learning.

    Args:
        timestamp: POSIX seconds (UTC).
        task_type: what is learned.
        performance_score: 0..1, higher is better.
        learning_rate: above 0.
        episode_count: episodes, examples or steps so far.
        convergence_metric: 0 or more, by the learner's own measure, lower is closer.
        metadata: whatever else was said.

    >>> event = LearningEvent(0.0, "classification", 0.85, 0.01, 100, 0.05, {"optimizer": "adam"})
    >>> event.at.year, event.to_dict()["metadata"]
    (1970, {'optimizer': 'adam'})
    """

    timestamp: float
    task_type: str
    performance_score: float
    learning_rate: float
    episode_count: int
    convergence_metric: float
    metadata: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @property
    def at(self) -> datetime:
        """The timestamp as a time."""
        return datetime.fromtimestamp(self.timestamp, UTC)

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON holds it."""
        return {
            "timestamp": self.timestamp,
            "task_type": self.task_type,
            "performance_score": self.performance_score,
            "learning_rate": self.learning_rate,
            "episode_count": self.episode_count,
            "convergence_metric": self.convergence_metric,
            "metadata": dict(self.metadata),
        }
