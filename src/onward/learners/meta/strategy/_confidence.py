"""How sure a strategy is: what comes true of such predictions on tasks that were left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit, log_expit, logit

from ._buffer import Experience
from ._choice import draws
from ._clusters import cluster_tasks
from ._inputs import Floats
from ._surrogate import Surrogate, cautious, newest

GOOD: Final = 0.25  # at most this share of the configurations does better
FOLDS: Final = 5
ROWS: Final = 600  # experiences fitted to in each fold
TRIALS: Final = 4  # different outcomes that a task needs to judge by
SETS: Final = 16
JUDGED: Final = 8  # judged predictions that it takes to learn from them
CLOSE: Final = (0.01, 0.99)


@dataclass(frozen=True)
class Calibration:
    """Turns the surrogate's probability and a task's distance into a confidence.

    Args:
        base: the share of predictions that came true on tasks left out, drawn to a quarter while they are few.
        weights: of 1, of the logit of the surrogate's probability, and of the logarithm of the distance; None where too
            few predictions could be judged, and `base` is what is told.
        judged: predictions that could be judged.
        trials: configurations that a task was judged by, median.
    """

    base: float
    weights: tuple[float, float, float] | None
    judged: int
    trials: int

    @staticmethod
    def of(groups: Sequence[Sequence[Experience]], seed: int) -> Calibration:
        """Learned by leaving out a fifth of the tasks in turn, and then each group of similar tasks in turn."""
        judged = np.array([row for held in _folds(groups, seed) for row in _judge(groups, held, seed)]).reshape(-1, 3)
        right = judged[:, 2]
        base = float((right.sum() + FOLDS * GOOD) / (len(right) + FOLDS))
        fitted = _fitted(_features(judged[:, 0], judged[:, 1]), right, base) if len(right) >= JUDGED else None
        trials = int(np.median([len(group) for group in groups if _can_judge(group)] or [TRIALS]))
        return Calibration(base, fitted, len(right), trials)

    def confidence(self, probability: float, distance: float) -> float:
        """In 0..1.

        Args:
            probability: what the surrogate holds it for, of `trials` configurations.
            distance: of the task from the nearest known one, in widths of the neighbourhood.
        """
        if self.weights is None:
            return min(self.base, probability)
        features = _features(np.array([probability]), np.array([distance]))
        return float(expit(features @ np.array(self.weights))[0])


def probability_of_good(expected: Floats, covariance: Floats, trials: int, seed: int) -> float:
    """How probable it is that what would be chosen of so many configurations is among the best quarter of them.

    Of as many as a task has that confidence is learned from: the more there are to choose from, the surer the surrogate
    is of what it chose, and the less that is worth.
    """
    outcomes, worth = draws(expected, covariance, seed), cautious(expected, covariance)
    rng = np.random.default_rng(seed)
    count = len(expected)
    sets = [rng.permutation(count)[:trials] for _ in range(SETS)] if trials < count else [np.arange(count)]
    return float(np.mean([_is_good(outcomes[:, some], int(worth[some].argmax())).mean() for some in sets]))


def _is_good(outcomes: Floats, chosen: int) -> NDArray[np.bool_]:
    """Whether the chosen one is in the best quarter of each row; by chance, that is so in a quarter."""
    better = (outcomes > outcomes[:, [chosen]]).sum(axis=1)
    good: NDArray[np.bool_] = (better + 0.5) / outcomes.shape[1] <= GOOD
    return good


def _folds(groups: Sequence[Sequence[Experience]], seed: int) -> Iterator[NDArray[np.intp]]:
    order = np.random.default_rng(seed).permutation(len(groups))
    yield from (fold for fold in np.array_split(order, min(FOLDS, len(groups))) if len(groups) > len(fold) > 0)
    clusters = cluster_tasks(np.array([group[0].vector for group in groups]), seed=seed)
    if clusters.count > 1:
        yield from (np.flatnonzero(np.array(clusters.labels) == at) for at in range(clusters.count))


def _judge(
    groups: Sequence[Sequence[Experience]], held: NDArray[np.intp], seed: int
) -> Iterator[tuple[float, float, bool]]:
    """For each task left out: probability, distance, and whether the best of its own configurations was good."""
    left_out = [groups[at] for at in held if _can_judge(groups[at])]
    if not left_out:
        return
    out = set(held.tolist())
    surrogate = Surrogate.of(newest([group for at, group in enumerate(groups) if at not in out], ROWS))
    for group in left_out:
        vector = np.array(group[0].vector)
        expected, covariance = surrogate.expected(vector, [one.strategy for one in group])
        outcomes = np.array([[one.outcome for one in group]])
        right = bool(_is_good(outcomes, int(cautious(expected, covariance).argmax()))[0])
        yield probability_of_good(expected, covariance, len(group), seed), surrogate.distance(vector), right


def _can_judge(group: Sequence[Experience]) -> bool:
    return len({one.outcome for one in group}) >= TRIALS


def _features(probability: Floats, distance: Floats) -> Floats:
    return np.stack([np.ones(len(distance)), logit(np.clip(probability, *CLOSE)), np.log1p(distance)], axis=1)


def _fitted(features: Floats, right: Floats, base: float) -> tuple[float, float, float]:
    """Logistic regression whose answer never falls with the probability nor rises with the distance."""
    start = np.array([logit(base), 0.0, 0.0])

    def loss(weights: Floats) -> float:
        z = features @ weights
        return float(-(right * log_expit(z) + (1 - right) * log_expit(-z)).sum() + ((weights - start) ** 2).sum() / 2)

    found = minimize(loss, start, method="L-BFGS-B", bounds=[(-20, 20), (0, 5), (-5, 0)]).x
    return float(found[0]), float(found[1]), float(found[2])
