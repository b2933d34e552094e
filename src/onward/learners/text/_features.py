"""Texts as sparse TF-IDF rows: words, word pairs and the character trigrams of words.

The trigrams of a word are looked up once per call, not once per occurrence: this makes the features several times
faster to count than scikit-learn's vectorisers, whose features (`char_wb`, `sublinear_tf`) they otherwise are.
"""

from __future__ import annotations

import re
from collections import ChainMap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import InitVar, dataclass, field
from functools import cache
from itertools import pairwise
from typing import Any, Final, cast
from zlib import crc32

import numpy as np
import numpy.typing as npt
from scipy import sparse

# Long words are cut into pieces, so that no term is longer than 81 characters. Lone surrogates cannot be saved.
TOKEN: Final = re.compile(r"\w{1,40}|[^\w\s\ud800-\udfff]")
MIN_TEXTS_OF_TRIGRAM: Final = 2
WORD, PAIR, TRIGRAM = range(3)
BLOCKS: Final = 3

Floats = npt.NDArray[np.float32]


def _trigrams(word: str) -> list[str]:
    """A leading space tells trigrams from words; the space inside tells pairs from both."""
    framed = f"<{word}>"
    return [" " + framed[i : i + 3] for i in range(len(framed) - 2)]


def _block(term: str) -> int:
    if term[0] == " ":
        return TRIGRAM
    return PAIR if " " in term else WORD


def _known(terms: Iterable[str], column: Callable[[str], int | None]) -> list[int]:
    return [found for term in terms if (found := column(term)) is not None]


def _count(texts: Sequence[str], column: Callable[[str], int | None]) -> tuple[list[int], list[int]]:
    """The column of every occurrence of a known term, text after text, and where each text begins and ends."""
    columns: list[int] = []
    ends = [0]
    of_word: dict[str, list[int]] = {}
    for text in texts:
        words = TOKEN.findall(text.lower())
        for word in words:
            if (found := of_word.get(word)) is None:
                found = of_word[word] = _known((word, *_trigrams(word)), column)
            columns += found
        columns += _known([f"{first} {second}" for first, second in pairwise(words)], column)
        ends.append(len(columns))
    return columns, ends


def _matrix(columns: list[int], ends: list[int], width: int) -> Any:
    cells = np.ones(len(columns), dtype=np.float32), np.array(columns, dtype=np.int32), np.array(ends, dtype=np.int32)
    counts = sparse.csr_matrix(cells, shape=(len(ends) - 1, width))
    counts.sum_duplicates()
    return counts


@dataclass(frozen=True, slots=True)
class Features:
    """What a model looks at in a text.

    Args:
        columns: term -> column, in the order of the columns.
        idf: inverse document frequency by column, at least 1.
        documents: how many texts it was computed from.
    """

    columns: Mapping[str, int]
    idf: Floats
    documents: int
    blocks: npt.NDArray[np.int8] = field(init=False, repr=False)
    known_blocks: InitVar[npt.NDArray[np.int8] | None] = None

    def __post_init__(self, known_blocks: npt.NDArray[np.int8] | None) -> None:
        blocks = np.fromiter(map(_block, self.columns), dtype=np.int8) if known_blocks is None else known_blocks
        object.__setattr__(self, "blocks", blocks)

    def rows(self, texts: Sequence[str]) -> Any:
        """Sparse float32 rows, one per text; each block (words, pairs, trigrams) of a row has length 1 or is empty."""
        return self.weigh(_matrix(*_count(texts, self.columns.get), len(self.idf)))

    def weigh(self, counts: Any) -> Any:
        """Turn counts, in place, into TF-IDF with sublinear term frequency, every block of every row of length 1."""
        return sublinear(counts, self.blocks, self.idf)


def sublinear(counts: Any, blocks: npt.NDArray[np.int8], idf: Floats | None = None) -> Any:
    """Turn counts, in place, into 1 + log(count), times `idf` if given, every block of every row of length 1.

    Args:
        counts: sparse rows.
        blocks: the block of each column, 0..2.
        idf: a factor for each column.
    """
    texts = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
    # In double precision, so that rounding to single hides the order in which a processor adds.
    values = 1.0 + np.log(counts.data.astype(np.float64))
    if idf is not None:
        values *= idf[counts.indices]
    segments = texts * BLOCKS + blocks[counts.indices]
    values /= np.sqrt(np.bincount(segments, values**2))[segments]
    counts.data = values.astype(np.float32)
    return counts


@dataclass(frozen=True, slots=True)
class Blocks:
    """Columns for hashed terms: so many for words, for pairs and for trigrams, one block behind the other.

    >>> Blocks((2, 2, 4)).of_columns.tolist()
    [0, 0, 1, 1, 2, 2, 2, 2]
    """

    widths: tuple[int, int, int]

    @property
    def width(self) -> int:
        """All columns."""
        return sum(self.widths)

    @property
    def of_columns(self) -> npt.NDArray[np.int8]:
        """(width,) the block of each column."""
        return np.repeat(np.arange(BLOCKS, dtype=np.int8), self.widths)

    def column(self, term: str) -> int:
        """Where a term is counted: its CRC-32, within its block."""
        block = _block(term)
        return sum(self.widths[:block]) + crc32(term.encode()) % self.widths[block]


def hashed_counts(texts: Sequence[str], blocks: Blocks) -> Any:
    """Sparse float32 (n, width) counts of all terms of texts, each in the column that its hash says."""
    return _matrix(*_count(texts, cache(blocks.column)), blocks.width)


def fit_features(texts: Sequence[str], limit: int) -> tuple[Features, Any]:
    """The features of texts, at most `limit` (the most frequent), and the texts' rows."""
    terms, frequencies, counts = _survey(texts)
    kept = _most_frequent(np.flatnonzero(_worth_keeping(terms, frequencies)), frequencies, limit)
    columns = {terms[old]: new for new, old in enumerate(kept.tolist())}
    features = Features(columns, _idf(frequencies[kept], len(texts)), len(texts))
    return features, features.weigh(counts[:, kept])


def grow_features(features: Features, texts: Sequence[str], limit: int) -> Features:
    """The same features in the same columns, and behind them those that only these texts have, up to `limit` in all."""
    terms, frequencies, _ = _survey(texts)
    worth = _worth_keeping(terms, frequencies)
    fresh = [i for i, term in enumerate(terms) if worth[i] and term not in features.columns]
    kept = _most_frequent(np.array(fresh, dtype=np.intp), frequencies, max(limit - len(features.columns), 0))
    columns = {**features.columns, **{terms[i]: len(features.columns) + j for j, i in enumerate(kept.tolist())}}
    documents = max(features.documents, len(texts))
    return Features(columns, np.concatenate([features.idf, _idf(frequencies[kept], documents)]), documents)


def extended(features: Features, texts: Sequence[str]) -> Features:
    """The same features and, behind them, every other term of a few texts; quick, as the old ones are shared."""
    terms, frequencies, _ = _survey(texts)
    fresh = [i for i, term in enumerate(terms) if term not in features.columns]
    own = {terms[i]: len(features.idf) + j for j, i in enumerate(fresh)}
    blocks = np.concatenate([features.blocks, np.fromiter(map(_block, own), dtype=np.int8)])
    idf = np.concatenate([features.idf, _idf(frequencies[fresh], features.documents)])
    known = cast("dict[str, int]", features.columns)
    return Features(ChainMap(own, known), idf, features.documents, blocks)


def _survey(texts: Sequence[str]) -> tuple[list[str], npt.NDArray[np.intp], Any]:
    """Every term of the texts, in how many texts it is, and the counts."""
    columns: dict[str, int] = {}
    found, ends = _count(texts, lambda term: columns.setdefault(term, len(columns)))
    counts = _matrix(found, ends, len(columns))
    return list(columns), np.bincount(counts.indices, minlength=len(columns)), counts


def _worth_keeping(terms: list[str], frequencies: npt.NDArray[np.intp]) -> npt.NDArray[np.bool_]:
    trigrams = np.fromiter((_block(term) == TRIGRAM for term in terms), dtype=np.bool_, count=len(terms))
    return ~trigrams | (frequencies >= MIN_TEXTS_OF_TRIGRAM)


def _most_frequent(
    candidates: npt.NDArray[np.intp], frequencies: npt.NDArray[np.intp], limit: int
) -> npt.NDArray[np.intp]:
    if len(candidates) <= limit:
        return candidates
    return np.sort(candidates[np.argsort(-frequencies[candidates], kind="stable")[:limit]])


def _idf(frequencies: npt.NDArray[np.intp], documents: int) -> Floats:
    return (np.log((1 + documents) / (1 + frequencies)) + 1.0).astype(np.float32)
