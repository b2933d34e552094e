from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from benchmarks.real_data import banking77, folder, snips

from onward.core import Damaged, InvalidInput
from onward.monitoring.drift import TextReference, text_drift
from onward.monitoring.drift._file import write
from onward.monitoring.drift._text import Card

WORDS = {
    "bank": ["card", "money", "transfer", "pin", "account", "top", "up", "fee", "charged", "lost"],
    "music": ["play", "song", "by", "artist", "new"],
}
ALL = ("classifier", "mmd", "js")


def texts(kind: str, count: int, seed: int) -> list[str]:
    chance = random.Random(seed)
    return [" ".join(chance.choices(WORDS[kind], k=6)) for _ in range(count)]


def lengths(some: Sequence[str]) -> np.ndarray:
    return np.array([[len(text), text.count("e"), text.count("p")] for text in some], dtype=float)


@pytest.mark.parametrize("grams", ["char", "word"])
def test_other_words_are_drift_and_the_same_are_not(grams: str) -> None:
    held = TextReference.of(texts("bank", 200, 0), grams=grams)
    assert all(one.drifted for one in text_drift(held, texts("music", 100, 1), method=ALL).columns)
    same = text_drift(held, texts("bank", 100, 1), method=ALL)
    assert not same.drifted
    assert [(one.column, one.method) for one in same.columns] == [("n-grams", one) for one in ALL]


@pytest.mark.parametrize("made", [True, False])
def test_embeddings_are_compared_where_both_sides_have_them(made: bool) -> None:
    before, now = texts("bank", 150, 0), texts("music", 150, 1)
    held = TextReference.of(before, embeddings=lengths if made else lengths(before))
    report = text_drift(held, now, embeddings=lengths if made else lengths(now), method=ALL)
    assert [(one.column, one.method) for one in report.columns][3:] == [
        ("embeddings", "classifier"),
        ("embeddings", "mmd"),
    ]
    assert all(one.drifted for one in report.columns)
    assert len(text_drift(held, now).columns) == 1


def test_a_stored_reference_holds_no_text_and_answers_as_before(tmp_path: Path) -> None:
    before = [f"{text} secret{i}" for i, text in enumerate(texts("bank", 1500, 0))]
    held = TextReference.of(before, embeddings=lengths)
    path = held.save(tmp_path / "texts")
    assert b"secret" not in path.read_bytes()
    back = TextReference.load(path)
    assert (back.texts, back.rows.shape[0]) == (1500, 1000)
    now = texts("music", 60, 3)
    found = text_drift(back, now, embeddings=lengths, method=ALL)
    assert found == text_drift(held, now, embeddings=lengths, method=ALL)


def test_tensors_that_do_not_fit_are_damage(tmp_path: Path) -> None:
    write(tmp_path / "odd", Card("char", 30, 30), {"at": np.zeros(3, np.uint16), "ends": np.zeros(3, np.int64)})
    with pytest.raises(Damaged, match="something else"):
        TextReference.load(tmp_path / "odd")


def test_texts_can_be_compared_with_texts() -> None:
    assert not text_drift(texts("bank", 100, 0), texts("bank", 100, 1)).drifted


def test_texts_without_any_n_gram() -> None:
    report = text_drift([" "] * 30, [""] * 30, method=ALL)
    assert not report.drifted


def test_false_alarms_on_the_same_kind_of_text() -> None:
    alarms = {"mmd": 0, "js": 0}
    for seed in range(20):
        report = text_drift(
            texts("bank", 60, seed), texts("bank", 60, 1000 + seed), method=[*alarms], correction="none"
        )
        for one in report.columns:
            alarms[one.method] += one.drifted
    assert max(alarms.values()) <= 5  # 20 draws at 5 %: more than 5 three times in ten thousand


@pytest.mark.skipif(folder() is None, reason="ONWARD_DATA has no data sets")
def test_real_texts() -> None:
    bank, intents = banking77()[0], snips()[0]
    order = np.random.default_rng(0).permutation(len(bank)).tolist()
    one, other = ([bank[i].text for i in order[half::2]] for half in (0, 1))
    held = TextReference.of(one)
    assert not text_drift(held, other, method=ALL).drifted
    assert all(found.drifted for found in text_drift(held, [row.text for row in intents], method=ALL).columns)
    labels = sorted({row.label for row in bank})
    first = TextReference.of([row.text for row in bank if row.label in labels[:38]])
    second = [row.text for row in bank if row.label in labels[38:]]
    assert all(found.drifted for found in text_drift(first, second, method=ALL).columns)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"texts": ["a"] * 5}, "needs 20 rows"),
        ({"texts": "one text" * 20}, "no text"),
        ({"texts": [None] * 30}, "no text"),
        ({"sample": 3}, "needs 20 rows"),
        ({"sample": -1}, "needs 20 rows"),
        ({"grams": "letters"}, "no n-grams of 'letters'. Known: char, word"),
        ({"embeddings": np.zeros((3, 4))}, r"shape \(3, 4\) do not fit 30 texts"),
        ({"embeddings": np.full((30, 4), np.nan)}, "do not fit"),
        ({"embeddings": np.zeros(30)}, "do not fit"),
        ({"embeddings": np.full((30, 2), "a")}, "do not fit"),
        ({"embeddings": lambda some: np.zeros((1, 2))}, "do not fit"),
    ],
)
def test_what_is_no_reference_of_texts_is_refused(change: dict[str, object], told: str) -> None:
    options = {"texts": texts("bank", 30, 0), **change}
    with pytest.raises(InvalidInput, match=told):
        TextReference.of(options.pop("texts"), **options)


def test_what_does_not_fit_the_reference_is_refused() -> None:
    before = texts("bank", 30, 0)
    held = TextReference.of(before, embeddings=lengths)
    for options, told in (
        ({"method": "psi"}, "no method psi. Known: classifier, js, mmd"),
        ({"method": []}, "empty list"),
        ({"embeddings": np.zeros((30, 9))}, "had 3 dimensions and have 9"),
        ({"correction": "no"}, "no correction"),
    ):
        with pytest.raises(InvalidInput, match=told):
            text_drift(held, before, **options)
    with pytest.raises(InvalidInput, match="reference has no embeddings"):
        text_drift(TextReference.of(before), before, embeddings=lengths)
