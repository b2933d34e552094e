"""A whole training: what it says of itself, what it keeps, and how it stops."""

from __future__ import annotations

import json
import math
import signal
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from onward import LearningProgressTracker
from onward.core import InvalidInput, NotFound
from onward.learners.meta import MAML, MetaLearner, MetaLearningTask
from onward.learners.meta._standing import Standing
from onward.learners.meta._watch import Recorder
from onward.learners.meta.tasks import GaussianBlobs, Sinusoid


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 2))


def blobs(seed: int = 1) -> GaussianBlobs:
    return GaussianBlobs(ways=2, shots=3, seed=seed)


def learner(**settings: Any) -> MetaLearner:
    return MetaLearner(net(), MAML(inner_steps=2, inner_rate=0.3), **({"outer_rate": 0.01} | settings))


def regressor(**settings: Any) -> MetaLearner:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    return MetaLearner(body, MAML(inner_steps=1, inner_rate=0.01), loss="mse", **settings)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


# What it says ------------------------------------------------------------------------------------------------------


def test_learns_and_says_how() -> None:
    made = learner()
    report = made.fit(blobs(), steps=60, batch_size=8, validation=blobs(9), validate_every=20, validation_tasks=50)
    assert (report.steps, report.stopped, made.step) == (60, "steps", 60)
    assert [row["step"] for row in report.history] == [20, 40, 60]
    losses = [row["meta_loss"] for row in report.history]
    assert losses[-1] < losses[0]
    best = max(report.history, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))
    assert (report.best_step, report.validation_accuracy) == (best["step"], best["validation_accuracy"])
    assert report.validation_loss == best["validation_loss"]
    assert report.engine == made.engine
    assert 0 < report.tasks_per_second < 1e7
    assert report.seconds > 0
    assert json.loads(json.dumps(report.to_dict()))["history"] == [dict(row) for row in report.history]


def test_rows_are_the_means_of_their_steps() -> None:
    single, made, tasks = learner(), learner(), blobs()
    steps = [single.meta_train_step(tasks.sample_batch(4)) for _ in range(5)]
    report = made.fit(blobs(), steps=5, batch_size=4, validate_every=3)
    assert [row["step"] for row in report.history] == [3, 5]
    for row, part in zip(report.history, (steps[:3], steps[3:]), strict=True):
        for name, value in part[0].items():
            assert row[name] == pytest.approx(sum(step[name] for step in part) / len(part)), (name, value)
    assert same(single.meta_parameters(), made.meta_parameters())


def test_validation_is_what_evaluating_gives() -> None:
    made = learner()
    report = made.fit(blobs(), steps=4, batch_size=4, validation=blobs(9), validate_every=4, validation_tasks=7)
    found = made.evaluate_tasks(blobs(9).sample_batch(7))
    assert report.validation_loss == pytest.approx(sum(found["loss"]) / 7)
    assert report.validation_accuracy == pytest.approx(sum(found["accuracy"]) / 7)


def test_without_validation_the_last_parameters_stay() -> None:
    report = learner().fit(blobs(), steps=3, batch_size=2)
    assert (report.best_step, report.validation_loss, report.validation_accuracy) == (None, None, None)
    assert "validation_loss" not in report.history[0]


def test_no_steps_are_no_training() -> None:
    made = learner()
    report = made.fit(blobs(), steps=0)
    assert (report.steps, report.history, report.tasks_per_second, report.engine) == (0, (), 0.0, None)
    assert same(made.meta_parameters(), learner().meta_parameters())


# What it keeps -----------------------------------------------------------------------------------------------------


def ruined(step: int) -> float:
    """A schedule that destroys what was learned from step 6 on."""
    return 1.0 if step < 6 else 1e4


def test_the_best_parameters_are_kept() -> None:
    settings: dict[str, Any] = {"batch_size": 4, "validation": blobs(9), "validate_every": 3, "validation_tasks": 40}
    made, until = learner(outer_schedule=ruined), learner()
    report = made.fit(blobs(), steps=12, **settings)
    until.fit(blobs(), steps=int(report.best_step or 0), batch_size=4)
    assert report.best_step in {3, 6}
    assert same(made.meta_parameters(), until.meta_parameters())


def test_real_targets_are_judged_by_their_loss() -> None:
    made = regressor()
    fixed = list(Sinusoid(seed=5).sample_batch(4)) + list(Sinusoid(3, 6, seed=5).sample_batch(3))
    report = made.fit(Sinusoid(), steps=6, batch_size=4, validation=fixed, validate_every=2)
    losses = {row["step"]: row["validation_loss"] for row in report.history}
    assert report.validation_accuracy is None
    assert report.best_step == min(losses, key=lambda step: losses[step])
    found = made.evaluate_tasks(fixed)["loss"]
    assert report.validation_loss == pytest.approx(sum(found) / 7)


class Empty:
    """A stream that has run dry."""

    def sample_batch(self, batch_size: int) -> list[MetaLearningTask]:
        return []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"distribution": Empty()}, "There are no tasks"),
        ({"distribution": blobs().sample_batch(2)}, "TaskBatch is no task distribution"),
        ({"distribution": []}, "list is no task distribution"),
        ({"distribution": GaussianBlobs}, "type is no task distribution"),
        ({"validation": 5}, "int is no task distribution"),
        ({"validation": Empty()}, "Empty was asked for 200 tasks, and gave none"),
    ],
)
def test_what_samples_no_tasks_is_refused(settings: dict[str, Any], why: str) -> None:
    made = learner()
    with pytest.raises(InvalidInput, match=why):
        made.fit(**({"distribution": blobs(), "steps": 1} | settings))
    assert made.step == 0


def test_a_validation_that_is_no_number_is_never_the_best() -> None:
    made = regressor(outer_schedule=lambda step: 1.0 if step < 2 else 1e30, diverged="skip")
    with pytest.raises(InvalidInput, match="Every task of the step diverged"):
        made.fit(Sinusoid(), steps=9, batch_size=2)
    made = regressor(outer_schedule=lambda step: 1.0 if step < 2 else 1e38)
    report = made.fit(Sinusoid(), steps=3, batch_size=2, validation=Sinusoid(seed=3), validate_every=1)
    assert report.history[-1]["validation_loss"] != report.history[-1]["validation_loss"]
    assert report.best_step in {1, 2}


# How it stops ------------------------------------------------------------------------------------------------------


def test_patience_stops_it() -> None:
    made = learner(outer_schedule=ruined)
    report = made.fit(blobs(), steps=500, batch_size=4, validation=blobs(9), validate_every=3, patience=2)
    assert report.stopped == "patience"
    assert report.steps == int(report.best_step or 0) + 6


def test_patience_begins_anew_with_every_better_one() -> None:
    standing, since = Standing(), []
    for loss in (3.0, 4.0, 5.0, 2.0, 2.0, math.nan, 1.0):
        standing.judge({"step": 1.0, "validation_loss": loss}, {})
        since.append(standing.since_best)
    assert since == [0, 1, 2, 0, 1, 2, 0]


def test_a_budget_stops_it() -> None:
    report = learner().fit(blobs(), steps=10**9, batch_size=2, budget=0.5)
    assert report.stopped == "budget"
    assert 0.4 < report.seconds < 20
    assert report.history


def interrupt() -> float:
    raise KeyboardInterrupt


@pytest.mark.parametrize("press", [lambda: signal.raise_signal(signal.SIGINT), interrupt])
def test_ctrl_c_leaves_a_learner_and_a_checkpoint(tmp_path: Path, press: Any) -> None:
    def progress(done: int, total: int, note: str) -> None:
        if done == 7:
            press()

    settings: dict[str, Any] = {"steps": 12, "batch_size": 3, "validate_every": 5, "validation_tasks": 20}
    whole, torn, again = learner(), learner(), learner()
    whole.fit(blobs(), validation=blobs(9), **settings)
    with pytest.raises(KeyboardInterrupt):
        torn.fit(blobs(), validation=blobs(9), checkpoints=tmp_path, progress=progress, **settings)
    assert torn.step == 7
    report = again.fit(blobs(), validation=blobs(9), checkpoints=tmp_path, **settings)
    assert report.steps == 12
    assert same(whole.meta_parameters(), again.meta_parameters())
    best_then = learner()
    best_then.fit(blobs(), **(settings | {"steps": 5}))
    assert same(torn.meta_parameters(), best_then.meta_parameters())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_in_the_middle_of_a_step_writes_nothing_torn(tmp_path: Path) -> None:
    def pressed(step: int) -> float:
        return 1.0 if step < 3 else interrupt()

    made = learner(outer_schedule=pressed)
    with pytest.raises(KeyboardInterrupt):
        made.fit(blobs(), steps=5, batch_size=2, checkpoints=tmp_path, checkpoint_every=2)
    again = learner(outer_schedule=pressed)
    assert again.fit(blobs(), steps=2, batch_size=2, checkpoints=tmp_path).steps == 2


def test_ctrl_c_in_the_middle_of_a_step_waits_for_its_end(tmp_path: Path) -> None:
    def pressed(step: int) -> float:
        if step == 3:
            signal.raise_signal(signal.SIGINT)
        return 1.0

    made = learner(outer_schedule=pressed)
    with pytest.raises(KeyboardInterrupt):
        made.fit(blobs(), steps=9, batch_size=2, checkpoints=tmp_path)
    assert made.step == 4
    again = learner(outer_schedule=pressed)
    assert again.fit(blobs(), steps=4, batch_size=2, checkpoints=tmp_path).tasks_per_second == 0


def test_a_handler_of_the_application_is_left_alone() -> None:
    heard = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        learner().fit(blobs(), steps=2, batch_size=2, progress=lambda *_: signal.raise_signal(signal.SIGINT))
    finally:
        signal.signal(signal.SIGINT, before)
    assert heard == [signal.SIGINT] * 2


def test_works_in_any_thread() -> None:
    reports = []
    thread = threading.Thread(target=lambda: reports.append(learner().fit(blobs(), steps=2, batch_size=2)))
    thread.start()
    thread.join()
    assert reports[0].steps == 2


# Who looks on ------------------------------------------------------------------------------------------------------


def test_progress_is_told_of_every_step() -> None:
    told: list[tuple[int, int, str]] = []
    learner().fit(blobs(), steps=3, batch_size=2, progress=lambda *said: told.append(said))
    assert [said[:2] for said in told] == [(1, 3), (2, 3), (3, 3)]
    assert all("tasks/s, accuracy 0." in said[2] or "accuracy 1." in said[2] for said in told)
    told.clear()
    regressor().fit(Sinusoid(), steps=1, batch_size=2, progress=lambda *said: told.append(said))
    assert "tasks/s, loss " in told[0][2]


def test_a_bar_is_drawn_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    learner().fit(blobs(), steps=3, batch_size=2, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "3/3" in err
    assert "tasks/s, accuracy" in err


def test_nothing_is_drawn_unasked(capfd: pytest.CaptureFixture[str]) -> None:
    learner().fit(blobs(), steps=1, batch_size=2)
    learner().fit(blobs(), steps=1, batch_size=2, progress=False)
    assert capfd.readouterr() == ("", "")


def test_a_tracker_gets_every_step_and_every_validation() -> None:
    tracker = LearningProgressTracker()
    report = learner().fit(
        blobs(), steps=150, batch_size=2, validation=blobs(9), validate_every=50, validation_tasks=10, tracker=tracker
    )
    for name in ("meta_loss", "task_adaptation_loss", "task_evaluation_accuracy", "gradient_norm", "learning_rate"):
        assert tracker.get_metric_summary(name)["count"] == 150
    events = list(tracker.learning_events)
    assert [event.performance_score for event in events] == [row["validation_accuracy"] for row in report.history]
    assert [event.episode_count for event in events] == [100, 200, 300]
    assert {event.task_type for event in events} == {"meta-learning/MAML"}
    assert events[-1].convergence_metric == report.history[-1]["validation_loss"]


def test_a_tracker_gets_real_targets_as_a_score() -> None:
    tracker = LearningProgressTracker()
    fixed = Sinusoid(seed=3).sample_batch(3)
    report = regressor().fit(Sinusoid(), steps=2, batch_size=2, validation=fixed, validate_every=1, tracker=tracker)
    scores = [event.performance_score for event in tracker.learning_events]
    assert scores == [1 / (1 + row["validation_loss"]) for row in report.history]


def test_a_tracker_has_the_steps_that_led_to_an_error() -> None:
    tracker = LearningProgressTracker()
    made = regressor(outer_schedule=lambda step: 1.0 if step < 3 else 1e38)
    with pytest.raises(InvalidInput, match="diverged"):
        made.fit(Sinusoid(), steps=9, batch_size=2, tracker=tracker)
    assert tracker.get_metric_summary("learning_rate")["count"] == made.step >= 4


def test_a_tracker_is_told_nothing_that_is_no_number() -> None:
    tracker = LearningProgressTracker()
    recorder = Recorder(tracker, "mine")
    recorder.step({"meta_loss": float("nan"), "gradient_norm": float("inf"), "learning_rate": 0.5, "other": 1.0}, 3)
    recorder.validated(float("nan"), 0.5, 0.1, 3)
    recorder.validated(0.5, 0.5, 0.0, 3)
    recorder.validated(-2.0, None, 0.1, 3)
    assert tracker.get_metric_summary("learning_rate")["count"] == 1
    for name in ("meta_loss", "gradient_norm", "other"):
        with pytest.raises(NotFound):
            tracker.get_metric_summary(name)
    assert [(event.performance_score, event.convergence_metric) for event in tracker.learning_events] == [(1.0, 0.0)]


# What is refused ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"steps": -1}, "steps is -1"),
        ({"steps": 1.5}, "steps is 1.5"),
        ({"steps": True}, "steps is True"),
        ({"budget": "long"}, "budget is 'long'"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"validate_every": 0}, "validate_every is 0"),
        ({"validation_tasks": 0}, "validation_tasks is 0"),
        ({"checkpoint_every": 0}, "checkpoint_every is 0"),
        ({"patience": 0, "validation": blobs()}, "patience is 0"),
        ({"patience": 3}, "patience waits for validation"),
        ({"patience": 3, "validation": []}, "patience waits for validation"),
        ({"budget": 0}, "budget is 0"),
        ({"budget": float("nan")}, "budget is nan"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        learner().fit(blobs(), **({"steps": 2} | settings))


def test_a_training_that_fails_leaves_the_best_parameters() -> None:
    class Failing:
        """Tasks that end."""

        drawn = 0

        def sample_batch(self, batch_size: int) -> Sequence[MetaLearningTask]:
            self.drawn += 1
            if self.drawn == 9:
                raise OSError("no more")
            return GaussianBlobs(ways=3, seed=self.drawn).sample_batch(batch_size)

    torch.manual_seed(0)
    judges = GaussianBlobs(ways=3, seed=0).split("validation").sample_batch(20)
    made = MetaLearner(nn.Linear(2, 3), MAML(inner_steps=1), outer_rate=30.0)
    scores: list[float] = []

    def judge(*_: object) -> None:
        scores.append(sum(made.evaluate_tasks(judges)["accuracy"]) / 20)

    with pytest.raises(OSError, match="no more"):
        made.fit(Failing(), steps=20, batch_size=2, validation=judges, validate_every=1, progress=judge)
    assert len(scores) == 8
    assert sum(made.evaluate_tasks(judges)["accuracy"]) / 20 == max(scores)
    assert scores[-1] < max(scores)
