"""What prometheus_client's own parser reads, and what its registries collect."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from onward.core import ManualClock, MissingExtra
from onward.monitoring import LearningProgressTracker
from onward.monitoring.sinks import CONTENT_TYPE, PrometheusCollector, prometheus_text

from .conftest import ODD, fill

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def parsed(text: str) -> Samples:
    """Every sample by name and labels; none comes twice."""
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        assert family.type in {"gauge", "counter", "summary"}, family
        assert family.documentation
        for sample in family.samples:
            key = sample.name, frozenset(sample.labels.items())
            assert key not in found
            found[key] = sample.value
    return found


def key(name: str, /, **labels: str) -> tuple[str, frozenset[tuple[str, str]]]:
    return name, frozenset(labels.items())


def test_all_figures_are_there(tracker: LearningProgressTracker) -> None:
    fill(tracker)
    found = parsed(prometheus_text(tracker))
    scores = [event.performance_score for event in tracker.learning_events if event.task_type == "a"]
    assert found[key("onward_performance_score_count", task="a")] == 300
    assert found[key("onward_performance_score_sum", task="a")] == pytest.approx(sum(scores))
    assert found[key("onward_performance_score", task="a", quantile="0.5")] == pytest.approx(0.8, rel=0.01)
    assert found[key("onward_performance_score", task="a", quantile="0.99")] <= max(scores)
    assert found[key("onward_performance_score_last", task="a")] == scores[-1]
    assert found[key("onward_performance_score_min", task="a")] == min(scores)
    assert found[key("onward_performance_score_max", task="a")] == max(scores)
    assert found[key("onward_learning_rate_mean", task="a")] == pytest.approx(0.01)
    assert found[key("onward_convergence_metric_mean", task="a")] == 0.5
    assert found[key("onward_learning_event_last_timestamp_seconds", task="a")] == 299.0
    assert found[key("onward_convergences_total", task="a")] == 1
    assert found[key("onward_convergence_last_timestamp_seconds", task="a")] > 0
    assert found[key("onward_performance_score_last", task=ODD)] == 0.25
    assert found[key("onward_metric_sum", name="loss", task="t", client="c")] == -2.5
    assert found[key("onward_metric_last", name="loss", task="", client="")] == 1e90
    assert found[key("onward_metric_count", name=ODD, task=ODD, client="")] == 1
    assert found[key("onward_goal_target", goal="g", direction="maximize")] == 0.9
    assert found[key("onward_goal_performance", goal="g", direction="maximize")] == 0.95
    assert found[key("onward_goal_completion_ratio", goal="g", direction="maximize")] == 1.0
    assert found[key("onward_goal_completed", goal="g", direction="maximize")] == 1.0
    assert parsed(prometheus_text(tracker.store)) == found


def test_a_registry_collects_the_same(tracker: LearningProgressTracker) -> None:
    fill(tracker)
    registry = CollectorRegistry(auto_describe=True)
    registry.register(PrometheusCollector(tracker))
    assert parsed(generate_latest(registry).decode()) == parsed(prometheus_text(tracker))
    tracker.log_metric("later", 1.0)
    labels = {"name": "later", "task": "", "client": ""}
    assert registry.get_sample_value("onward_metric_last", labels) == 1.0


def test_nothing_recorded_is_nothing_told(clock: ManualClock) -> None:
    tracker = LearningProgressTracker(clock=clock)
    assert prometheus_text(tracker) == ""
    assert list(PrometheusCollector(tracker).collect()) == []
    tracker.create_goal("g", target_performance=0.5, direction="minimize")
    found = parsed(prometheus_text(tracker))
    assert found[key("onward_goal_completed", goal="g", direction="minimize")] == 0
    assert not any(name == "onward_goal_performance" for name, _ in found)
    assert CONTENT_TYPE.startswith("text/plain; version=0.0.4")


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=30).filter(
    str.strip
)


@settings(max_examples=50, deadline=None)
@given(events=st.dictionaries(names, st.floats(0, 1), max_size=4), values=st.dictionaries(names, st.floats(-1e9, 1e9)))
def test_any_name_comes_back(events: dict[str, float], values: dict[str, float]) -> None:
    tracker = LearningProgressTracker()
    for name, score in events.items():
        tracker.record_learning_event(name, score, 0.1)
    for name, value in values.items():
        tracker.log_metric(name, value, client_id=name)
    found = parsed(prometheus_text(tracker))
    for name, score in events.items():
        assert found[key("onward_performance_score_last", task=name)] == score
    for name, value in values.items():
        assert found[key("onward_metric_last", name=name, task="", client=name)] == value


def test_without_prometheus_client_it_says_what_to_install(clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client.core", None)
    tracker = LearningProgressTracker(clock=clock)
    assert prometheus_text(tracker) == ""
    with pytest.raises(MissingExtra, match=r"pip install 'onward\[prometheus\]'"):
        PrometheusCollector(tracker)
