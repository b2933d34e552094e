"""One linear classifier per head: fitting, calibrating, choosing, and updating in place of fitting again.

Fitting: one support vector machine per label (squared hinge loss; liblinear, Fan et al. 2008, JMLR 9). Calibration: a
softmax of the margins with one temperature, fitted on texts held out (Guo et al. 2017, arXiv:1706.04599). Updating:
stochastic gradient descent on the same loss, from the champion's weights.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from onward.learners.text._features import Floats

DRAFT_EXAMPLES: Final = 4000
MIN_TO_CALIBRATE: Final = 40
UNCALIBRATED_SCALE: Final = 3.0
SCALES: Final = np.geomspace(0.3, 30.0, 60)
UPDATE_RATE: Final = 0.03
UPDATE_EPOCHS: Final = 10

Doubles = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A head that was learned.

    Args:
        labels: one per column of `weights`.
        weights: features x labels.
        bias: one per label.
        scale: what margins are multiplied by before the softmax; an inverse temperature, > 0.
    """

    labels: tuple[str, ...]
    weights: Floats
    bias: Floats
    scale: float

    def choose(self, rows: Any) -> tuple[list[int], list[float]]:
        """For each row: which label (an index), and how probable it is, 0..1."""
        margins = rows @ self.weights + self.bias
        chosen = margins.argmax(axis=1)
        excess = self.scale * (margins - margins.max(axis=1, keepdims=True)).astype(np.float64)
        # Rounded, so that the last bits, which may depend on the batch, do not show.
        return chosen.tolist(), np.round(1.0 / np.exp(excess).sum(axis=1), 6).tolist()


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a head is taught with: rows, a label for each, how far each is trusted (0..1), and the seed."""

    rows: Any
    labels: Sequence[str]
    trust: Doubles
    seed: int


def fit_head(lesson: Lesson, expired: Callable[[], bool]) -> tuple[LinearHead, bool]:
    """A head from nothing, and whether it saw every row.

    It is fitted first on a sample, of which a quarter is held out to calibrate it, and then on everything; when time is
    up after the sample, the first fit is the answer. The sample has every label.
    """
    labels, targets = np.unique(np.asarray(lesson.labels, dtype=object), return_inverse=True)
    names = tuple(labels.tolist())
    if len(names) == 1:
        return _constant(names, lesson.rows.shape[1]), True
    everything = np.arange(len(targets))
    if len(targets) < MIN_TO_CALIBRATE:
        return _fit(lesson, names, targets, everything, UNCALIBRATED_SCALE), True
    learned, held_out = _draft_split(targets, lesson.seed)
    draft = _fit(lesson, names, targets, learned, UNCALIBRATED_SCALE)
    scale = _best_scale(draft, lesson.rows[held_out], targets[held_out], lesson.trust[held_out])
    if expired():
        return LinearHead(names, draft.weights, draft.bias, scale), False
    return _fit(lesson, names, targets, everything, scale), True


def _constant(names: tuple[str, ...], width: int) -> LinearHead:
    zeros = np.zeros((width, 1), dtype=np.float32)
    return LinearHead(names, zeros, np.zeros(1, dtype=np.float32), UNCALIBRATED_SCALE)


def _fit(lesson: Lesson, names: tuple[str, ...], targets: Indices, chosen: Indices, scale: float) -> LinearHead:
    from sklearn.svm import LinearSVC

    machine = LinearSVC(C=0.5, tol=1e-2, dual=True, random_state=lesson.seed)
    with warnings.catch_warnings():
        # Contradictory labels converge slowly, but the weights are good long before (ConvergenceWarning); and many
        # labels of few examples look like a regression to scikit-learn.
        warnings.simplefilter("ignore", UserWarning)
        machine.fit(lesson.rows[chosen], targets[chosen], sample_weight=lesson.trust[chosen])
    weights, bias = machine.coef_, machine.intercept_
    if len(names) == 2:
        weights, bias = np.vstack([-weights, weights]), np.concatenate([-bias, bias])
    return LinearHead(names, np.ascontiguousarray(weights.T, dtype=np.float32), bias.astype(np.float32), scale)


def _draft_split(targets: Indices, seed: int) -> tuple[Indices, Indices]:
    """Rows to fit a draft on, among them one of every label, and rows held out; sorted."""
    order = np.random.default_rng(seed).permutation(len(targets))
    _, first = np.unique(targets[order], return_index=True)
    rest = np.delete(order, first)[:DRAFT_EXAMPLES]
    quarter = len(rest) // 4
    return np.sort(np.concatenate([order[first], rest[quarter:]])), np.sort(rest[:quarter])


def _best_scale(head: LinearHead, rows: Any, targets: Indices, trust: Doubles) -> float:
    """The scale under which the held-out labels are most probable."""
    if not len(targets):
        return UNCALIBRATED_SCALE
    margins = (rows @ head.weights + head.bias).astype(np.float64)
    excess = margins - margins[np.arange(len(targets)), targets][:, None]
    losses = [float(trust @ _log_sum_exp(scale * excess)) for scale in SCALES]
    return float(SCALES[int(np.argmin(losses))])


def _log_sum_exp(values: Doubles) -> Doubles:
    peak: Doubles = values.max(axis=1)
    total: Doubles = np.exp(values - peak[:, None]).sum(axis=1)
    return peak + np.log(total)


def update_head(head: LinearHead, lesson: Lesson, expired: Callable[[], bool]) -> tuple[LinearHead, bool]:
    """The head after some more rows, grown to their width and labels, and whether every label was updated.

    New labels are taught first. A label that no row has, or that all rows have, keeps its weights.
    """
    head = _grown(head, lesson.rows.shape[1], sorted(set(lesson.labels) - set(head.labels)))
    weights, bias = head.weights.copy(), head.bias.copy()
    labels = np.asarray(lesson.labels, dtype=object)
    for column in reversed(range(len(head.labels))):
        if expired():
            return LinearHead(head.labels, weights, bias, head.scale), False
        wanted = labels == head.labels[column]
        if wanted.any() and not wanted.all():
            weights[:, column], bias[column] = _descend(weights[:, column], bias[column], wanted, lesson)
    return LinearHead(head.labels, weights, bias, head.scale), True


def _grown(head: LinearHead, width: int, fresh: list[str]) -> LinearHead:
    """Room for new features (weight 0) and new labels (margin -1: surely not)."""
    weights = np.pad(head.weights, ((0, width - len(head.weights)), (0, len(fresh))))
    bias = np.pad(head.bias, (0, len(fresh)), constant_values=-1.0)
    return LinearHead((*head.labels, *fresh), weights, bias, head.scale)


def _descend(weights: Floats, bias: np.float32, wanted: npt.NDArray[np.bool_], lesson: Lesson) -> tuple[Floats, float]:
    from sklearn.linear_model import SGDClassifier

    descent = SGDClassifier(
        loss="squared_hinge",
        alpha=1e-6,
        learning_rate="constant",
        eta0=UPDATE_RATE,
        max_iter=UPDATE_EPOCHS,
        tol=None,
        random_state=lesson.seed,
    )
    descent.fit(
        lesson.rows, wanted, coef_init=weights[None, :], intercept_init=np.array([bias]), sample_weight=lesson.trust
    )
    return descent.coef_[0], float(descent.intercept_[0])
