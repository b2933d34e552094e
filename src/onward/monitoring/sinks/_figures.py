"""What a store adds up to, as named figures with labels: what Prometheus and OpenTelemetry both take."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from math import isnan
from typing import Final, Literal, NamedTuple

from onward.monitoring.tracker import GoalProgress, LearningProgressTracker, Source, Store
from onward.monitoring.tracker._goals import goal_of
from onward.monitoring.tracker._records import Kind
from onward.monitoring.tracker._summary import Summary

QUANTILES: Final = (0.5, 0.9, 0.95, 0.99)
Labels = Mapping[str, str]


class Sample(NamedTuple):
    """One number: `part` is "" for a plain value, "sum", "count", or "quantile", which is among the labels then."""

    labels: Labels
    value: float
    part: Literal["", "sum", "count", "quantile"] = ""


class Reading:
    """A store as it is now; each kind is asked for once."""

    def __init__(self, source: LearningProgressTracker | Store) -> None:
        self.store: Store = source.store if isinstance(source, LearningProgressTracker) else source
        self._summaries: dict[Kind, dict[Source, Summary]] = {}

    def of(self, kind: Kind) -> Iterator[tuple[Source, Labels, Summary]]:
        """Every series of a kind, with its labels."""
        if kind not in self._summaries:
            self._summaries[kind] = self.store.summaries(kind)
        for source, summary in self._summaries[kind].items():
            yield source, _labels(source), summary

    @cached_property
    def goals(self) -> list[GoalProgress]:
        """Every goal."""
        return [goal_of(body) for body in self.store.notes("goal").values()]


def _labels(source: Source) -> Labels:
    if source.kind == "metric":
        return {"name": source.name, "task": source.task, "client": source.client}
    return {"task": source.name}


class Figure(NamedTuple):
    """A figure: its name, what it is, what it says, and how it is read."""

    name: str
    kind: Literal["gauge", "counter", "summary"]
    said: str
    read: Callable[[Reading], Iterator[Sample]]

    def samples(self, reading: Reading) -> Iterator[Sample]:
        """Its numbers as they are now, none of which is NaN."""
        return (sample for sample in self.read(reading) if not isnan(sample.value))


def _summary(kind: Kind) -> Callable[[Reading], Iterator[Sample]]:
    def read(reading: Reading) -> Iterator[Sample]:
        for source, labels, summary in reading.of(kind):
            for wanted, value in zip(QUANTILES, reading.store.quantiles([source], QUANTILES), strict=True):
                yield Sample({**labels, "quantile": f"{wanted:g}"}, value, "quantile")
            yield Sample(labels, summary.total, "sum")
            yield Sample(labels, summary.size, "count")

    return read


def _each(kind: Kind, value: Callable[[Summary], float]) -> Callable[[Reading], Iterator[Sample]]:
    def read(reading: Reading) -> Iterator[Sample]:
        return (Sample(labels, float(value(summary))) for _, labels, summary in reading.of(kind))

    return read


def _goals(value: Callable[[GoalProgress], float | None]) -> Callable[[Reading], Iterator[Sample]]:
    def read(reading: Reading) -> Iterator[Sample]:
        for goal in reading.goals:
            found = value(goal)
            if found is not None:
                yield Sample({"goal": goal.goal_id, "direction": goal.direction}, float(found))

    return read


FIGURES: Final = (
    Figure("onward_performance_score", "summary", "Scores of learning events, 0 to 1.", _summary("task")),
    Figure("onward_performance_score_last", "gauge", "The newest score.", _each("task", lambda one: one.last)),
    Figure("onward_performance_score_min", "gauge", "The lowest score.", _each("task", lambda one: one.low)),
    Figure("onward_performance_score_max", "gauge", "The highest score.", _each("task", lambda one: one.high)),
    Figure(
        "onward_learning_rate_mean", "gauge", "Mean learning rate.", _each("task", lambda one: one.rates / one.size)
    ),
    Figure(
        "onward_convergence_metric_mean",
        "gauge",
        "Mean convergence metric, lower is closer.",
        _each("task", lambda one: one.convergences / one.size),
    ),
    Figure(
        "onward_learning_event_last_timestamp_seconds",
        "gauge",
        "When the newest event happened.",
        _each("task", lambda one: one.last_time),
    ),
    Figure(
        "onward_convergences",
        "counter",
        "How often a task converged.",
        _each("convergence", lambda one: one.size),
    ),
    Figure(
        "onward_convergence_last_timestamp_seconds",
        "gauge",
        "When a task last converged.",
        _each("convergence", lambda one: one.last_time),
    ),
    Figure("onward_metric", "summary", "Values of a metric.", _summary("metric")),
    Figure("onward_metric_last", "gauge", "The newest value.", _each("metric", lambda one: one.last)),
    Figure("onward_metric_min", "gauge", "The lowest value.", _each("metric", lambda one: one.low)),
    Figure("onward_metric_max", "gauge", "The highest value.", _each("metric", lambda one: one.high)),
    Figure(
        "onward_metric_last_timestamp_seconds",
        "gauge",
        "When the newest value was logged.",
        _each("metric", lambda one: one.last_time),
    ),
    Figure("onward_goal_target", "gauge", "What is to be reached.", _goals(lambda goal: goal.target_performance)),
    Figure("onward_goal_performance", "gauge", "What is reached.", _goals(lambda goal: goal.current_performance)),
    Figure(
        "onward_goal_completion_ratio",
        "gauge",
        "How far it is, 0 to 1.",
        _goals(lambda goal: goal.completion_percentage / 100),
    ),
    Figure("onward_goal_completed", "gauge", "1 once it was reached.", _goals(lambda goal: goal.is_completed)),
)
