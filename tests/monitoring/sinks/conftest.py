"""Trackers with everything in them, and sinks that note what they are given."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import pytest

from onward.core import ManualClock
from onward.monitoring import LearningProgressTracker
from onward.monitoring.tracker import Measurement
from onward.workspace import Workspace

ODD = 'odd name/"é"\\\n..'


class Notebook:
    """A sink of a user's own: three lists."""

    def __init__(self) -> None:
        self.measurements: list[Measurement] = []
        self.values: dict[str, str] = {}
        self.calls: list[str] = []

    def write(self, measurements: Sequence[Measurement]) -> None:
        self.calls.append("write")
        self.measurements.extend(measurements)

    def configure(self, values: Mapping[str, str]) -> None:
        self.calls.append("configure")
        self.values.update(values)

    def flush(self) -> None:
        self.calls.append("flush")

    def close(self) -> None:
        self.calls.append("close")


class Broken(Notebook):
    """One that is down as long as it is told so."""

    def __init__(self) -> None:
        super().__init__()
        self.down = True

    def write(self, measurements: Sequence[Measurement]) -> None:
        if self.down:
            raise ConnectionError("nobody answers")
        super().write(measurements)

    configure = Notebook.configure


class Stuck(Notebook):
    """One that does not come back before it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.let_go = threading.Event()
        self.inside = threading.Event()

    def write(self, measurements: Sequence[Measurement]) -> None:
        self.inside.set()
        self.let_go.wait()
        super().write(measurements)


@contextmanager
def closing(tracker: LearningProgressTracker) -> Iterator[None]:
    """Leave no thread behind."""
    try:
        yield
    finally:
        tracker.close_sinks(60)


@pytest.fixture(params=["in memory", "in a workspace", "buffered"])
def tracker(request: pytest.FixtureRequest, clock: ManualClock) -> Iterator[LearningProgressTracker]:
    if request.param == "in memory":
        made = LearningProgressTracker(clock=clock)
    else:
        workspace: Workspace = request.getfixturevalue("workspace")
        made = LearningProgressTracker(workspace=workspace, durable=request.param != "buffered")
    with closing(made):
        yield made


def fill(tracker: LearningProgressTracker) -> None:
    """Record everything there is, odd names among it; the task `a` converges."""
    tracker.configure_experiment("e", {"layers": [64, 32], "optimizer": {"name": "adam"}, "none": None})
    tracker.create_goal("g", target_performance=0.9)
    noise = np.random.default_rng(1).normal(0, 0.001, 300)
    tracker.record_learning_events(
        {
            "task_type": "a",
            "performance_score": 0.8 + noise,
            "learning_rate": 0.01,
            "episode_count": range(300),
            "convergence_metric": 0.5,
            "timestamp": [float(n) for n in range(300)],
        }
    )
    tracker.record_learning_event(ODD, 0.25, 0.5, 7, timestamp=10.5)
    tracker.log_metric("loss", -2.5, task_id="t", client_id="c", timestamp=1.0)
    tracker.log_metric("loss", 1e90, timestamp=2.0, step=5)
    tracker.log_metric(ODD, 3.0, task_id=ODD)
    tracker.update_goal_progress("g", 0.45)
    tracker.update_goal_progress("g", 0.95)
