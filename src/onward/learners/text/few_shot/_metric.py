"""When two texts are alike: a learned metric on TF-IDF rows, and the prototypes that it compares with.

A row x is taken to the vector (g * x, W x): every term under a learned weight g, and a learned linear projection W of
all of them, which knows that terms which never meet may mean the same. Likeness is the cosine of two such vectors.
Without training, g = 1 and W = 0, it is the cosine of the rows.

A label's prototype is the mean of its examples (Snell, Swersky and Zemel 2017, arXiv:1703.05175).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from onward.learners.text._features import Features, Floats, extended

TINY: Final = 1e-9

Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Metric:
    """What makes texts alike.

    Args:
        features: V terms.
        weights: (V,) squares of the terms' weights.
        projection: (P, d) of the first P terms; the others are not projected.
        scale: what cosines are multiplied by before they are turned into probabilities, above 0.
    """

    features: Features
    weights: Floats
    projection: Floats
    scale: float


@dataclass(frozen=True, slots=True, eq=False)
class Prototypes:
    """What the examples of each of C labels have in common.

    Args:
        labels: C names, in order.
        rows: (C, V) sparse, float32: the mean row of each label.
    """

    labels: tuple[str, ...]
    rows: Any


def prototypes_of(rows: Any, labels: Sequence[str], trust: Sequence[float]) -> Prototypes:
    """The prototype of each label: the mean of its rows, weighted by how far they are trusted.

    Args:
        rows: (n, V) sparse; n is at least 1.
        labels: n names.
        trust: n weights above 0.
    """
    names, codes = np.unique(np.array(labels, dtype=object), return_inverse=True)
    weights = np.asarray(trust, np.float64)
    shares = weights / np.bincount(codes, weights)[codes]
    mean = sparse.csr_matrix((shares, (codes, np.arange(len(codes)))), shape=(len(names), len(codes)))
    return Prototypes(tuple(names.tolist()), (mean @ rows).tocsr().astype(np.float32))


def knowing(metric: Metric, texts: Sequence[str]) -> Metric:
    """The metric with every term of these texts: one that was never learned counts by itself."""
    features = extended(metric.features, texts)
    more = np.ones(len(features.idf) - len(metric.weights), np.float32)
    return Metric(features, np.concatenate([metric.weights, more]), metric.projection, metric.scale)


def cosines(metric: Metric, prototypes: Prototypes, rows: Any) -> Doubles:
    """(n, C) likeness of n rows to the prototypes, -1..1; 0 for a row without a known term."""
    mine, mine_length = _projected(metric, rows)
    theirs, theirs_length = _projected(metric, prototypes.rows)
    weighed = prototypes.rows.multiply(metric.weights[None, :]).tocsr()
    same = (rows @ weighed.T).toarray() + mine @ theirs.T
    likeness: Doubles = same / np.maximum(mine_length[:, None] * theirs_length[None, :], TINY)
    return likeness


def _projected(metric: Metric, rows: Any) -> tuple[Doubles, Doubles]:
    """The projections of rows, and the lengths of their whole vectors."""
    projected = np.asarray(rows[:, : len(metric.projection)] @ metric.projection, np.float64)
    squares = rows.multiply(rows) @ metric.weights.astype(np.float64)
    return projected, np.sqrt(np.asarray(squares).ravel() + (projected**2).sum(axis=1))


def probabilities(metric: Metric, likeness: Doubles) -> Doubles:
    """(n, C) probabilities of the labels."""
    logits = metric.scale * likeness
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    soft: Doubles = shares / shares.sum(axis=1, keepdims=True)
    return soft
