"""A whole meta-training: steps, validation, the best of it, checkpoints, and when to stop."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from functools import cached_property
from math import isnan, nan
from typing import TYPE_CHECKING, Any, Final

import torch

from onward.core import Damaged, InvalidInput, content_hash
from onward.learners.neural import Progress, check_writable, deferred, shown, text

from ._checkpoint import CHECKPOINT, read_checkpoint, write_checkpoint
from ._identity import digest, named
from ._processes import anywhere, exchanged, processes, same_everywhere, share, together
from ._standing import UNCHANGED, FitReport, Plan, Row, Standing, Stopped
from ._watch import Recorder, Tracker
from .tasks import MetaLearningTask, TaskDistribution

if TYPE_CHECKING:
    from ._learner import MetaLearner

Judges = TaskDistribution | Sequence[MetaLearningTask]
SMOOTH: Final = 0.95


def fit(
    learner: MetaLearner,
    tasks: TaskDistribution,
    validation: Judges | None,
    plan: Plan,
    progress: bool | Progress | None,
    tracker: Tracker | None,
) -> FitReport:
    """See `MetaLearner.fit`."""
    refuse_no_distribution(tasks)
    if validation is not None and not isinstance(validation, Sequence):
        refuse_no_distribution(validation)
    none = validation is None or (isinstance(validation, Sequence) and not len(validation))
    if none and plan.patience is not None:
        raise InvalidInput("patience waits for validation.", mend="Give validation tasks as well.")
    recorder = Recorder(tracker, f"meta-learning/{named(learner.algorithm).kind}")
    with shown(None if processes()[0] else progress) as watch, deferred() as interrupted:
        training = Training(learner, tasks, validation, plan, watch, recorder)
        training.begin()
        try:
            stopped = _gone_on(training, interrupted, recorder)
            report = training.end(stopped)
        finally:
            training.give_best()
    if stopped == "interrupted":
        raise KeyboardInterrupt
    return report


def _gone_on(training: Training, interrupted: Any, recorder: Recorder) -> Stopped:
    try:
        return training.go_on(interrupted)
    except KeyboardInterrupt:
        return "interrupted"
    finally:
        recorder.flush()


class Training:
    """One call of `fit`, in every process the same but for its share of the tasks."""

    def __init__(
        self,
        learner: MetaLearner,
        tasks: TaskDistribution,
        validation: Judges | None,
        plan: Plan,
        progress: Progress,
        recorder: Recorder,
    ) -> None:
        self._learner, self._tasks, self._validation, self._plan = learner, tasks, validation, plan
        self._progress, self._recorder = progress, recorder
        self._at = Standing()
        self._judges: Sequence[MetaLearningTask] = ()
        self._origin: Any = None
        self._kept, self._whole = -1, True
        self._seen, self._busy, self._smooth = 0, 0.0, 0.0
        self._began = time.perf_counter()
        self._before = 0.0

    def begin(self) -> None:
        """From the checkpoint, or from the start."""
        folder = self._plan.checkpoints
        with together(self._learner.device):
            if folder is not None and processes()[0] == 0:
                check_writable(folder, CHECKPOINT)
            found = None if folder is None else read_checkpoint(folder, self.what)
            self._draw(found)
            if found is not None:
                self._resume(found)
        _refuse_apart(self._at.done, self._learner.device)

    @cached_property
    def what(self) -> dict[str, str]:
        """What decides the training, as texts."""
        plan = {f"fit {n}": repr(v) for n, v in dataclasses.asdict(self._plan).items() if n not in UNCHANGED}
        tasks = {"tasks": _told_by(self._tasks), "validation": _told_by(self._validation)}
        return self._learner.describe() | plan | tasks

    def _draw(self, found: Mapping[str, Any] | None) -> None:
        """The validation tasks: the same ones when a training goes on."""
        validation = self._validation
        if validation is None:
            return
        if isinstance(validation, Sequence):
            self._judges = validation
            return
        if found is not None and found.get("origin") is not None:
            _put(validation, found["origin"])
        self._origin = _state_of(validation)
        self._judges = drawn(validation, self._plan.validation_tasks)

    def _resume(self, found: Mapping[str, Any]) -> None:
        try:
            self._at = Standing(**found["standing"])
            self._learner.load_state_dict(found["learner"])
            state = found["tasks"]
        except (KeyError, TypeError, ValueError) as error:
            raise Damaged("A checkpoint is not whole.", why=f"{error!r}.", mend="Remove it to begin anew.") from error
        if state is not None:
            _put(self._tasks, state)
        else:
            for _ in range(self._at.done):
                self._tasks.sample_batch(self._plan.batch_size)
        self._kept, self._before = self._at.done, self._at.seconds

    def _keep(self) -> None:
        """Write a checkpoint where one is wanted; only the first process does."""
        folder = self._plan.checkpoints
        if folder is None or self._kept == self._at.done:
            return
        self._kept = self._at.done
        with together(self._learner.device):
            if processes()[0] == 0:
                self._recorder.flush()
                standing = {f.name: getattr(self._at, f.name) for f in dataclasses.fields(self._at)}
                state = {"learner": self._learner.state_dict(), "tasks": _state_of(self._tasks)}
                write_checkpoint(folder, self.what, state | {"origin": self._origin, "standing": standing})

    def go_on(self, interrupted: Any) -> Stopped:
        """Step after step, until something says stop."""
        while (why := self._why_stop(interrupted())) is None:
            started = time.perf_counter()
            tasks = self._tasks.sample_batch(self._plan.batch_size)
            self._whole = False
            figures = self._learner.meta_train_step(tasks)
            self._at.add(figures)
            self._whole = True
            now = time.perf_counter()
            self._busy += now - started
            self._seen += len(tasks)
            self._at.seconds = self._before + now - self._began
            self._recorder.step(figures, self._at.done)
            if self._at.done % self._plan.validate_every == 0:
                self._row()
            if self._at.done % self._plan.checkpoint_every == 0:
                self._keep()
            self._progress(self._at.done, max(self._plan.steps, self._at.done), self._told(figures))
        return why

    def _why_stop(self, interrupted: bool) -> Stopped | None:
        plan, late = self._plan, False
        if self._at.done >= plan.steps:
            return "steps"
        if plan.patience is not None and self._at.since_best >= plan.patience:
            return "patience"
        if plan.budget is not None:
            late = time.perf_counter() - self._began >= plan.budget
        if not anywhere(interrupted or late, self._learner.device):
            return None
        return "interrupted" if anywhere(interrupted, self._learner.device) else "budget"

    def _told(self, figures: Mapping[str, float]) -> str:
        name = "task_evaluation_accuracy" if "task_evaluation_accuracy" in figures else "meta_loss"
        old = self._smooth if self._seen > self._plan.batch_size else figures[name]
        self._smooth = SMOOTH * old + (1 - SMOOTH) * figures[name]
        called = "loss" if name == "meta_loss" else "accuracy"
        return f"{self._seen / self._busy:,.0f} tasks/s, {called} {self._smooth:.3f}"

    def _row(self) -> None:
        row = self._at.row()
        if not len(self._judges):
            return
        row |= self._judged()
        self._at.judge(row, self._learner.meta_parameters())
        tasks = self._at.done * self._plan.batch_size
        loss, right = row["validation_loss"], row.get("validation_accuracy")
        self._recorder.validated(loss, right, row["learning_rate"], tasks)

    def _judged(self) -> Row:
        """Loss and accuracy over the validation tasks, of which each process works on some."""
        part, (_, world) = self._judges[share()], processes()
        device = self._learner.device if world > 1 else torch.device("cpu")
        nothing = torch.zeros(4, dtype=torch.float64, device=device)

        def said() -> list[torch.Tensor]:
            found = self._learner.evaluate_tasks(part) if len(part) else {"loss": []}
            if self._learner.skips:
                found = {name: [value for value in values if not isnan(value)] for name, values in found.items()}
            losses, right = found["loss"], found.get("accuracy", [])
            return [nothing.new_tensor([len(losses), sum(losses), len(right), sum(right)])]

        count, loss, judged, accuracy = exchanged(said, lambda: [nothing])[0].tolist()
        figures = {"validation_loss": loss / count if count else nan}
        return figures | {"validation_accuracy": accuracy / judged} if judged else figures

    def end(self, stopped: Stopped) -> FitReport:
        """Keep where it stands, judge it a last time, and tell how it went."""
        if self._whole:
            self._keep()
        if self._at.summed and stopped != "interrupted":
            self._row()
        best = self._at.best
        return FitReport(
            steps=self._at.done,
            seconds=self._at.seconds,
            tasks_per_second=self._seen / self._busy if self._busy else 0.0,
            history=tuple(self._at.history),
            best_step=int(best["step"]) if best else None,
            validation_loss=best.get("validation_loss"),
            validation_accuracy=best.get("validation_accuracy"),
            stopped=stopped,
            engine=self._learner.engine,
        )

    def give_best(self) -> None:
        """Give the learner the best parameters, if any were judged."""
        if self._at.best:
            self._learner.set_meta_parameters(self._at.best_parameters)


def _told_by(tasks: Judges | None) -> str:
    """What tasks are: what they hold; of a distribution its `identity` where it has one, else its `repr`."""
    if tasks is None:
        return "none"
    if isinstance(tasks, Sequence):
        held = [digest(part) for task in tasks for part in (*task.support_set, *task.query_set)]
        return f"{len(tasks)} tasks, contents {content_hash(repr(held).encode())[:16]}"
    return getattr(tasks, "identity", None) or text(tasks)


def refuse_no_distribution(tasks: object) -> None:
    """Say of what samples no tasks that it is no distribution.

    Raises:
        InvalidInput: it has no `sample_batch`, or is a class.
    """
    if isinstance(tasks, type) or not callable(getattr(tasks, "sample_batch", None)):
        raise InvalidInput(
            f"A {type(tasks).__name__} is no task distribution.",
            why="Every step of a training draws tasks by `sample_batch(n)`.",
            mend="Give one of onward.learners.meta.tasks, or an object with that method.",
        )


def drawn(tasks: TaskDistribution, count: int) -> Sequence[MetaLearningTask]:
    """So many tasks.

    Raises:
        InvalidInput: there are none.
    """
    found = tasks.sample_batch(count)
    if not len(found):
        raise InvalidInput(
            f"A {type(tasks).__name__} was asked for {count} tasks, and gave none.",
            mend="Let `sample_batch(n)` give n of them.",
        )
    return found


def _state_of(tasks: object) -> Any:
    """Where a stream of tasks stands; `None` of one that does not say."""
    if hasattr(tasks, "state_dict") and hasattr(tasks, "load_state_dict"):
        return tasks.state_dict()
    return None


def _put(tasks: object, state: Any) -> None:
    if not hasattr(tasks, "load_state_dict"):
        raise InvalidInput("These tasks have no `load_state_dict`.", why="Those of the checkpoint have.")
    tasks.load_state_dict(state)


def _refuse_apart(done: int, device: torch.device) -> None:
    """Say that the processes did not find the same checkpoint.

    Raises:
        InvalidInput: in every process.
    """
    first = torch.tensor([done], device=device)
    same_everywhere([first])
    if anywhere(int(first) != done, device):
        raise InvalidInput(
            "The processes found different checkpoints.",
            why="The folder is not the same for all of them.",
            mend="Choose one that every process can read, or copy it to all machines.",
        )
