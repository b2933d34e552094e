"""Near duplicates: texts whose sets of words overlap by at least a given Jaccard similarity.

The search is exact. Put the words of every text in one order, rare ones first: two texts can only be that similar when
they share one of their first `n - ceil(threshold * n) + 1` words (prefix filtering, Bayardo, Ma and Srikant 2007,
doi:10.1145/1242572.1242591). For short texts at 0.9 that is one or two rare words, so that few pairs are left to
compare. MinHash with bands (Broder 1997) leaves no fewer, and may miss a pair, which would leak an evaluation text
into training. Shingles are single words: in short texts longer ones find nothing but exact copies.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING

from ._text import words

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class WordSets:
    """Texts as sets of word numbers; the rarer the word, the lower its number.

    Args:
        starts: where each text's words begin in `flat`; one more entry than texts.
        flat: word numbers, ascending within each text.
        keys: `text * vocabulary + word`, ascending: to ask whether a text has a word.
        bits: 64 bits for each text, every word setting one: two texts that differ in k bits differ in k words or more.
    """

    starts: Ints
    flat: Ints
    keys: Ints
    bits: NDArray[np.uint64]
    vocabulary: int

    @property
    def sizes(self) -> Ints:
        return self.starts[1:] - self.starts[:-1]


def word_sets(texts: Sequence[str], tasks: Sequence[str | None] = ()) -> WordSets:
    """The sets of words of normalised texts, each of at least one word; at least one text.

    Args:
        tasks: the few-shot task of each text, where any has one: texts of different tasks have no word in common.
    """
    import numpy as np

    rows = [
        dict.fromkeys(words(text) if task is None else ((task, word) for word in words(text)))
        for text, task in zip_longest(texts, tasks)
    ]
    every = list(chain.from_iterable(rows))
    numbers = {word: number for number, word in enumerate(dict.fromkeys(every))}
    starts = np.cumsum([0, *map(len, rows)], dtype=np.int64)
    flat = np.fromiter(map(numbers.__getitem__, every), np.int64, len(every))
    by_rarity = np.argsort(np.bincount(flat, minlength=len(numbers)), kind="stable")
    rank = np.empty(len(numbers), np.int64)
    rank[by_rarity] = np.arange(len(numbers))
    keys = np.sort(np.repeat(np.arange(len(rows)), np.diff(starts)) * len(numbers) + rank[flat])
    flat = keys % max(1, len(numbers))
    bits = np.bitwise_or.reduceat(np.uint64(1) << (flat % 64).astype(np.uint64), starts[:-1])
    return WordSets(starts, flat, keys, bits, len(numbers))


def _pick(starts: Ints, lengths: Ints) -> Ints:
    """The positions `start, start + 1, ... start + length - 1` of every pair, one after the other."""
    import numpy as np

    ends = np.cumsum(lengths)
    return np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(starts - ends + lengths, lengths)


def _ones(bits: NDArray[np.uint64]) -> Ints:
    """How many bits are set."""
    import numpy as np

    u = np.uint64
    bits = bits - ((bits >> u(1)) & u(0x5555555555555555))
    bits = (bits & u(0x3333333333333333)) + ((bits >> u(2)) & u(0x3333333333333333))
    bits = (bits + (bits >> u(4))) & u(0x0F0F0F0F0F0F0F0F)
    return ((bits * u(0x0101010101010101)) >> u(56)).astype(np.int64)


def _similar(sets: WordSets, left: Ints, right: Ints, threshold: float) -> Mask:
    """Which pairs of texts reach the threshold."""
    import numpy as np

    sizes = sets.sizes
    most = (1 - threshold) / (1 + threshold) * (sizes[left] + sizes[right])
    found: Mask = (
        np.maximum(np.abs(sizes[left] - sizes[right]), _ones(sets.bits[left] ^ sets.bits[right])) <= most + 1e-9
    )
    left, right = left[found], right[found]
    asked = sets.flat[_pick(sets.starts[left], sizes[left])]
    keys = np.repeat(right, sizes[left]) * sets.vocabulary + asked
    at = np.minimum(np.searchsorted(sets.keys, keys), len(sets.keys) - 1)
    pair = np.repeat(np.arange(len(left)), sizes[left])
    shared: Ints = np.bincount(pair[sets.keys[at] == keys], minlength=len(left))
    found[found] = shared >= threshold * (sizes[left] + sizes[right] - shared) - 1e-9
    return found


def _prefixes(sets: WordSets, threshold: float) -> tuple[Ints, Ints]:
    """(word, text) of every word in a text's prefix, by word, then by text."""
    import numpy as np

    sizes = sets.sizes
    lengths = np.minimum(sizes, sizes - np.ceil(threshold * sizes - 1e-9).astype(np.int64) + 1)
    word = sets.flat[_pick(sets.starts[:-1], lengths)]
    text = np.repeat(np.arange(len(sizes)), lengths)
    order = np.argsort(word, kind="stable")
    return word[order], text[order]


def _rank_in_group(group: Ints) -> Ints:
    import numpy as np

    first = np.flatnonzero(np.r_[True, group[1:] != group[:-1]]) if len(group) else np.empty(0, np.int64)
    return np.arange(len(group)) - np.repeat(first, np.diff(np.r_[first, len(group)]))


def nearest(sets: WordSets, leads: Mask, follows: Mask, threshold: float) -> Ints:
    """For each text that `follows` the number of a near duplicate that `leads`, else -1.

    A text may be in both masks; then it follows only texts before it and, once it follows one, leads no more, so that
    what follows one text is a cluster around it. Every text that only follows is compared with every candidate among
    those that only lead until one is found: none is missed.
    """
    import numpy as np

    found = np.full(len(leads), -1, np.int64)
    word, text = _prefixes(sets, threshold)
    lead_word, lead_text = word[leads[text]], text[leads[text]]
    rank = _rank_in_group(lead_word)
    word, text = word[follows[text]], text[follows[text]]
    groups = np.bincount(lead_word, minlength=sets.vocabulary)
    by_rank = np.argsort(rank, kind="stable")
    bounds = np.cumsum(np.r_[0, np.bincount(rank)])
    leader = np.full(sets.vocabulary, -1, np.int64)
    for turn in range(len(bounds) - 1):
        here = by_rank[bounds[turn] : bounds[turn + 1]]
        here = here[found[lead_text[here]] < 0]
        if not len(here):
            continue
        leader[lead_word[here]] = lead_text[here]
        _follow(sets, leader[word], text, follows, found, threshold)
        leader[lead_word[here]] = -1
        left = (found[text] < 0) & (groups[word] > turn + 1)
        word, text = word[left], text[left]
    return found


def _follow(sets: WordSets, leader: Ints, text: Ints, follows: Mask, found: Ints, threshold: float) -> None:
    """Let every text follow its leader where it is near it; writes into `found`."""
    able = (leader >= 0) & ((leader < text) | ~follows[leader])
    leader, text = leader[able], text[able]
    near = _similar(sets, leader, text, threshold)
    found[text[near]] = leader[near]
