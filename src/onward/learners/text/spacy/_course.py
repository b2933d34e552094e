"""The course of a training: epochs over all heads, early stopping, budget, checkpoints."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, Final, Literal

import numpy as np

from onward.config import TrainingSettings
from onward.core import Training

from ._checkpoint import Epoch, State, read_checkpoint, write_checkpoint
from ._pupil import Pupil, batches, check, judge, learn, mean_loss, restore_best

Stopped = Literal["early", "budget", "epochs"]
REPORTED_EVERY: Final = 50
_ONE_AT_A_TIME: Final = Lock()


@dataclass(slots=True)
class Course:
    """A training under way.

    Args:
        key: hash of all that decides the training.
        history: the epochs completed.
        resumed: the epoch after which a checkpoint was taken up; 0: none.
    """

    key: str
    dataset: str
    pupils: Sequence[Pupil]
    settings: TrainingSettings
    training: Training
    expired: Callable[[], bool]
    counts: Counter[str]
    history: list[Epoch] = field(default_factory=list)
    resumed: int = 0


@contextmanager
def seeded() -> Iterator[None]:
    """Own the process's random numbers, which spaCy draws from, and hand them back as they were.

    One training at a time: two would draw from each other's numbers.
    """
    with _ONE_AT_A_TIME:
        before = random.getstate(), np.random.get_state()  # noqa: NPY002
        try:
            yield
        finally:
            random.setstate(before[0])
            np.random.set_state(before[1])  # noqa: NPY002


def seed(number: int, epoch: int) -> None:
    """Start the random numbers of an epoch: they depend on nothing before it, so that it can be taken up again."""
    start = np.random.SeedSequence([number, epoch]).generate_state(1)[0]
    random.seed(int(start))
    np.random.seed(start)  # noqa: NPY002


def run(course: Course) -> Stopped:
    """Train until nothing gets better, time is up or all epochs are done; leave the best weights in place."""
    _resume(course)
    stopped = _run(course)
    for pupil in course.pupils:
        restore_best(pupil)
    return stopped


def _run(course: Course) -> Stopped:
    for epoch in range(len(course.history) + 1, course.settings.n_iter + 1):
        active = [pupil for pupil in course.pupils if not pupil.standing.finished]
        if not active:
            return "early"
        if not _epoch(course, active, epoch):
            _judge_cut_short(active, epoch)
            return "budget"
        _conclude(course, active, epoch)
    return "epochs" if any(not pupil.standing.finished for pupil in course.pupils) else "early"


def _epoch(course: Course, active: Sequence[Pupil], epoch: int) -> bool:
    """One pass of all heads, their batches mixed so that a budget cuts them all alike; False when time is up."""
    seed(course.training.seed, epoch)
    steps = [(pupil, batch) for pupil in active for batch in batches(pupil)]
    random.shuffle(steps)
    for pupil in active:
        pupil.loss, pupil.seen = 0.0, 0
    for step, (pupil, batch) in enumerate(steps):
        if course.expired():
            return False
        learn(pupil, batch, course.settings.dropout, course.counts)
        if step % REPORTED_EVERY == 0:
            _report(course, epoch - 1 + step / len(steps), f"epoch {epoch}")
    return True


def _judge_cut_short(active: Sequence[Pupil], epoch: int) -> None:
    """An epoch that the budget cut short counts only where it made a head better."""
    for pupil in active:
        if pupil.seen:
            judge(pupil, check(pupil), epoch)


def _conclude(course: Course, active: Sequence[Pupil], epoch: int) -> None:
    scores = {pupil.head: check(pupil) for pupil in active}
    for pupil in active:
        judge(pupil, scores[pupil.head], epoch)
    known: dict[str, float] = {head: score for head, score in scores.items() if score is not None}
    course.history.append(Epoch({pupil.head: mean_loss(pupil) for pupil in active}, known))
    _save(course)
    said = ", ".join(f"{head} {score:.3f}" for head, score in known.items())
    _report(course, epoch, f"epoch {epoch}: {said}" if said else f"epoch {epoch}")


def _report(course: Course, done: float, note: str) -> None:
    course.training.progress(round(100 * done), 100 * course.settings.n_iter, note)


def _save(course: Course) -> None:
    if course.training.checkpoints is not None:
        write_checkpoint(course.training.checkpoints, _state(course), course.pupils)


def _state(course: Course) -> State:
    return State(
        key=course.key,
        seed=course.training.seed,
        dataset=course.dataset,
        counts=dict(course.counts),
        history=course.history,
        heads={},
        weights="",
    )


def _resume(course: Course) -> None:
    if course.training.checkpoints is None:
        return
    state = read_checkpoint(course.training.checkpoints, course.key, course.pupils)
    if state is not None:
        course.history.extend(state.history)
        course.counts.clear()
        course.counts.update(state.counts)
        course.resumed = len(state.history)


def figures(course: Course) -> dict[str, Any]:
    """What the report says of the course."""
    standings = {pupil.head: pupil.standing for pupil in course.pupils}
    return {
        "epochs": len(course.history),
        "best_epoch": {head: standing.best_epoch for head, standing in standings.items()},
        "losses": [epoch.losses for epoch in course.history],
        "validation": [epoch.scores for epoch in course.history],
        "score": _mean([s.best[0] for p in course.pupils if (s := p.standing).best and p.rows.validation]),
        "batch_size": {head: standing.size for head, standing in standings.items()},
        "resumed": course.resumed,
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
