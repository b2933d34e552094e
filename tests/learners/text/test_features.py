import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.learners.text._features import BLOCKS, Features, fit_features, grow_features

TEXTS = ["refund my order", "Refund the ORDER!", "what a lovely day", "order a lovely refund 🙂"]

anything = st.text(st.characters(codec=None), max_size=60)


def dense(features: Features, texts: list[str]) -> np.ndarray:
    return features.rows(texts).toarray()


def test_words_pairs_and_repeated_trigrams_are_looked_at():
    features, _ = fit_features(TEXTS, limit=1000)
    assert {"refund", "🙂", "!", "my order", " <re", " nd>"} <= set(features.columns)
    assert " <wh" not in features.columns, "a trigram of one text only"


def test_the_fitted_rows_are_the_rows_of_the_texts():
    features, rows = fit_features(TEXTS, limit=1000)
    np.testing.assert_allclose(rows.toarray(), dense(features, TEXTS), atol=1e-7)


def test_rare_terms_weigh_more_and_repeats_weigh_less_than_in_proportion():
    features, _ = fit_features(["same rare", "same", "same"], limit=1000)
    row = dense(features, ["same rare rare rare"])[0]
    same, rare = row[features.columns["same"]], row[features.columns["rare"]]
    idf = (np.log(4 / 2) + 1) / (np.log(4 / 4) + 1)
    assert rare / same == pytest.approx(idf * (1 + np.log(3)), rel=1e-5)


@given(st.lists(anything, max_size=8))
def test_every_block_of_a_row_has_length_one_or_is_empty(texts: list[str]):
    features, _ = fit_features([*TEXTS, *texts], limit=1000)
    rows = dense(features, texts)
    for block in range(BLOCKS):
        lengths = np.linalg.norm(rows[:, features.blocks == block], axis=1)
        assert all(abs(length - round(length)) < 1e-5 for length in lengths), lengths
        assert set(np.round(lengths)) <= {0.0, 1.0}


@given(st.lists(anything, min_size=1, max_size=8))
def test_a_text_has_the_same_row_in_any_batch(texts: list[str]):
    features, _ = fit_features([*TEXTS, *texts[::2]], limit=1000)
    together = dense(features, texts)
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_array_equal(dense(features, [text])[0], row)


@given(anything)
def test_terms_can_be_saved_and_are_short(text: str):
    features, _ = fit_features([text, text], limit=1000)
    for term in features.columns:
        term.encode("utf8")
        assert len(term) <= 81


def test_the_most_frequent_terms_stay_within_the_limit():
    features, rows = fit_features(["common one", "common two", "common three"], limit=2)
    assert len(features.columns) == rows.shape[1] == 2
    assert "common" in features.columns


def test_growing_keeps_the_old_columns_and_adds_new_ones_behind():
    features, _ = fit_features(TEXTS, limit=1000)
    grown = grow_features(features, ["book a table", "a table for two"], limit=1000)
    old = len(features.columns)
    assert list(grown.columns)[:old] == list(features.columns)
    assert min(grown.columns["book"], grown.columns["a table"]) >= old
    np.testing.assert_array_equal(grown.idf[:old], features.idf)
    np.testing.assert_array_equal(dense(grown, TEXTS)[:, :old], dense(features, TEXTS))


@pytest.mark.parametrize("limit", [0, 5, 10_000])
def test_growing_stops_at_the_limit(limit: int):
    features, _ = fit_features(TEXTS, limit=4)
    grown = grow_features(features, ["entirely other words"], limit=limit)
    assert len(grown.columns) == max(4, min(limit, len(grown.columns)))


def test_no_texts_no_rows():
    features, _ = fit_features(TEXTS, limit=1000)
    assert features.rows([]).shape == (0, len(features.columns))
