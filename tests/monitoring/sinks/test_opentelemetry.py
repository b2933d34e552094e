"""What a reader of the OpenTelemetry SDK collects."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from onward.core import ManualClock, MissingExtra
from onward.monitoring import LearningProgressTracker
from onward.monitoring.sinks import observe

from .conftest import ODD, fill


@pytest.fixture
def reader() -> InMemoryMetricReader:
    return InMemoryMetricReader()


@pytest.fixture
def provider(reader: InMemoryMetricReader) -> Iterator[MeterProvider]:
    made = MeterProvider([reader])
    yield made
    made.shutdown()


def collected(reader: InMemoryMetricReader) -> dict[str, dict[frozenset[tuple[str, Any]], float]]:
    data = reader.get_metrics_data()
    found: dict[str, dict[frozenset[tuple[str, Any]], float]] = {}
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            assert scope.scope.name == "onward"
            for metric in scope.metrics:
                points = {frozenset((one.attributes or {}).items()): one.value for one in metric.data.data_points}  # type: ignore[union-attr]
                found[metric.name] = points
    return found


def test_a_reader_collects_what_was_recorded(
    tracker: LearningProgressTracker, reader: InMemoryMetricReader, provider: MeterProvider
) -> None:
    observe(tracker, provider)
    assert not any(collected(reader).values())
    fill(tracker)
    found = collected(reader)
    a, odd = frozenset({("task", "a")}), frozenset({("task", ODD)})
    assert found["onward.performance_score.count"] == {a: 300, odd: 1}
    assert found["onward.performance_score.sum"][odd] == 0.25
    assert found["onward.performance_score.quantile"][odd | {("quantile", "0.5")}] == pytest.approx(0.25, rel=0.005)
    assert found["onward.performance_score_last"][odd] == 0.25
    assert found["onward.convergences"] == {a: 1}
    assert found["onward.goal_completed"] == {frozenset({("goal", "g"), ("direction", "maximize")}): 1}
    loss = frozenset({("name", "loss"), ("task", "t"), ("client", "c")})
    assert found["onward.metric_last"][loss] == -2.5
    tracker.log_metric("loss", -7.5, task_id="t", client_id="c")
    again = collected(reader)
    assert again["onward.metric.sum"][loss] == -10.0
    assert again["onward.metric.count"][loss] == 2


def test_the_store_will_do_and_the_global_provider(clock: ManualClock) -> None:
    tracker = LearningProgressTracker(clock=clock)
    assert observe(tracker.store).name == "onward"


def test_without_opentelemetry_it_says_what_to_install(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.metrics", None)
    with pytest.raises(MissingExtra, match=r"pip install 'onward\[opentelemetry\]'"):
        observe(LearningProgressTracker(clock=clock))
