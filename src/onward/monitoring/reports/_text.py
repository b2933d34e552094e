"""Reports as records: whoever shows them, shows these."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from onward.core import NotFound
from onward.monitoring._seen import Seen, see
from onward.monitoring.statistics import trend
from onward.monitoring.tracker import GoalProgress, Source
from onward.monitoring.tracker._report import trend_of
from onward.monitoring.tracker._store import TAIL

from ._records import Change, Loop, Report, TaskReport, moment

if TYPE_CHECKING:
    from onward.monitoring.tracker import LearningProgressTracker, Store

CURVE: Final = 32
CYCLES: Final = 5
QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


def text_report(tracker: LearningProgressTracker, loop: Loop | None = None, *, at: datetime) -> Report:
    """How learning stands: every task, every goal, the last five cycles.

    Args:
        tracker: of a workspace, or in memory.
        loop: what the loop did, where there is one.
        at: now.

    >>> from datetime import UTC
    >>> from onward.monitoring import LearningProgressTracker
    >>> tracker = LearningProgressTracker()
    >>> tracker.record_learning_event("greetings", 0.8, learning_rate=0.01)
    >>> [(one.task, one.latest, one.trend) for one in text_report(tracker, at=datetime.now(UTC)).tasks]
    [('greetings', 0.8, 'insufficient_data')]
    """
    loop = loop or Loop()
    store = tracker.store
    tasks = see(store, store.summaries("task"), CURVE)
    return Report(
        tenant=loop.tenant,
        at=at,
        champion=loop.champion,
        tasks=tuple(_task(store, task) for task in tasks),
        goals=estimated(store, list(tracker.goals.values())),
        cycles=tuple(loop.cycles[-CYCLES:]),
    )


def task_report(tracker: LearningProgressTracker, name: str) -> TaskReport:
    """One task in depth.

    Raises:
        NotFound: nothing was recorded of it; the known ones are named.
    """
    store, source = tracker.store, Source("task", name)
    known = store.summaries("task")
    if source not in known:
        what = f"Nothing was recorded of {name!r}."
        raise NotFound(what, mend="Name a task that was.", options={one.name for one in known})
    return _task(store, *see(store, [source], CURVE))


def estimated(store: Store, goals: Sequence[GoalProgress]) -> tuple[GoalProgress, ...]:
    """The goals, each with when it is expected to be reached."""
    return tuple(goal.estimated(*store.tail(Source("goal", goal.goal_id), TAIL)) for goal in goals)


def _task(store: Store, task: Seen) -> TaskReport:
    source, summary = Source("task", task.name), task.summary
    times, values = store.tail(source, TAIL)
    order = np.argsort(times, kind="stable")  # whoever sets the times may record in any order
    found = trend_of(trend(values[order], times[order]))
    return TaskReport(
        task=task.name,
        events=summary.size,
        average=summary.average,
        best=summary.high,
        worst=summary.low,
        first=summary.first,
        latest=summary.last,
        quantiles=dict(zip(map(str, QUANTILES), store.quantiles([source], QUANTILES), strict=True)),
        learning_rate=summary.rates / summary.size,
        trend=found["trend"],
        confidence=found["confidence"],
        slope=found["improvement_rate"],
        slope_interval=found["improvement_interval"],
        slope_per_hour=found["improvement_rate_per_hour"],
        first_at=moment(summary.first_time),
        last_at=moment(summary.last_time),
        converged=tuple(moment(mark.time) for mark in task.converged),
        changes=tuple(Change(moment(mark.time), int(mark.place), mark.rise) for mark in task.changed),
        curve=tuple(task.scores.tolist()),
    )
