"""What a report says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from onward.core import CycleResult, ModelVersion, Transition
from onward.monitoring.tracker import GoalProgress

FIRST: Final = -62_135_596_800.0
LAST: Final = 253_402_300_799.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """What the loop did, beside what learners recorded.

    Args:
        tenant: whose.
        champion: number of the version in service.
        versions: oldest first.
        history: which version served from when, oldest first.
        cycles: oldest first.
    """

    tenant: str = "default"
    champion: int | None = None
    versions: Sequence[ModelVersion] = ()
    history: Sequence[Transition] = ()
    cycles: Sequence[CycleResult] = ()


@dataclass(frozen=True, slots=True)
class Change:
    """A lasting change of level, in one step.

    Args:
        at: when; `None` where no calendar says.
        event: number of the event, from 1.
        rise: by how much, below zero where it fell.
    """

    at: datetime | None
    event: int
    rise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskReport:
    """One task.

    Args:
        task: its name.
        events: how many were ever recorded.
        average, best, worst, first, latest: scores, 0..1.
        quantiles: "0.05" to "0.95" -> score, over all events.
        learning_rate: on average.
        trend: "improving", "declining", "stable" or "insufficient_data", by the newest 256 events.
        confidence: in the trend, 0..1.
        slope: score per event, with its interval.
        slope_per_hour: `None` where no time passed.
        first_at, last_at: `None` where no calendar says.
        converged: when it settled, oldest first.
        changes: of level, oldest first.
        curve: moving average at up to 32 places, oldest first.
    """

    task: str
    events: int
    average: float
    best: float
    worst: float
    first: float
    latest: float
    quantiles: Mapping[str, float]
    learning_rate: float
    trend: str
    confidence: float
    slope: float
    slope_interval: tuple[float, float]
    slope_per_hour: float | None
    first_at: datetime | None
    last_at: datetime | None
    converged: tuple[datetime | None, ...]
    changes: tuple[Change, ...]
    curve: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How learning stands.

    Args:
        tenant: whose.
        at: when it was written.
        champion: number of the version in service.
        tasks: by name.
        goals: by name, each with when it is expected to be reached.
        cycles: the last ones, oldest first.
    """

    tenant: str
    at: datetime
    champion: int | None
    tasks: tuple[TaskReport, ...]
    goals: tuple[GoalProgress, ...]
    cycles: tuple[CycleResult, ...]


def moment(time: float | None) -> datetime | None:
    """POSIX seconds as a time in UTC; nothing where no calendar says.

    >>> moment(0.0)
    datetime.datetime(1970, 1, 1, 0, 0, tzinfo=datetime.timezone.utc)
    """
    return datetime.fromtimestamp(time, UTC) if time is not None and FIRST <= time <= LAST else None
