"""Drift of texts: of the pieces of words and the words in them, and of embeddings where there are some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from onward.core import Damaged, InvalidInput

from ._drift import decided, whole
from ._figures import js_distance
from ._file import read, write
from ._records import ColumnDrift, DriftReport
from ._whole import PAIRED_ROWS, SHUFFLES, domain_classifier, enough, share_beyond, shuffled_mmd

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Grams = Literal["char", "word"]
Embed = Callable[[Sequence[str]], Any]

HASHED: Final = 4096
SAMPLE: Final = 1000
LONGEST: Final = 2000  # characters of a text that are looked at
DIMENSIONS: Final = 4096
TESTS: Final = ("classifier", "mmd", "js")
GRAMS: Final[dict[str, tuple[str, tuple[int, int]]]] = {"char": ("char_wb", (3, 4)), "word": ("word", (1, 2))}


@dataclass(frozen=True, slots=True)
class Card:
    """What a stored reference of texts says of itself."""

    grams: Grams
    texts: int
    kept: int


@dataclass(frozen=True, slots=True, eq=False)
class TextReference:
    """At most 1,000 sampled texts, each as the hashed n-grams in it; no text can be read from it. At most 24 MiB.

    Args:
        grams: "char" (3 and 4 characters within words) or "word" (words and pairs of them).
        texts: how many there were.
        rows: sparse (texts kept, 4,096), 1 where a text has an n-gram of that hash.
        embeddings: float32 (texts kept, dimensions), or None.
    """

    grams: Grams
    texts: int
    rows: Any
    embeddings: NDArray[np.float32] | None

    @classmethod
    def of(
        cls,
        texts: Sequence[str],
        *,
        embeddings: Embed | NDArray[Any] | None = None,
        grams: Grams = "char",
        sample: int = SAMPLE,
        seed: int = 0,
    ) -> TextReference:
        """Summarise texts.

        Args:
            texts: in any order.
            embeddings: one row for each text, or a function from texts to rows; none where left out.
            grams: what to look at.
            sample: texts to keep, at most 1,000.
            seed: of the sample.

        Raises:
            InvalidInput: fewer than 20 texts, something else than texts, or embeddings that do not fit them.

        >>> before = TextReference.of(["where is my card", "my card is lost"] * 20)
        >>> before.texts, before.rows.shape
        (40, (40, 4096))
        """
        if grams not in GRAMS:
            raise InvalidInput(f"There are no n-grams of {grams!r}.", options=GRAMS)
        chosen = _chosen(texts, min(sample, SAMPLE), seed)
        return cls(grams, len(texts), _hashed([texts[i] for i in chosen], grams), _embedded(texts, chosen, embeddings))

    def save(self, path: str | PathLike[str]) -> Path:
        """Write it to one file (safetensors; nothing is pickled), in whole or not at all.

        Raises:
            Unavailable: the file cannot be written.
        """
        import numpy as np

        tensors = {"at": self.rows.indices.astype(np.uint16), "ends": self.rows.indptr.astype(np.int64)}
        if self.embeddings is not None:
            tensors["embeddings"] = self.embeddings
        return write(Path(path), Card(self.grams, self.texts, self.rows.shape[0]), tensors)

    @classmethod
    def load(cls, path: str | PathLike[str]) -> TextReference:
        """Read back what `save` wrote.

        Raises:
            NotFound: there is no such file.
            Damaged: it is not what was saved.
        """
        import numpy as np
        from scipy import sparse

        card, tensors = read(Path(path), Card)
        if not {"at", "ends"} <= tensors.keys() or len(tensors["ends"]) != card.kept + 1:
            raise Damaged(f"{path} is no reference of texts.", why="It holds something else.")
        at = tensors["at"].astype(np.int32)
        held = np.ones(len(at), np.float32), at, tensors["ends"].astype(np.int32)
        rows = sparse.csr_matrix(held, shape=(card.kept, HASHED))
        return cls(card.grams, card.texts, rows, tensors.get("embeddings"))


def text_drift(
    reference: TextReference | Sequence[str],
    texts: Sequence[str],
    *,
    embeddings: Embed | NDArray[Any] | None = None,
    method: str | Sequence[str] = "classifier",
    correction: str = "holm",
    level: float = 0.05,
    min_effect: float | None = None,
    seed: int = 0,
) -> DriftReport:
    """Compare texts with those of a reference: "n-grams", and "embeddings" where both sides have them.

    Tests are on samples of at most 1,000 texts a side (mmd and js: 500), so more texts do not make smaller changes
    alarming.

    Args:
        reference: what `TextReference.of` or `.load` gave, or texts (summarised on the spot).
        texts: the current ones.
        embeddings: one row for each current text, or a function from texts to rows.
        method: one or several. "classifier": can a logistic regression (embeddings: a forest) tell new texts from old?
            "mmd": maximum mean discrepancy, of n-grams by their cosine. "js", n-grams only: Jensen-Shannon distance of
            how often each is used; the effect is what goes beyond the distance that shuffled texts have.
        correction: over all tests of the report: "holm", "bh" or "none".
        level: 0..1; chance of a false alarm after the correction.
        min_effect: smallest effect that counts; `EFFECTS` where left out, and 0 for js.
        seed: of samples and shuffles.

    Raises:
        InvalidInput: an unknown method or correction, too few texts, or embeddings that do not fit.

    >>> cards = [f"where is my {kind} card number {i}" for i in range(40) for kind in ("blue", "red")]
    >>> music = [f"play the {kind} song by artist {i}" for i in range(40) for kind in ("new", "old")]
    >>> text_drift(cards, music).drifted
    True
    """
    named = (method,) if isinstance(method, str) else tuple(method)
    unknown = [one for one in named if one not in TESTS]
    if unknown or not named:
        raise InvalidInput(f"There is no method {', '.join(unknown) or 'in an empty list'}.", options=TESTS)
    before = reference if isinstance(reference, TextReference) else TextReference.of(reference, seed=seed)
    if embeddings is not None and before.embeddings is None:
        raise InvalidInput("The reference has no embeddings.", mend="Give TextReference.of the same embeddings=.")
    chosen = _chosen(texts, SAMPLE, seed)
    rows = _hashed([texts[i] for i in chosen], before.grams)
    tests = [_grams(one, before.rows, rows, seed) for one in named]
    after = _embedded(texts, chosen, embeddings)
    if after is not None and before.embeddings is not None:
        tests += _embeddings([one for one in named if one != "js"], before.embeddings, after, seed)
    least = {"js": 0.0} if min_effect is None else min_effect
    return decided(tests, correction=correction, level=level, min_effect=least, tolerated=0.0)


def _chosen(texts: Sequence[str], most: int, seed: int) -> list[int]:
    import numpy as np

    if isinstance(texts, str) or not all(isinstance(text, str) for text in texts):
        raise InvalidInput("Something here is no text.", mend="Hand in a list of strings.")
    enough(len(texts), min(len(texts), max(most, 0)), "The drift of texts")
    kept = np.random.default_rng(seed).choice(len(texts), min(most, len(texts)), replace=False)
    return sorted(kept.tolist())


def _hashed(texts: Sequence[str], grams: Grams) -> Any:
    """1 where a text has an n-gram of that hash: sparse (texts, HASHED)."""
    import numpy as np
    from sklearn.feature_extraction.text import HashingVectorizer

    analyzer, lengths = GRAMS[grams]
    hashing = HashingVectorizer(
        analyzer=analyzer,
        ngram_range=lengths,
        n_features=HASHED,
        binary=True,
        norm=None,
        alternate_sign=False,
        dtype=np.float32,
    )
    return hashing.transform([text[:LONGEST] for text in texts])


def _embedded(
    texts: Sequence[str], chosen: Sequence[int], embeddings: Embed | NDArray[Any] | None
) -> NDArray[np.float32] | None:
    import numpy as np

    if embeddings is None:
        return None
    made = callable(embeddings)
    points = np.asarray(embeddings([texts[i] for i in chosen]) if callable(embeddings) else embeddings)
    rows = len(chosen) if made else len(texts)
    fits = points.ndim == 2 and points.shape[0] == rows and 0 < points.shape[1] <= DIMENSIONS
    if not fits or points.dtype.kind not in "iuf" or not np.isfinite(points).all():
        raise InvalidInput(
            f"Embeddings of shape {points.shape} do not fit {rows} texts.",
            mend=f"One row of 1 to {DIMENSIONS} finite numbers for each text.",
        )
    return (points if made else points[list(chosen)]).astype(np.float32)


def _grams(method: str, before: Any, now: Any, seed: int) -> ColumnDrift:
    enough(before.shape[0], now.shape[0], method)
    if method == "classifier":
        from sklearn.linear_model import LogisticRegression

        model = LogisticRegression(max_iter=200, class_weight="balanced")
        statistic, effect, chance = domain_classifier(before, now, seed, model)
    else:
        statistic, effect, chance = _shuffled(method, before, now, seed)
    rows = before.shape[0], now.shape[0]
    return ColumnDrift("n-grams", "text", method, statistic, effect, 0.0, chance, chance, False, *rows)


def _shuffled(method: str, before: Any, now: Any, seed: int) -> tuple[float, float, float]:
    """Tests that shuffle who came first, on at most `PAIRED_ROWS` texts a side."""
    import numpy as np
    from scipy import sparse
    from sklearn.preprocessing import normalize

    rng = np.random.default_rng(seed)
    picked = [rows[rng.permutation(rows.shape[0])[:PAIRED_ROWS]] for rows in (before, now)]
    rows, count = sparse.vstack(picked, format="csr"), picked[0].shape[0]
    if method == "mmd":
        unit = normalize(rows)
        return shuffled_mmd((unit @ unit.T).toarray(), count, rng)
    return _jensen_shannon(rows, count, rng)


def _jensen_shannon(rows: Any, before: int, rng: np.random.Generator) -> tuple[float, float, float]:
    import numpy as np

    sides = np.zeros((SHUFFLES + 1, rows.shape[0]), np.float32)
    sides[:, :before] = 1.0
    sides[1:] = rng.permuted(sides[1:], axis=1)
    old = (rows.T @ sides.T).T.astype(np.float64)
    new = np.asarray(rows.sum(axis=0), np.float64) - old
    totals = [np.maximum(one.sum(axis=1, keepdims=True), 1.0) for one in (old, new)]  # texts without any n-gram
    distance = js_distance(old / totals[0], new / totals[1])
    return float(distance[0]), max(float(distance[0] - distance[1:].mean()), 0.0), share_beyond(distance)


def _embeddings(
    methods: Sequence[str], before: NDArray[np.float32], now: NDArray[np.float32], seed: int
) -> list[ColumnDrift]:
    if before.shape[1] != now.shape[1]:
        raise InvalidInput(f"Embeddings had {before.shape[1]} dimensions and have {now.shape[1]} now.")
    return [whole(one, before, now, seed, "text", "embeddings") for one in methods]
