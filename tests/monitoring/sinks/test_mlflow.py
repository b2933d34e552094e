"""What MLflow's own client reads back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from onward.core import ManualClock, MissingExtra, Unavailable
from onward.monitoring import LearningProgressTracker
from onward.monitoring.sinks import MLflowSink, mirror
from onward.monitoring.tracker import Measurement, Source

from .conftest import ODD, closing, fill

pytestmark = [
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy"),  # MLflow's own SQLAlchemy models
    pytest.mark.filterwarnings("ignore:unclosed database:ResourceWarning"),  # MLflow keeps its engines open
]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with MLflow's tables, which take seconds to make."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def client(uri: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def history(client: Any, run: str, name: str) -> list[tuple[float, int, int]]:
    return [(one.value, one.step, one.timestamp) for one in client.get_metric_history(run, name)]


def test_everything_is_in_one_run(uri: str, client: Any, clock: ManualClock) -> None:
    tracker = LearningProgressTracker(clock=clock)
    sink = MLflowSink(uri, experiment="everything", run=ODD)
    with closing(tracker):
        tracker.add_sink(sink)
        fill(tracker)
        tracker.flush()
        assert tracker.sinks[0].missed == 0, tracker.sinks
        assert client.get_run(sink.run_id).info.status == "RUNNING"
    run = client.get_run(sink.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", ODD)
    assert len(client.search_runs([run.info.experiment_id])) == 1
    scores = history(client, sink.run_id, "task/a/score")
    assert len(scores) == 300
    events = tracker.learning_events
    assert sorted(scores, key=lambda one: one[1]) == [
        (event.performance_score, event.episode_count, round(event.timestamp * 1000)) for event in events[:300]
    ]
    assert history(client, sink.run_id, "metric/loss") == [(1e90, 5, 2000)]
    assert history(client, sink.run_id, "metric/loss/task/t/client/c") == [(-2.5, 0, 1000)]
    assert [one[:2] for one in history(client, sink.run_id, "goal/g/performance")] == [(0.45, 0), (0.95, 1)]
    assert len(history(client, sink.run_id, "task/a/converged")) == 1
    assert len(run.data.metrics) == 3 + 3 + 1 + 1 + 1 + 1 + 1  # a, the odd one, converged, three metrics, the goal
    assert run.data.params["experiment/e/layers"] == "[64,32]"
    assert run.data.params["goal/g/target"] == "0.9"


def test_a_run_goes_on_where_it_ended(uri: str, client: Any, clock: ManualClock) -> None:
    tracker, runs = LearningProgressTracker(clock=clock), []
    for value in (1.0, 2.0):
        tracker.log_metric("loss", value)
        sink = MLflowSink(uri, experiment="again", run="it's `mine`", resume=True)
        mirror(tracker, sink)
        runs.append(sink.run_id)
        sink.close()
    assert runs[0] == runs[1]
    found = {one[:2] for one in history(client, runs[0], "metric/loss")}
    assert found == {(1.0, 0), (2.0, 1)}
    assert client.get_run(runs[0]).info.status == "FINISHED"
    fresh = MLflowSink(uri, experiment="again", run="it's `mine`")
    assert fresh.run_id != runs[0]
    fresh.close()


def test_what_changes_becomes_a_tag(uri: str, client: Any) -> None:
    sink = MLflowSink(uri, experiment="params")
    sink.configure({"a": "1", "b": "x" * 7_000, **{f"p{n}": str(n) for n in range(250)}})
    sink.configure({"a": "2", "c": ""})
    sink.configure({"a": "2"})
    run = client.get_run(sink.run_id)
    assert run.data.params["a"] == "1"
    assert run.data.tags["a"] == "2"
    assert run.data.params["b"] == "x" * 6_000
    assert len(run.data.params) == 253
    sink.close()


def test_more_than_a_request_holds(uri: str, client: Any) -> None:
    sink = MLflowSink(uri, experiment="many")
    sink.write([Measurement(Source("metric", "m"), 0.0, float(n), n) for n in range(2_345)])
    sink.write([])
    assert sorted(one[0] for one in history(client, sink.run_id, "metric/m")) == list(map(float, range(2_345)))
    sink.flush()
    sink.close()


def test_a_server_that_is_down_is_told_and_holds_nobody_up(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    sink = MLflowSink("http://me:hidden@127.0.0.1:9")
    with pytest.raises(Unavailable, match="did not take it") as told:
        _ = sink.run_id
    assert "hidden" not in str(told.value)
    tracker = LearningProgressTracker(clock=clock)
    with closing(tracker):
        feed = tracker.add_sink(sink)
        tracker.log_metric("m", 1.0)
    assert feed.status.missed == 1
    assert "did not take it" in str(feed.status.error)


def test_without_mlflow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(MissingExtra, match=r"pip install 'onward\[mlflow\]'"):
        MLflowSink("sqlite://")
