"""Groups of similar tasks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from onward.core import InvalidInput
from onward.learners.neural import whole

from ._inputs import SEEDS, Floats
from ._similarity import Scale

SUBSTANTIAL: Final = 0.25
MEND: Final = "Give at least one vector, as `TaskEncoder.encode_all` gives them: (T, d) finite numbers."


@dataclass(frozen=True, slots=True)
class TaskClusters:
    """Groups of similar tasks.

    Args:
        labels: the group of each task, from 0 on, numbered by first appearance.
        count: groups there are.
        silhouette: of this grouping, in -1..1; 0 for a single group.
    """

    labels: tuple[int, ...]
    count: int
    silhouette: float


def cluster_tasks(vectors: Floats | Sequence[Sequence[float]], *, most: int = 10, seed: int = 0) -> TaskClusters:
    """Group task vectors by k-means on standardised features; the number of groups is the one of the best silhouette.

    Below a silhouette of 0.25 there is no substantial structure (Kaufman and Rousseeuw 1990) and one group is returned.

    Args:
        vectors: (T, d) as `TaskEncoder.encode_all` gives them.
        most: groups at most, at least 1.
        seed: of k-means; any whole number, of which the remainder by 2**32 counts.

    Raises:
        InvalidInput: there are no vectors, they differ in length or hold what is no finite number, or `most` or `seed`
            is not such a number.

    >>> cluster_tasks(np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.1, 5.0], [5.0, 4.9]])).labels
    (0, 0, 1, 1, 1)
    """
    whole(1, most=most)
    whole(None, seed=seed)
    known = _vectors(vectors)
    scaled = Scale.of(known)(known)
    best = TaskClusters((0,) * len(known), 1, 0.0)
    least = SUBSTANTIAL
    different = len(np.unique(scaled, axis=0))
    for count in range(2, min(most, different, len(known) - 1) + 1):
        labels = KMeans(count, n_init=4, random_state=seed % SEEDS).fit_predict(scaled)
        score = float(silhouette_score(scaled, labels))
        if score > least:
            best, least = TaskClusters(_numbered(labels.tolist()), count, score), score
    return best


def _vectors(given: Floats | Sequence[Sequence[float]]) -> Floats:
    """(T, d), T at least 1, all finite."""
    try:
        vectors = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput("These are no vectors of tasks.", why=f"{error}.", mend=MEND) from error
    if vectors.ndim != 2 or not len(vectors) or not np.isfinite(vectors).all():
        what = "" if np.isfinite(vectors).all() else " that are not all finite"
        raise InvalidInput(f"Numbers of shape {vectors.shape}{what} cannot be put into groups.", mend=MEND)
    return vectors


def _numbered(labels: list[int]) -> tuple[int, ...]:
    order = {label: at for at, label in enumerate(dict.fromkeys(labels))}
    return tuple(order[label] for label in labels)
