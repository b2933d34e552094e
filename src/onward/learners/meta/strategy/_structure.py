"""What the labels of a task say: how many classes, how even, how far apart, and how well simple learners do."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import silhouette_score

from ._inputs import SAME, Floats, Support

RIDGE: Final = 0.1
TIED: Final = 1e-9
CLASSES: Final = (
    "ways", "shots", "fewest_shots", "balance", "largest_class", "between_scatter", "between_to_within", "silhouette",
    "closest_classes", "one_shot",
)  # fmt: skip
LANDMARKS: Final = ("nearest_centroid", "nearest_neighbour", "ridge")
TARGETS: Final = ("target_skewness", "target_kurtosis")


def structure(support: Support) -> dict[str, float]:
    """Class structure and leave-one-out scores of landmarks, each of the order of 1; 0 where there is none to tell.

    Landmarks after Pfahringer, Bensusan and Giraud-Carrier 2000; scatter and silhouette as in Rivolli et al. 2022 and
    Lorena et al. 2019. A landmark's accuracy is corrected for chance: 0 is guessing, 1 is perfect. For regression it
    is the leave-one-out R^2, at least -1.
    """
    found = dict.fromkeys(("regression", *CLASSES, *LANDMARKS, *TARGETS), 0.0)
    if support.labels is None:
        return found | {"regression": 1.0} | _of_targets(support)
    counts = np.bincount(support.labels)
    found |= _sizes(counts) | _scatter(support, support.labels, counts)
    if len(counts) > 1 and counts.max() > 1:
        found |= _landmarks(support, support.labels, counts)
    return found


def _sizes(counts: NDArray[np.intp]) -> dict[str, float]:
    share = counts / counts.sum()
    entropy = -(share * np.log(share)).sum()
    return {
        "ways": float(np.log10(len(counts))),
        "shots": float(np.log10(counts.mean())),
        "fewest_shots": float(np.log10(counts.min())),
        "balance": float(entropy / np.log(len(counts))) if len(counts) > 1 else 1.0,
        "largest_class": float(share.max()),
        "one_shot": float(np.mean(counts == 1)),
    }


def _scatter(support: Support, labels: NDArray[np.intp], counts: NDArray[np.intp]) -> dict[str, float]:
    """Between and within scatter, the silhouette, and how much closer the closest classes are than any two."""
    n, ways = len(labels), len(counts)
    centroids = _centroids(support.z, labels)
    d = support.z.shape[1]
    between = float((counts * (centroids**2).sum(axis=1)).sum() / n / d)
    within = float(((support.z - centroids[labels]) ** 2).sum() / n / d)
    found = dict.fromkeys(("between_scatter", "between_to_within", "silhouette", "closest_classes"), 0.0)
    if ways < 2 or between + within <= SAME:
        return found
    found["between_scatter"] = between / (between + within)
    apart = np.sqrt(_squared(centroids @ centroids.T))[np.triu_indices(ways, 1)]
    found["closest_classes"] = float(apart.min() / apart.mean()) if apart.mean() > SAME else 0.0
    if ways < n:
        ratio = (between / (ways - 1) + 1e-6) / (within / (n - ways) + 1e-6)
        found["between_to_within"] = float(np.clip(np.log10(ratio), -3, 3))
        distances = np.sqrt(_squared(support.gram))
        found["silhouette"] = float(silhouette_score(distances, labels, metric="precomputed"))
    return found


def _landmarks(support: Support, labels: NDArray[np.intp], counts: NDArray[np.intp]) -> dict[str, float]:
    """Chance-corrected leave-one-out accuracy, over the examples whose class has another example."""
    judged = counts[labels] > 1
    rows = np.arange(len(labels))
    distances = _squared(support.gram)
    np.fill_diagonal(distances, np.inf)
    to_centroids = _to_centroids(support, labels)
    own = counts[labels] / np.maximum(counts[labels] - 1, 1)
    to_centroids[rows, labels] *= own**2  # what leaving the example out of its own centroid comes to
    classes = np.eye(len(counts))[labels]
    chance = 1 / len(counts)
    found = {
        "nearest_centroid": _hits(-to_centroids, classes),
        "nearest_neighbour": _hits(-distances, labels[:, None] == labels[None, :]),
        "ridge": _hits(_left_out(support.gram, classes - classes.mean(axis=0)) + classes.mean(axis=0), classes),
    }
    return {name: float((hits[judged].mean() - chance) / (1 - chance)) for name, hits in found.items()}


def _of_targets(support: Support) -> dict[str, float]:
    """Shape of real targets, and leave-one-out R^2 of ridge regression and of the nearest neighbour."""
    y = support.targets
    found = {
        "target_skewness": float(np.log1p(np.abs((y**3).mean(axis=0))).mean()),
        "target_kurtosis": float(np.log1p((y**4).mean(axis=0)).mean()),
    }
    total = float((y**2).sum())
    if len(y) < 3 or total <= SAME:
        return found
    distances = _squared(support.gram)
    np.fill_diagonal(distances, np.inf)
    nearest = _best(-distances)
    near = nearest @ y / nearest.sum(axis=1, keepdims=True)
    for name, told in (("nearest_neighbour", near), ("ridge", _left_out(support.gram, y))):
        found[name] = float(max(1 - ((told - y) ** 2).sum() / total, -1.0))
    return found


def _centroids(z: Floats, labels: NDArray[np.intp]) -> Floats:
    member = np.eye(labels.max() + 1)[labels]
    means: Floats = member.T @ z / member.sum(axis=0)[:, None]
    return means


def _to_centroids(support: Support, labels: NDArray[np.intp]) -> Floats:
    centroids = _centroids(support.z, labels)
    z, d = support.z, support.z.shape[1]
    squared = (z**2).sum(axis=1)[:, None] + (centroids**2).sum(axis=1)[None, :] - 2 * z @ centroids.T
    found: Floats = np.clip(squared / d, 0, None)
    return found


def _squared(products: Floats) -> Floats:
    """Squared distances from inner products."""
    own = np.diag(products)
    found = np.clip(own[:, None] + own[None, :] - 2 * products, 0, None)
    np.fill_diagonal(found, 0.0)
    return found


def _left_out(gram: Floats, y: Floats) -> Floats:
    """What kernel ridge regression tells of each example without it, in closed form (Allen's PRESS, 1974)."""
    inverse = np.linalg.inv(gram + RIDGE * np.eye(len(gram)))
    told: Floats = y - (inverse @ y) / np.diag(inverse)[:, None]
    return told


def _best(scores: Floats) -> NDArray[np.bool_]:
    """Which are the best of each row: all that tie, so that the order of examples and classes is nothing."""
    best = scores.max(axis=1, keepdims=True)
    near: NDArray[np.bool_] = scores >= best - TIED * (1 + np.abs(best))
    return near


def _hits(scores: Floats, right: NDArray[np.generic]) -> Floats:
    """The share of the best of each row that is right."""
    best = _best(scores)
    share: Floats = (best & right.astype(bool)).sum(axis=1) / best.sum(axis=1)
    return share
