"""What is stored goes to a sink, page by page, and on from there the next time."""

from __future__ import annotations

from pathlib import Path

import pytest

import onward
from onward.core import InvalidInput, ManualClock
from onward.monitoring import LearningProgressTracker
from onward.monitoring.sinks import Mirrored, Position, _mirror, mirror

from .conftest import Broken, Notebook, fill


def test_all_that_is_stored_is_mirrored_once(tracker: LearningProgressTracker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_mirror, "AT_ONCE", 7)
    fill(tracker)
    sink = Notebook()
    done = mirror(tracker, sink)
    assert done == Mirrored(Position(task=301, metric=3, goal=2, convergence=1), written=307, gone=0)
    assert len(sink.values) == 5
    assert {one.source.kind for one in sink.measurements} == {"task", "metric", "goal", "convergence"}
    assert [one.step for one in sink.measurements if one.source.kind == "metric"] == [0, 5, 2]
    assert len(sink.measurements) == 307
    again = mirror(tracker.store, sink, since=done.position)
    assert again == Mirrored(done.position, written=0, gone=0)
    tracker.log_metric("loss", 9.0)
    assert mirror(tracker, sink, since=done.position).written == 1
    assert (sink.measurements[-1].value, sink.measurements[-1].step) == (9.0, 3)
    assert "close" not in sink.calls


def test_a_name_keeps_its_position_also_for_other_processes(tmp_path: Path) -> None:
    sink = Notebook()
    for value in (1.0, 2.0):
        with onward.open(tmp_path / "ws") as workspace:
            workspace.tracker().log_metric("loss", value)
            assert mirror(workspace.tracker(), sink, name="nightly").written == 1
            assert mirror(workspace.tracker(), sink, name="nightly").written == 0
    assert [(one.value, one.step) for one in sink.measurements] == [(1.0, 0), (2.0, 1)]
    with onward.open(tmp_path / "ws") as workspace:
        assert mirror(workspace.tracker(), sink, name="other").written == 2
        assert mirror(workspace.tracker(tenant="acme"), sink, name="nightly").written == 0


def test_a_run_that_was_cut_off_repeats_no_page_that_went_through(
    tracker: LearningProgressTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_mirror, "AT_ONCE", 10)

    class Flaky(Broken):
        def write(self, measurements: object) -> None:
            self.down = len(self.measurements) == 30 and "failed" not in self.calls
            if self.down:
                self.calls.append("failed")
            super().write(measurements)  # type: ignore[arg-type]

    for number in range(55):
        tracker.log_metric("m", number, timestamp=0.0)
    sink = Flaky()
    with pytest.raises(ConnectionError):
        mirror(tracker, sink, name="n")
    assert len(sink.measurements) == 30
    assert mirror(tracker, sink, name="n").written == 25
    assert [one.value for one in sink.measurements] == list(map(float, range(55)))


def test_what_a_tracker_in_memory_dropped_is_said(clock: ManualClock) -> None:
    tracker, sink = LearningProgressTracker(100, clock=clock), Notebook()
    for number in range(150):
        tracker.log_metric("m", number)
    done = mirror(tracker, sink)
    assert (done.written, done.gone, done.position.metric) == (100, 50, 150)
    assert [one.step for one in sink.measurements] == list(range(50, 150))
    for number in range(150, 220):
        tracker.log_metric("m", number)
    done = mirror(tracker, sink, since=done.position)
    assert (done.written, done.gone) == (70, 0)
    assert [one.value for one in sink.measurements] == list(map(float, range(50, 220)))


def test_a_position_ahead_of_the_store_mirrors_nothing(tracker: LearningProgressTracker) -> None:
    tracker.log_metric("m", 1.0)
    assert mirror(tracker, Notebook(), since=Position(metric=10)) == Mirrored(Position(metric=10), 0, 0)


def test_what_cannot_be_is_refused(clock: ManualClock) -> None:
    tracker = LearningProgressTracker(clock=clock)
    with pytest.raises(InvalidInput, match="Both"):
        mirror(tracker, Notebook(), since=Position(), name="n")
    with pytest.raises(InvalidInput, match="name is ' '"):
        mirror(tracker, Notebook(), name=" ")
    with pytest.raises(InvalidInput, match="below 0"):
        Position(goal=-1)
