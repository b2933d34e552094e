"""Tests of all columns together, on samples of rows: maximum mean discrepancy and a domain classifier."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from onward.core import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Points = NDArray[np.float32]

SHUFFLES: Final = 499
PAIRED_ROWS: Final = 500  # of each side, for what grows with their square
LEAST: Final = 20  # rows of each side


def mmd(before: Points, now: Points, seed: int) -> tuple[float, float, float]:
    """Statistic, effect, p-value of the maximum mean discrepancy (Gretton et al., JMLR 13, 2012).

    The unbiased estimate with a Gaussian kernel as wide as the median distance of the rows; the p-value by shuffling
    who came first. The effect is its root, 0 (no difference) to 1.4.

    Args:
        before: (rows, axes).
        now: (rows, axes).
        seed: of the sample of at most 500 rows each, and of the shuffles.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    before, now = _some(before, rng), _some(now, rng)
    squared = _distances(np.concatenate([before, now]))
    width = float(np.median(squared[np.triu_indices(len(squared), 1)]))
    kernel = np.exp(-squared / width) if width > 0 else (squared == 0).astype(np.float32)
    return shuffled_mmd(kernel, len(before), rng)


def shuffled_mmd(kernel: Points, before: int, rng: np.random.Generator) -> tuple[float, float, float]:
    """The same of a kernel (rows, rows), of which the first so many came before."""
    import numpy as np

    np.fill_diagonal(kernel, 0.0)
    sides = np.zeros((len(kernel), SHUFFLES + 1), np.float32)
    sides[:before] = 1.0
    sides[:, 1:] = rng.permuted(sides[:, 1:], axis=0)
    n, m = before, len(kernel) - before
    within = np.einsum("ij,ij->j", sides, kernel @ sides, dtype=np.float64)
    across = kernel.sum(axis=1, dtype=np.float64) @ sides - within
    rest = kernel.sum(dtype=np.float64) - within - 2 * across
    found = within / (n * (n - 1)) + rest / (m * (m - 1)) - 2 * across / (n * m)
    return float(found[0]), float(np.sqrt(max(found[0], 0.0))), share_beyond(found)


def share_beyond(found: NDArray[np.float64]) -> float:
    """Of shuffled statistics, the true one first: the share that is as large as it, itself included."""
    return float((found >= found[0] - 1e-9 * abs(found[0])).mean())


def _some(points: Points, rng: np.random.Generator) -> Points:
    if len(points) <= PAIRED_ROWS:
        return points
    chosen: Points = points[rng.choice(len(points), PAIRED_ROWS, replace=False)]
    return chosen


def _distances(points: Points) -> Points:
    """Squared distances, (rows, rows)."""
    import numpy as np

    lengths = np.einsum("ij,ij->i", points, points)
    squared: Points = np.maximum(lengths[:, None] + lengths - 2 * points @ points.T, 0.0)
    return squared


def domain_classifier(before: Any, now: Any, seed: int, model: Any) -> tuple[float, float, float]:
    """Statistic, effect, p-value of how well a classifier tells new rows from old ones (Lopez-Paz and Oquab 2017).

    It learns from one half of the rows and is judged on the other: the statistic is the area under its ROC curve, the
    effect is how far that is from chance, 0 to 0.5, the p-value that of Mann and Whitney's test of its scores
    (one-sided).

    Args:
        before: (rows, axes), dense or sparse.
        now: (rows, axes).
        seed: of the halves.
        model: a scikit-learn classifier with `predict_proba`.
    """
    import numpy as np
    from scipy import sparse
    from scipy.stats import mannwhitneyu

    rng = np.random.default_rng(seed)
    count = np.array([before.shape[0], now.shape[0]])
    rows = sparse.vstack([before, now], format="csr") if sparse.issparse(before) else np.concatenate([before, now])
    kind = np.repeat([0, 1], count)
    halves = [rng.permutation(np.flatnonzero(kind == side)) for side in (0, 1)]
    learn = np.concatenate([half[: len(half) // 2] for half in halves])
    judge = np.concatenate([half[len(half) // 2 :] for half in halves])
    scores = model.fit(rows[learn], kind[learn]).predict_proba(rows[judge])[:, 1]
    old, new = scores[kind[judge] == 0], scores[kind[judge] == 1]
    test = mannwhitneyu(new, old, alternative="greater", method="asymptotic")
    area = float(test.statistic) / (len(old) * len(new))
    return area, max(area - 0.5, 0.0), float(test.pvalue)


def forest(seed: int) -> Any:
    """The classifier for tables and embeddings."""
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(100, min_samples_leaf=5, class_weight="balanced", n_jobs=1, random_state=seed)


def enough(before: int, now: int, method: str) -> None:
    """Raise where a side has too few rows for a test of whole tables."""
    if min(before, now) < LEAST:
        raise InvalidInput(
            f"{method} needs {LEAST} rows of each side; there are {before} and {now}.",
            mend="Collect more, keep a sample in the reference, or test column by column.",
        )
