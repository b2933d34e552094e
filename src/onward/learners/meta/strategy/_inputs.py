"""The support set of a task as arrays that no value can upset."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from onward.learners.meta.tasks import MetaLearningTask

Floats = NDArray[np.float64]

LARGEST: Final = 512  # examples looked at: the landmarks cost its cube
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
    rows = _rows(values)
    labels, targets = None, np.zeros((len(rows), 0))
    if y.ndim == 1 and not y.is_floating_point():
        labels = np.unique(y.detach().cpu().numpy()[rows], return_inverse=True)[1]
    else:
        targets = standardised(_scaled(_flat(y)[rows])[0])
    values = values[rows]
    finite = np.isfinite(values)
    raw, largest = _scaled(values)
    whole = float(np.mean(np.equal(values, np.round(values)) & finite))
    return Support(raw, largest, float(1 - finite.mean()), whole, labels, targets, len(x))


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


def _rows(values: Floats) -> NDArray[np.intp]:
    """Which examples are looked at: by the order of their bytes, so that a shuffled task gives the same."""
    if len(values) <= LARGEST:
        return np.arange(len(values))
    order = sorted(range(len(values)), key=lambda at: values[at].tobytes())
    chosen: NDArray[np.intp] = np.array(order)[np.linspace(0, len(values) - 1, LARGEST).astype(int)]
    return chosen


def _scaled(values: Floats) -> tuple[Floats, Floats]:
    """Columns divided by their largest finite magnitude, and that."""
    finite = np.isfinite(values)
    largest = np.where(finite, np.abs(values), 0.0).max(axis=0)
    held = np.where(finite, values, 0.0) / np.where(largest > 0, largest, 1.0)
    mean = held.sum(axis=0) / np.maximum(finite.sum(axis=0), 1)
    return np.where(finite, held, mean), largest
