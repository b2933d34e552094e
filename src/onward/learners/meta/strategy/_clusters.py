"""Groups of similar tasks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from sklearn.cluster import KMeans
from sklearn.metrics import silhouette_score

from onward.core import InvalidInput

from ._inputs import Floats
from ._similarity import Scale

SUBSTANTIAL: Final = 0.25


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


def cluster_tasks(vectors: Floats, *, most: int = 10, seed: int = 0) -> TaskClusters:
    """Group task vectors by k-means on standardised features; the number of groups is the one of the best silhouette.

    Below a silhouette of 0.25 there is no substantial structure (Kaufman and Rousseeuw 1990) and one group is returned.

    Args:
        vectors: (T, d) as `TaskEncoder.encode_all` gives them.
        most: groups at most, at least 1.
        seed: of k-means.

    Raises:
        InvalidInput: there are no vectors, or `most` is below 1.

    >>> cluster_tasks(np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 5.0], [5.1, 5.0], [5.0, 4.9]])).labels
    (0, 0, 1, 1, 1)
    """
    if not len(vectors) or most < 1:
        raise InvalidInput(f"{len(vectors)} tasks cannot be put into at most {most} groups.", mend="Give one of each.")
    scaled = Scale.of(vectors)(vectors)
    best = TaskClusters((0,) * len(vectors), 1, 0.0)
    least = SUBSTANTIAL
    different = len(np.unique(scaled, axis=0))
    for count in range(2, min(most, different, len(vectors) - 1) + 1):
        labels = KMeans(count, n_init=4, random_state=seed).fit_predict(scaled)
        score = float(silhouette_score(scaled, labels))
        if score > least:
            best, least = TaskClusters(_numbered(labels.tolist()), count, score), score
    return best


def _numbered(labels: list[int]) -> tuple[int, ...]:
    order = {label: at for at, label in enumerate(dict.fromkeys(labels))}
    return tuple(order[label] for label in labels)
