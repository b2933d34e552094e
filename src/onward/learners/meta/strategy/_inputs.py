"""The support set of a task as arrays that no value can upset."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from onward.learners.meta.tasks import MetaLearningTask

Floats = NDArray[np.float64]

LARGEST: Final = 512  # examples looked at: the landmarks cost its cube
SEEDS: Final = 2**32  # as many as k-means takes
SAME: Final = 1e-7  # a column whose values differ by less, relative to its largest, is constant


@dataclass(frozen=True)
class Support:
    """A support set, each column of inputs divided by its largest magnitude.

    Args:
        raw: (n, d) inputs in [-1, 1]; what was not finite is the column's mean.
        largest: (d,) the largest finite magnitude of each column.
        missing: share of the inputs that is not finite, in [0, 1].
        whole: share of the inputs that are whole numbers, in [0, 1].
        labels: (n,) class indices from 0 on, or None for regression.
        targets: (n, m) standardised real targets; (n, 0) for classification.
        total: examples there are; n is at most 512 of them, chosen by what they hold and not by where they stand.
    """

    raw: Floats
    largest: Floats
    missing: float
    whole: float
    labels: NDArray[np.intp] | None
    targets: Floats
    total: int

    @cached_property
    def z(self) -> Floats:
        """(n, d) inputs with mean 0 and variance 1 in each column; constant columns are 0."""
        return standardised(self.raw)

    @cached_property
    def gram(self) -> Floats:
        """(n, n) inner products of the examples, divided by d."""
        product: Floats = self.z @ self.z.T / self.z.shape[1]
        return product


def support_of(task: MetaLearningTask) -> Support:
    """The arrays of a task's support set. The query set is not looked at, as its labels are what is to be predicted."""
    x, y = task.support_set
    values = _flat(x)
    classes = y.ndim == 1 and not y.is_floating_point()
    known = y.detach().cpu().numpy() if classes else _flat(y)
    rows = _rows(values, known)
    labels, targets = None, np.zeros((len(rows), 0))
    if classes:
        labels = np.unique(known[rows], return_inverse=True)[1]
    else:
        targets = standardised(_scaled(known[rows])[0])
    values = values[rows]
    finite = np.isfinite(values)
    raw, largest = _scaled(values)
    whole = float(np.mean(np.equal(values, np.round(values)) & finite))
    return Support(raw, largest, float(1 - finite.mean()), whole, labels, targets, len(x))


def number_of(value: Any) -> float:
    """A number, a tensor's or an array's only one among them, as a float; what is none is not a number.

    >>> number_of(np.float32(0.5)), number_of(torch.tensor([2])), number_of("0.5")
    (0.5, 2.0, nan)
    """
    try:
        return math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return math.nan


def standardised(values: Floats) -> Floats:
    """Columns with mean 0 and variance 1; constant ones are 0."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    varies = spread > SAME
    return np.where(varies, centred / np.where(varies, spread, 1.0), 0.0)


def _flat(tensor: torch.Tensor) -> Floats:
    """(n, d) float64, with one column at least."""
    values: Floats = tensor.detach().to("cpu", torch.float64).numpy().reshape(len(tensor), int(tensor[0].numel()))
    return values if values.shape[1] else np.zeros((len(values), 1))


def _rows(values: Floats, known: NDArray[Any]) -> NDArray[np.intp]:
    """Which examples are looked at: in the order of a number that each gets from what it holds.

    An example's number is made of those of its cells, a column's of its cells, a class's of its examples, each a sum of
    hashes, which has no order; twice over, so that columns that hold the same are told apart by their neighbours
    (colour refinement, Weisfeiler and Leman 1968). So neither the order of examples nor that of columns counts, nor how
    classes are numbered.

    Args:
        values: (n, d) inputs.
        known: (n,) class labels, or (n, m) real targets.
    """
    if len(values) <= LARGEST:
        return np.arange(len(values))
    labels = np.unique(known, return_inverse=True)[1] if known.ndim == 1 else np.zeros(len(values), np.intp)
    cells = _hashed(values.view(np.uint64))
    if known.ndim > 1:
        cells = np.hstack([cells, ~_hashed(known.view(np.uint64))])
    numbers = np.zeros(len(values), np.uint64)
    for _ in range(2):
        columns = _hashed(cells + numbers[:, None]).sum(axis=0)
        numbers = _hashed(cells + columns).sum(axis=1)
        classes = np.zeros(labels.max() + 1, np.uint64)
        np.add.at(classes, labels, _hashed(numbers))
        numbers = _hashed(numbers + classes[labels])
    chosen: NDArray[np.intp] = np.argsort(numbers, kind="stable")[np.linspace(0, len(values) - 1, LARGEST).astype(int)]
    return chosen


def _hashed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Whole numbers spread over 64 bits: the last steps of SplitMix64 (Steele, Lea and Flood 2014)."""
    found = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    found = (found ^ (found >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return found ^ (found >> np.uint64(31))


def _scaled(values: Floats) -> tuple[Floats, Floats]:
    """Columns divided by their largest finite magnitude, and that."""
    finite = np.isfinite(values)
    largest = np.where(finite, np.abs(values), 0.0).max(axis=0)
    held = np.where(finite, values, 0.0) / np.where(largest > 0, largest, 1.0)
    mean = held.sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
    return np.where(finite, held, mean), largest
