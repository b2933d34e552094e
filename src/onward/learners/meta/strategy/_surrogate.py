"""A Gaussian process over tasks and configurations: what outcome to expect of which, and how surely."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from sklearn.feature_extraction import DictVectorizer

from ._buffer import Experience
from ._inputs import Floats
from ._similarity import Neighbourhood, distances
from ._strategy import Strategy

ROWS: Final = 1_500  # experiences fitted to: the cost grows with their cube
COMMON: Final = 0.5  # the share of what makes a configuration good that all tasks share
REACH_OF_TASK: Final = 2.0  # length scales: of tasks, in widths of the neighbourhood ...
REACH_OF_CONFIGURATION: Final = 1.0  # ... of configurations, in standard deviations of each parameter
NOISE: Final = 1.0  # variance of noise over variance of signal
CAUTION: Final = 0.5  # standard deviations that are taken off an expected outcome before it is chosen
ROUNDING: Final = 1e-14  # what outcomes that are all the same may seem to vary by
LEAST: Final = 1e-8  # stands for no regularization on its logarithmic scale


@dataclass(frozen=True)
class Columns:
    """Configurations as rows of numbers: rates, sizes and counts by their logarithms, texts one-hot."""

    vectorizer: Any
    mean: Floats
    spread: Floats

    @staticmethod
    def of(strategies: Sequence[Strategy]) -> Columns:
        """Standardised over some configurations."""
        vectorizer = DictVectorizer(sparse=False)
        rows = vectorizer.fit_transform([_told(one) for one in strategies])
        spread = rows.std(axis=0)
        return Columns(vectorizer, rows.mean(axis=0), np.where(spread > 1e-6, spread, 1.0))

    def __call__(self, strategies: Sequence[Strategy]) -> Floats:
        rows: Floats = (self.vectorizer.transform([_told(one) for one in strategies]) - self.mean) / self.spread
        return rows


@dataclass(frozen=True)
class Surrogate:
    """Expected outcomes, relative to the mean outcome of the task: a Gaussian process with the kernel

        (c + (1 - c) exp(-(task distance / 2 width)^2 / 2)) exp(-|configuration difference|^2 / 2)

    with c = 0.5, so that tasks far from all others get what is good everywhere. Products of task and configuration
    kernels: Bonilla, Chai and Williams 2008; Swersky, Snoek and Adams 2013. Outcomes less their task's mean, as tasks
    differ in difficulty: Bardenet, Brendel, Kegl and Sebag 2013; the mean is drawn towards that of all tasks as far as
    one more trial would draw it, so that a task with one trial still tells something. They count in standard deviations
    of all of them.
    """

    groups: Sequence[Sequence[Experience]]
    neighbourhood: Neighbourhood
    columns: Columns
    tasks: NDArray[np.intp]
    rows: Floats
    factor: Floats
    weights: Floats
    variance: float

    @staticmethod
    def of(groups: Sequence[Sequence[Experience]]) -> Surrogate:
        """Fitted to the experiences of each task; to the newest 1,500, task by task, where there are more."""
        kept = newest(groups, ROWS)
        neighbourhood = Neighbourhood.of(np.array([group[0].vector for group in kept]))
        columns = Columns.of([one.strategy for group in kept for one in group])
        rows = columns([one.strategy for group in kept for one in group])
        tasks = np.repeat(np.arange(len(kept)), [len(group) for group in kept])
        between = distances(neighbourhood.known, neighbourhood.known)
        kernel = _of_tasks(between, neighbourhood.width)[np.ix_(tasks, tasks)] * _of_rows(rows, rows)
        factor = cho_factor(kernel + NOISE * np.eye(len(rows)), lower=True)
        outcomes = relative_outcomes(kept)
        weights = cho_solve(factor, outcomes)
        variance = max(float(outcomes @ weights) / len(rows), 1e-12)
        return Surrogate(kept, neighbourhood, columns, tasks, rows, np.tril(factor[0]), weights, variance)

    def expected(self, vector: Floats, strategies: Sequence[Strategy]) -> tuple[Floats, Floats]:
        """(C,) expected relative outcomes on a task, and the (C, C) covariance of what is not known of them."""
        rows = self.columns(strategies)
        to_tasks = _of_tasks(self.neighbourhood.distances(vector[None]), self.neighbourhood.width)[0][self.tasks]
        between = _of_rows(rows, self.rows) * to_tasks
        left = solve_triangular(self.factor, between.T, lower=True)
        return between @ self.weights, self.variance * (_of_rows(rows, rows) - left.T @ left)

    def distance(self, vector: Floats) -> float:
        """Of a task from the nearest known one, in widths of the neighbourhood."""
        return float(self.neighbourhood.distances(vector[None]).min() / self.neighbourhood.width)


def cautious(expected: Floats, covariance: Floats) -> Floats:
    """(C,) expected outcomes less half a standard deviation: what lies at the edge of all that was tried is unsure."""
    worth: Floats = expected - CAUTION * np.sqrt(np.clip(np.diag(covariance), 0, None))
    return worth


def relative_outcomes(groups: Sequence[Sequence[Experience]]) -> Floats:
    """Outcomes of one task after the other, less the task's mean; the whole has mean 0, and variance 1 where it varies.

    They are divided by the largest first: whatever is finite can be added up then, and squared.
    """
    largest = max(abs(one.outcome) for group in groups for one in group) or 1.0
    outcomes = [np.array([one.outcome for one in group]) / largest for group in groups]
    overall = float(np.concatenate(outcomes).mean())
    found = np.concatenate([one - (one.sum() + overall) / (len(one) + 1) for one in outcomes])
    centred: Floats = found - found.mean()
    spread = float(centred.std())
    return centred / spread if spread > ROUNDING else np.zeros_like(centred)


def newest(groups: Sequence[Sequence[Experience]], most: int) -> list[list[Experience]]:
    """So many experiences at most: the newest of every task, then the next newest of every task, and so on."""
    if sum(map(len, groups)) <= most:
        return [list(group) for group in groups]
    turns = zip_longest(*(list(enumerate(reversed(group))) for group in reversed(groups)))
    chosen = {id(one[1]) for one in [one for one in chain.from_iterable(turns) if one][:most]}
    kept = [[one for one in group if id(one) in chosen] for group in groups]
    return [group for group in kept if group]


def _told(strategy: Strategy) -> dict[str, float | str]:
    own = {f"architecture_params.{name}": value for name, value in strategy.architecture_params.items()}
    return {
        "learning_rate": math.log10(strategy.learning_rate),
        "batch_size": math.log2(strategy.batch_size),
        "num_epochs": math.log2(strategy.num_epochs),
        "regularization": math.log10(max(strategy.regularization, LEAST)),
        **{
            name: str(value) if isinstance(value, str | bool) else math.copysign(math.log1p(abs(value)), value)
            for name, value in own.items()
        },
    }


def _of_tasks(between: Floats, width: float) -> Floats:
    near: Floats = COMMON + (1 - COMMON) * np.exp(-((between / (REACH_OF_TASK * width)) ** 2) / 2)
    return near


def _of_rows(left: Floats, right: Floats) -> Floats:
    squared = distances(left, right) ** 2 * left.shape[1]
    near: Floats = np.exp(-squared / REACH_OF_CONFIGURATION**2 / 2)
    return near
