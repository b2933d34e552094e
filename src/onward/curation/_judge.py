"""A cheap second opinion on labels: naive Bayes over hashed words and word pairs, never asked about what it learned.

Naive Bayes (Maron 1961) counts every word as independent evidence and is far too sure of itself: almost every second
opinion would be certain. The words of a text say about as much as the square root of their number would independently,
so the log likelihood ratios are divided by that root, which brings the confidences near to the hit rate (measured in
benchmarks/curation.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any
from zlib import crc32

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Floats = NDArray[np.float32]
    Mask = NDArray[np.bool_]

FOLDS = 3
BUCKETS = 2**14
SMOOTHING = 0.1


def features(tokens: Sequence[Sequence[str]]) -> Any:
    """Texts, as their words, as a sparse matrix: texts x buckets of words and word pairs, 0 or 1 (hashing trick)."""
    import numpy as np
    from scipy.sparse import csr_array

    flat = list(chain.from_iterable(tokens))
    hashes = {word: crc32(word.encode()) for word in set(flat)}
    single = np.fromiter(map(hashes.__getitem__, flat), np.uint64, len(flat))
    text = np.repeat(np.arange(len(tokens)), np.fromiter(map(len, tokens), np.int64, len(tokens)))
    inside = np.flatnonzero(text[1:] == text[:-1])
    pairs = (single[inside] * np.uint64(0x9E3779B97F4A7C15) + single[inside + 1]) >> np.uint64(20)
    buckets = np.concatenate([single, pairs]) % np.uint64(BUCKETS)
    cells = np.unique(np.concatenate([text, text[inside]]) * BUCKETS + buckets.astype(np.int64))
    starts = np.searchsorted(cells, np.arange(len(tokens) + 1) * BUCKETS)
    return csr_array((np.ones(len(cells), np.float32), cells % BUCKETS, starts), shape=(len(tokens), BUCKETS))


def folds_of(tokens: Sequence[Sequence[str]]) -> Ints:
    """A fold for each text, by its set of words, so that a text's near copies do not vouch for it."""
    import numpy as np

    return np.array([crc32(" ".join(sorted(set(row))).encode()) % FOLDS for row in tokens], dtype=np.int64)


def _counts(matrix: Any, codes: Ints, classes: int) -> Floats:
    """How often each bucket occurs in each class; classes x buckets."""
    import numpy as np
    from scipy.sparse import csr_array

    ones = np.ones(len(codes), np.float32)
    members = csr_array((ones, (codes, np.arange(len(codes)))), shape=(classes, len(codes)))
    counted: Floats = (members @ matrix).toarray()
    return counted


def second_opinions(matrix: Any, codes: Ints, classes: int, learns: Mask, folds: Ints) -> Floats:
    """Probability of each class for each text; texts x classes.

    A text of fold f is judged by what learns (`learns`, with a code >= 0) in the other folds.
    """
    import numpy as np

    opinions = np.zeros((len(codes), classes), np.float32)
    learns = learns & (codes >= 0)
    for fold in range(FOLDS):
        taught, asked = learns & (folds != fold), folds == fold
        counts = _counts(matrix[taught], codes[taught], classes) + SMOOTHING
        weights = np.log(counts) - np.log(counts.sum(axis=1, keepdims=True))
        prior = np.log(np.bincount(codes[taught], minlength=classes) + 1e-3).astype(np.float32)
        opinions[asked] = matrix[asked] @ weights.T + prior
    return _softened(opinions, np.asarray(matrix.sum(axis=1)).ravel())


def _softened(logs: Any, sizes: Floats) -> Floats:
    import numpy as np

    logs = logs / np.sqrt(np.maximum(sizes, np.float32(1)))[:, None]
    logs = np.exp(logs - logs.max(axis=1, keepdims=True))
    soft: Floats = logs / logs.sum(axis=1, keepdims=True)
    return soft
