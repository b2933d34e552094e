"""What was recorded, put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from typing import Any, Final

from onward.monitoring.statistics import Trend, trend

from ._goals import GoalProgress
from ._records import Source
from ._store import TAIL, Store
from ._summary import Summary

RECENT: Final = 100
HOUR: Final = 3600.0
SAID: Final[Mapping[str, str]] = {
    "rising": "improving",
    "falling": "declining",
    "flat": "stable",
    "unknown": "insufficient_data",
}


def trend_of(found: Trend) -> dict[str, Any]:
    """A trend as `get_performance_trend` says it."""
    return {
        "trend": SAID[found.direction],
        "confidence": found.confidence,
        "recent_avg": found.recent_average,
        "improvement_rate": found.slope,
        "improvement_interval": found.slope_interval,
        "improvement_rate_per_hour": found.slope_per_hour,
    }


def goal_summary(store: Store, goals: Sequence[GoalProgress]) -> dict[str, Any]:
    """How the goals stand, with when each is reached."""
    estimated = [goal.estimated(*store.tail(Source("goal", goal.goal_id), TAIL)) for goal in goals]
    done = sum(goal.is_completed for goal in goals)
    return {
        "total_goals": len(goals),
        "completed_goals": done,
        "active_goals": len(goals) - done,
        "completion_rate": done / len(goals) if goals else 0.0,
        "average_completion": sum(goal.completion_percentage for goal in goals) / len(goals) if goals else 0.0,
        "goals": {goal.goal_id: goal.to_dict() for goal in estimated},
    }


def convergence_analysis(store: Store) -> dict[str, Any]:
    """How often which task converged."""
    moments, tasks = store.summaries("convergence"), store.summaries("task")
    total = sum(one.size for one in moments.values())
    hours = _hours(list(tasks.values()))
    return {
        "total_convergences": total,
        "convergence_rate": total / hours if hours else 0.0,
        "task_statistics": {
            source.name: {
                "count": one.size,
                "avg_convergence_metric": one.average,
                "last_time": one.last_time,
            }
            for source, one in moments.items()
        },
    }


def _hours(summaries: Sequence[Summary]) -> float:
    if not summaries:
        return 0.0
    first, last = min(one.first_time for one in summaries), max(one.last_time for one in summaries)
    return max(0.0, last - first) / HOUR


def learning_report(store: Store, goals: Sequence[GoalProgress]) -> dict[str, Any]:
    """All of it."""
    tasks = store.summaries("task")
    analysis = {source.name: _task(store, source, summary) for source, summary in tasks.items()}
    whole = reduce(Summary.plus, tasks.values()) if tasks else None
    total, hours = whole.size if whole else 0, _hours(list(tasks.values()))
    performance = {
        "average": whole.average if whole else None,
        "best": whole.high if whole else None,
        "worst": whole.low if whole else None,
        "median": store.quantiles(list(tasks), [0.5])[0] if whole else None,
    }
    dynamics = {
        "average_learning_rate": whole.rates / total if whole else None,
        "average_convergence_metric": whole.convergences / total if whole else None,
        "events_per_hour": total / hours if hours else None,
    }
    return {
        "total_learning_events": total,
        "overall_performance": performance,
        "learning_dynamics": dynamics,
        "task_analysis": analysis,
        "goals": goal_summary(store, goals),
        "convergence": convergence_analysis(store),
    }


def _task(store: Store, source: Source, summary: Summary) -> dict[str, Any]:
    times, values = store.tail(source, TAIL)
    found = trend_of(trend(values, times))
    return {
        "event_count": summary.size,
        "avg_performance": summary.average,
        "best_performance": summary.high,
        "worst_performance": summary.low,
        "first_score": summary.first,
        "latest_score": summary.last,
        "first_time": summary.first_time,
        "latest_time": summary.last_time,
        "average_learning_rate": summary.rates / summary.size,
        "performance_trend": found.pop("trend"),
        **found,
    }


def real_time_metrics(store: Store, goals: Sequence[GoalProgress]) -> dict[str, Any]:
    """How learning stands right now."""
    total = sum(one.size for one in store.summaries("task").values())
    newest = store.newest("task", RECENT)
    last = newest[-1] if newest else None
    return {
        "current_performance": last.value if last else None,
        "current_learning_rate": last.rate if last else None,
        "recent_avg_performance": sum(one.value for one in newest) / len(newest) if newest else None,
        "performance_trend": _direction(store, last.source) if last else SAID["unknown"],
        "active_goals_count": sum(not goal.is_completed for goal in goals),
        "total_learning_events": total,
    }


def _direction(store: Store, source: Source) -> str:
    times, values = store.tail(source, TAIL)
    return SAID[trend(values, times).direction]
