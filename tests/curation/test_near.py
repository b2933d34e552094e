import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.curation._near import nearest, word_sets

TEXTS = st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=9).map(" ".join), min_size=1, max_size=25)


def jaccard(one, other):
    a, b = set(one.split()), set(other.split())
    return len(a & b) / len(a | b)


@settings(max_examples=60)
@given(TEXTS, st.sampled_from([0.3, 0.5, 0.6, 0.75, 0.9, 1.0]), st.randoms())
def test_no_follower_is_missed_and_none_is_invented(texts, threshold, rng):
    leads = np.array([rng.random() < 0.4 for _ in texts])
    found = nearest(word_sets(texts), leads, ~leads, threshold)
    for i, text in enumerate(texts):
        near = [j for j in np.flatnonzero(leads) if jaccard(text, texts[j]) >= threshold - 1e-9]
        assert (found[i] in near) if near and not leads[i] else found[i] == -1


@settings(max_examples=60)
@given(TEXTS, st.sampled_from([0.5, 0.75, 0.9]))
def test_clusters_gather_around_an_earlier_text(texts, threshold):
    every = np.ones(len(texts), bool)
    found = nearest(word_sets(texts), every, every, threshold)
    for i, first in enumerate(found.tolist()):
        if first >= 0:
            assert first < i
            assert jaccard(texts[i], texts[first]) >= threshold - 1e-9
        else:
            assert not any(found[j] == -1 and texts[j] == texts[i] for j in range(i))


@pytest.mark.parametrize("extra", [0, 3])
def test_a_flood_around_one_text_is_one_cluster(extra):
    flood = [f"buy our very cheap and shiny watches today with the secret code {i}" for i in range(800)]
    other = [f"text number {i}" for i in range(extra)]
    every = np.ones(len(flood) + extra, bool)
    found = nearest(word_sets(flood + other), every, every, 0.8)
    assert found.tolist() == [-1] + [0] * 799 + [-1] * extra


def test_many_texts_of_few_words_are_compared_exactly():
    rng = random.Random(0)
    texts = [" ".join(rng.choices("abcdefghijklmno", k=8)) for _ in range(300)]
    leads = np.arange(300) < 60
    found = nearest(word_sets(texts), leads, ~leads, 0.7)
    expected = [not leads[i] and any(jaccard(t, texts[j]) >= 0.7 for j in range(60)) for i, t in enumerate(texts)]
    assert (found >= 0).tolist() == expected
