"""Mirroring on a thread: everything goes through; what a sink cannot take harms nobody, and is counted."""

from __future__ import annotations

import logging
import multiprocessing
import os
import subprocess
import sys
import threading
from collections import Counter
from pathlib import Path

import pytest

from onward.core import InvalidInput, ManualClock
from onward.monitoring import LearningProgressTracker
from onward.monitoring.sinks import Sink, SinkStatus
from onward.workspace import Workspace

from .conftest import ODD, Broken, Notebook, Stuck, closing, fill


def test_everything_recorded_goes_through(tracker: LearningProgressTracker) -> None:
    sink = Notebook()
    tracker.add_sink(sink)
    fill(tracker)
    tracker.flush()
    kinds = Counter(one.source.kind for one in sink.measurements)
    assert kinds == {"task": 301, "metric": 3, "goal": 2, "convergence": 1}
    for kind in kinds:
        own = [one._replace(step=None) for one in sink.measurements if one.source.kind == kind]
        stored = [one._replace(step=None) for one in tracker.store.rows(kind, 0, 1_000)]
        assert own == stored
    assert sink.values == {
        "experiment/e/layers": "[64,32]",
        "experiment/e/optimizer/name": "adam",
        "experiment/e/none": "null",
        "goal/g/target": "0.9",
        "goal/g/direction": "maximize",
    }
    assert sink.calls[-1] == "flush"
    (status,) = tracker.sinks
    assert (status.name, status.waiting, status.missed, status.error) == ("Notebook", 0, 0, None)
    assert status.written >= 307
    assert tracker.close_sinks() == (status,)
    assert sink.calls[-1] == "close"
    assert tracker.sinks == ()


def test_what_has_no_step_gets_its_place_among_its_kind(clock: ManualClock) -> None:
    tracker, sink = LearningProgressTracker(clock=clock), Notebook()
    tracker.log_metric("loss", 1.0)
    with closing(tracker):
        tracker.add_sink(sink)
        tracker.log_metric("loss", 2.0)
        tracker.log_metric("loss", 3.0, step=70)
        tracker.log_metric("accuracy", 4.0)
        tracker.flush()
    assert [(one.value, one.step) for one in sink.measurements] == [(2.0, 1), (3.0, 70), (4.0, 3)]


def test_a_sink_that_comes_later_learns_of_experiments_and_goals(tracker: LearningProgressTracker) -> None:
    fill(tracker)
    sink = Notebook()
    tracker.add_sink(sink)
    tracker.flush()
    assert len(sink.values) == 5
    assert sink.measurements == []
    sink.values.clear()
    tracker.configure_experiment("e", {"layers": [64, 32, 16]})
    tracker.configure_experiment("empty", {})
    tracker.flush()
    assert sink.values == {"experiment/e/layers": "[64,32,16]"}


def test_every_sink_gets_everything(clock: ManualClock) -> None:
    tracker, sinks = LearningProgressTracker(clock=clock), [Notebook(), Notebook()]
    with closing(tracker):
        for sink in sinks:
            tracker.add_sink(sink)
        tracker.record_learning_event("a", 0.5, 0.1)
        tracker.flush()
    assert [len(sink.measurements) for sink in sinks] == [1, 1]


def test_many_threads_record_and_none_of_it_is_missed(clock: ManualClock) -> None:
    tracker, sink = LearningProgressTracker(clock=clock), Notebook()

    def record(thread: int) -> None:
        for number in range(500):
            tracker.log_metric(f"m{thread}", number, step=number)

    with closing(tracker):
        tracker.add_sink(sink)
        threads = [threading.Thread(target=record, args=(n,)) for n in range(8)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    for thread in range(8):
        assert [one.step for one in sink.measurements if one.source.name == f"m{thread}"] == list(range(500))


def test_a_sink_that_is_down_is_said_once_and_taken_up_again(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    tracker, sink = LearningProgressTracker(clock=clock), Broken()
    with caplog.at_level(logging.WARNING, "onward"), closing(tracker):
        feed = tracker.add_sink(sink)
        for score in (0.1, 0.2, 0.3):
            tracker.record_learning_event("a", score, 0.1)
            tracker.flush()
        assert (feed.status.missed, feed.status.error) == (3, "ConnectionError: nobody answers")
        sink.down = False
        tracker.record_learning_event("a", 0.4, 0.1)
        tracker.flush()
    assert [one.value for one in sink.measurements] == [0.4]
    assert [event.performance_score for event in tracker.learning_events] == [0.1, 0.2, 0.3, 0.4]
    assert (feed.status.written, feed.status.missed) == (2, 3)  # the configuration, and what came last
    assert len([record for record in caplog.records if "sink misses" in record.message]) == 1


def test_a_sink_that_hangs_holds_nobody_up(clock: ManualClock, caplog: pytest.LogCaptureFixture) -> None:
    tracker, sink = LearningProgressTracker(clock=clock), Stuck()
    with caplog.at_level(logging.WARNING, "onward"):
        feed = tracker.add_sink(sink, capacity=10)
        assert feed.flush(60)
        tracker.log_metric("m", 0.0)
        assert sink.inside.wait(60)
        for number in range(1, 100):
            tracker.log_metric("m", number)
        assert (feed.status.waiting, feed.status.missed) == (10, 90)
        assert feed.status.error == "More than 10 were waiting: it is too slow."
        assert not feed.flush(0.01)
        (status,) = tracker.close_sinks(0.01)
        assert (status.waiting, status.missed, status.error) == (0, 100, "It did not end in time.")
        tracker.log_metric("m", 100)
        assert feed.close(0.0) == status
        sink.let_go.set()
        assert feed.close(60) == status
    assert tracker.get_metric_summary("m")["count"] == 101
    assert [one.value for one in sink.measurements] == [0.0]
    assert sink.calls[-1] == "close"
    assert len([record for record in caplog.records if "sink misses" in record.message]) == 1


def test_what_fails_after_it_was_given_up_is_counted_once(clock: ManualClock) -> None:
    class Both(Stuck):
        def write(self, measurements: object) -> None:
            self.inside.set()
            self.let_go.wait()
            raise ConnectionError("too late")

    tracker, sink = LearningProgressTracker(clock=clock), Both()
    feed = tracker.add_sink(sink)
    tracker.log_metric("m", 0.0)
    assert sink.inside.wait(60)
    assert feed.close(0.01).missed == 1
    sink.let_go.set()
    assert feed.close(60).missed == 1


@pytest.mark.parametrize("method", ["configure", "flush", "close"])
def test_a_sink_may_fail_anywhere(method: str, clock: ManualClock) -> None:
    class Failing(Notebook):
        pass

    def fail(*_: object) -> None:
        raise RuntimeError(method)

    setattr(Failing, method, fail)
    tracker, sink = LearningProgressTracker(clock=clock), Failing()
    tracker.configure_experiment("e", {"a": 1})
    tracker.add_sink(sink)
    tracker.record_learning_event("a", 0.5, 0.1)
    tracker.flush()
    (status,) = tracker.close_sinks(60)
    assert [one.value for one in sink.measurements] == [0.5]
    assert status.error == f"RuntimeError: {method}"
    assert status.missed == (1 if method == "configure" else 0)


def test_a_configuration_that_failed_comes_again(clock: ManualClock) -> None:
    class Failing(Notebook):
        down = True

        def configure(self, values: object) -> None:
            if self.down:
                raise RuntimeError
            super().configure(values)  # type: ignore[arg-type]

    tracker, sink = LearningProgressTracker(clock=clock), Failing()
    with closing(tracker):
        tracker.add_sink(sink)
        tracker.configure_experiment("e", {"a": 1})
        tracker.flush()
        sink.down = False
        tracker.configure_experiment("f", {"b": 2})
        tracker.flush()
    assert sink.values == {"experiment/e/a": "1", "experiment/f/b": "2"}


def test_a_workspace_may_be_closed_before_its_sinks(workspace: Workspace, caplog: pytest.LogCaptureFixture) -> None:
    tracker, sink = workspace.tracker(), Notebook()
    tracker.add_sink(sink)
    tracker.record_learning_event("a", 0.5, 0.1)
    workspace.close()
    with caplog.at_level(logging.WARNING, "onward"):
        tracker.close_sinks(60)
    assert [one.value for one in sink.measurements] == [0.5]
    assert sink.calls[-1] == "close"
    assert any("moments of convergence not mirrored" in record.message for record in caplog.records)


def test_a_feed_without_room_is_refused(clock: ManualClock) -> None:
    with pytest.raises(InvalidInput, match="capacity is 0"):
        LearningProgressTracker(clock=clock).add_sink(Notebook(), capacity=0)


def test_a_sink_that_was_closed_misses_nothing_more(clock: ManualClock) -> None:
    tracker, sink = LearningProgressTracker(clock=clock), Notebook()
    feed = tracker.add_sink(sink)
    status = feed.close(60)
    tracker.log_metric("m", 1.0)
    tracker.flush()
    assert tracker.sinks == (status,)
    assert sink.measurements == []


def test_callbacks_are_called_beside_sinks(clock: ManualClock) -> None:
    tracker, sink, told = LearningProgressTracker(clock=clock), Notebook(), []
    tracker.on("event", told.append)
    with closing(tracker):
        tracker.add_sink(sink)
        tracker.record_learning_events([{"task_type": ODD, "performance_score": 0.5, "learning_rate": 0.1}])
    assert len(told) == len(sink.measurements) == 1


def test_a_sink_is_a_sink() -> None:
    sink: Sink = Notebook()
    assert callable(sink.write)


SCRIPT = """
import sys, pathlib
from onward import LearningProgressTracker
from tests.monitoring.sinks.conftest import Notebook

class File(Notebook):
    def close(self):
        pathlib.Path(sys.argv[1]).write_text(str(len(self.measurements)))

tracker = LearningProgressTracker()
tracker.add_sink(File())
for number in range(1000):
    tracker.log_metric("m", number)
"""


def test_the_end_of_the_process_closes_sinks(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    subprocess.run([sys.executable, "-c", SCRIPT, tmp_path / "out"], check=True, cwd=root, timeout=120)
    assert (tmp_path / "out").read_text() == "1000"


def _in_a_child(tracker: LearningProgressTracker, pipe: object) -> None:
    tracker.log_metric("m", 2.0)
    tracker.flush()
    pipe.send([tracker.get_metric_summary("m")["count"], tracker.close_sinks(0.0)[0].written])  # type: ignore[attr-defined]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="only where processes fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork.*:DeprecationWarning")  # that is what is tested
def test_a_forked_process_mirrors_nothing_and_waits_for_nothing(clock: ManualClock) -> None:
    tracker, sink = LearningProgressTracker(clock=clock), Notebook()
    with closing(tracker):
        tracker.add_sink(sink)
        tracker.log_metric("m", 1.0)
        tracker.flush()
        context = multiprocessing.get_context("fork")
        mine, theirs = context.Pipe()
        child = context.Process(target=_in_a_child, args=(tracker, theirs))
        child.start()
        assert mine.poll(60)
        assert mine.recv() == [2, 2]
        child.join(60)
        assert not child.is_alive()
        tracker.log_metric("m", 3.0)
    assert [one.value for one in sink.measurements] == [1.0, 3.0]


def test_a_closed_feed_leaves_no_thread(clock: ManualClock) -> None:
    def threads() -> int:
        return sum(one.name == "onward-sink" for one in threading.enumerate())

    before, tracker = threads(), LearningProgressTracker(clock=clock)
    tracker.add_sink(Notebook())
    assert threads() == before + 1
    (status,) = tracker.close_sinks(60)
    assert threads() == before
    assert status == SinkStatus("Notebook", 0, 1, 0, None)
