"""Learning the metric: episodes in which the labels' prototypes must tell their queries apart.

The loss is the cross-entropy of the queries' labels, a softmax over scaled cosines to the prototypes of their own
episode. All episodes of a step are worked on at once. Which episodes a step draws depends on the seed and the step's
number alone, so that a training that was killed goes on from its checkpoint as if nothing had happened, bit for bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from onward.core import MissingExtra, Training
from onward.learners.text._features import Features, Floats
from onward.learners.text._shared import one_thread

from ._episodes import Episodes, Shape, Source, draw
from ._metric import Metric, cosines, prototypes_of

if TYPE_CHECKING:
    import torch
    from torch import Tensor

DIMENSIONS: Final = 128
START: Final = 0.02
RATE: Final = 5e-4
FASTER: Final = 5.0
"""How much faster the weights of terms learn than the projection."""
SCALE: Final = 10.0
LABELS_PER_STEP: Final = 40
PERIOD: Final = 20
PERIODS: Final = 15
FEW_PERIODS: Final = 4
"""Where there is nothing to check with, or where the champion is updated."""
PATIENCE: Final = 4
LEARNED: Final = 0.01
"""The loss below which there is nothing left to learn."""
CHECKS, LABELS_PER_CHECK = 5, 100
LEARNED_IN = Shape(ways=20, shots=5, queries=5)
CHECKED_IN = Shape(ways=5, shots=5, queries=15)


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What is learned from.

    Args:
        features: V terms.
        rows: (n, V) sparse rows of all examples.
        learn, check: sources of episodes; `check` may be empty.
        start: where to begin; `None`: anew.
        periods: of 20 steps, at most.
    """

    features: Features
    rows: Any
    learn: Sequence[Source]
    check: Sequence[Source]
    start: Metric | None
    periods: int


@dataclass(slots=True)
class Course:
    """A training under way.

    Args:
        parameters: logarithms of the weights (V,), projection (V, d), logarithm of the scale (1,).
        optimizer: Adam, with its moments.
        losses, accuracies: by period; the accuracy of episodes never learned from, where there are any.
        best: the parameters of the best period so far, and its number; 0: the start.
        resumed: the period after which a checkpoint was taken up.
    """

    parameters: list[Tensor]
    optimizer: torch.optim.Adam
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    best: list[Floats] = field(default_factory=list)
    best_period: int = 0
    resumed: int = 0


def begin(lesson: Lesson, seed: int) -> Course:
    """A course before its first step.

    Raises:
        MissingExtra: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise MissingExtra("PyTorch", "neural") from error
    width = len(lesson.features.columns)
    if lesson.start is None:
        rng = np.random.default_rng([seed, 0])
        projection = rng.normal(0.0, START, (width, DIMENSIONS)).astype(np.float32)
        arrays: list[Floats] = [np.zeros(width, np.float32), projection, np.full(1, np.log(SCALE), np.float32)]
    else:
        arrays = _logarithms(lesson.start)
    parameters = [torch.from_numpy(array.copy()).requires_grad_() for array in arrays]
    groups = [
        {"params": [p], "lr": rate} for p, rate in zip(parameters, (FASTER * RATE, RATE, FASTER * RATE), strict=True)
    ]
    return Course(parameters, torch.optim.Adam(groups), best=arrays)


def _logarithms(metric: Metric) -> list[Floats]:
    scale = np.array([np.log(metric.scale)], np.float32)
    return [(np.log(metric.weights) / 2).astype(np.float32), metric.projection, scale]


def metric_of(features: Features, arrays: Sequence[Floats]) -> Metric:
    """The metric that parameters stand for."""
    logs, projection, scale = arrays
    return Metric(features, np.exp(2 * logs), projection, float(np.exp(scale[0])))


def run(
    course: Course, lesson: Lesson, training: Training, expired: Callable[[], bool], keep: Callable[[Course], None]
) -> int:
    """Train until nothing gets better, time is up or all periods are done; return how many episodes were learned from.

    Args:
        keep: called after each period.
    """
    seen, began = 0, time.monotonic()
    with one_thread():
        while not _finished(course, lesson):
            losses = []
            for step in range(PERIOD):
                if expired():
                    return seen
                number = len(course.losses) * PERIOD + step
                rng = np.random.default_rng([training.seed, 1, number])
                episodes = draw(lesson.learn, LEARNED_IN, LABELS_PER_STEP, rng)
                losses.append(learn(course, lesson.rows, episodes))
                seen += int(episodes.task[-1]) + 1
            course.losses.append(float(np.mean(losses)))
            _conclude(course, lesson, training.seed)
            keep(course)
            _tell(course, lesson, training, seen / max(time.monotonic() - began, 1e-9))
    return seen


def _finished(course: Course, lesson: Lesson) -> bool:
    done = len(course.losses)
    learned = done > 0 and course.losses[-1] < LEARNED
    return learned or done >= lesson.periods or done - course.best_period >= PATIENCE


def _conclude(course: Course, lesson: Lesson, seed: int) -> None:
    """Keep the parameters where none were better so far; without anything to check with, the latest are the best."""
    now = [parameter.detach().numpy().copy() for parameter in course.parameters]
    if not lesson.check:
        course.best, course.best_period = now, len(course.losses)
        return
    if not course.accuracies:
        course.accuracies.append(checked(metric_of(lesson.features, course.best), lesson, seed))
    course.accuracies.append(checked(metric_of(lesson.features, now), lesson, seed))
    if course.accuracies[-1] >= course.accuracies[course.best_period]:
        course.best, course.best_period = now, len(course.losses)


def _tell(course: Course, lesson: Lesson, training: Training, speed: float) -> None:
    accuracy = f", accuracy {course.accuracies[-1]:.3f}" if course.accuracies else ""
    note = f"{speed:.0f} tasks/s, loss {course.losses[-1]:.3f}{accuracy}"
    training.progress(len(course.losses), lesson.periods, note)


def checked(metric: Metric, lesson: Lesson, seed: int) -> float:
    """Share of queries right, 0..1, in episodes from the sources to check with; always the same episodes."""
    rng, right = np.random.default_rng([seed, 2]), []
    for _ in range(CHECKS):
        episodes = draw(lesson.check, CHECKED_IN, LABELS_PER_CHECK, rng)
        names = [f"{code:06}" for code in episodes.support_label.tolist()]
        prototypes = prototypes_of(lesson.rows[episodes.support], names, [1.0] * len(names))
        likeness = cosines(metric, prototypes, lesson.rows[episodes.query])
        own = episodes.task[episodes.query_label][:, None] == episodes.task[None, :]
        right.append(np.where(own, likeness, -2).argmax(axis=1) == episodes.query_label)
    return float(np.concatenate(right).mean())


def learn(course: Course, rows: Any, episodes: Episodes) -> float:
    """One step; return its loss."""
    import torch

    logits = _logits(course.parameters, rows, episodes)
    task = torch.from_numpy(episodes.task)
    wanted = torch.from_numpy(episodes.query_label)
    own = task[wanted][:, None] == task[None, :]
    loss = torch.nn.functional.cross_entropy(logits.masked_fill(~own, -torch.inf), wanted)
    course.optimizer.zero_grad()
    loss.backward()
    course.optimizer.step()
    return float(loss.detach())


def _logits(parameters: Sequence[Tensor], rows: Any, episodes: Episodes) -> Tensor:
    """(Q, C) scaled cosines of queries and prototypes; only the terms that occur are worked on."""
    import torch

    logs, projection, scale = parameters
    codes, counts = episodes.support_label, np.bincount(episodes.support_label)
    cells = (1 / counts[codes]).astype(np.float32), (codes, np.arange(len(codes)))
    means = (sparse.csr_matrix(cells, shape=(len(counts), len(codes))) @ rows[episodes.support]).tocsr()
    asked = rows[episodes.query]
    terms = np.unique(np.concatenate([means.indices, asked.indices]))
    means, asked = _among(means, terms), _among(asked, terms)
    asked.sort_indices()
    at = torch.from_numpy(terms)
    weights, projected = torch.exp(2 * logs[at]), projection[at]
    dense = torch.from_numpy(means.toarray())
    theirs, mine = dense @ projected, torch.sparse.mm(_tensor(asked), projected)
    same = torch.sparse.mm(_tensor(asked), (dense * weights).T) + mine @ theirs.T
    mine_square = torch.sparse.mm(_tensor(asked.multiply(asked).tocsr()), weights[:, None])[:, 0] + (mine**2).sum(1)
    theirs_square = (dense**2) @ weights + (theirs**2).sum(1)
    lengths = (mine_square[:, None] * theirs_square[None, :]).clamp_min(1e-12).sqrt()
    scaled: Tensor = torch.exp(scale) * same / lengths
    return scaled


def _among(rows: Any, terms: npt.NDArray[np.int32]) -> Any:
    """The rows, their columns counted among these terms."""
    columns = np.searchsorted(terms, rows.indices)
    return sparse.csr_matrix((rows.data, columns, rows.indptr), shape=(rows.shape[0], len(terms)))


def _tensor(rows: Any) -> Tensor:
    import torch

    coo = rows.tocoo()
    places = torch.from_numpy(np.stack([coo.row, coo.col]).astype(np.int64))
    return torch.sparse_coo_tensor(
        places, torch.from_numpy(coo.data), coo.shape, is_coalesced=True, check_invariants=False
    )
