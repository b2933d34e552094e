from __future__ import annotations

import numpy as np
import pytest
from benchmarks.real_data import banking77, folder
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.monitoring.drift import estimate_accuracy


def answers(count: int, seed: int, power: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and answers that are right exactly as often as these say."""
    rng = np.random.default_rng(seed)
    sure = rng.random(count) ** power
    return sure, rng.random(count) < sure


@pytest.mark.parametrize("method", ["atc", "calibrated"])
def test_without_shift_it_is_the_accuracy_of_the_reference(method: str) -> None:
    sure, right = answers(4000, 0)
    found = estimate_accuracy(answers(4000, 1)[0], sure, right, method=method)
    assert found.accuracy == pytest.approx(0.5, abs=0.03)
    assert found.low < 0.5 < found.high
    assert (found.reference, found.rows, found.method) == (right.mean(), 4000, method)


def test_where_confidence_means_the_same_calibration_follows_a_shift() -> None:
    sure, right = answers(5000, 0)
    now, truth = answers(5000, 1, power=3.0)
    found = estimate_accuracy(now, sure, right, method="calibrated")
    assert found.low <= truth.mean() <= found.high
    assert found.accuracy < found.reference - 0.2


def test_the_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    covered = 0
    for seed in range(60):
        sure, right = answers(300, seed)
        found = estimate_accuracy(answers(300, 1000 + seed)[0], sure, right, method="atc", level=0.9)
        covered += found.low <= 0.5 <= found.high
    assert covered >= 46  # 60 draws at 90 %: fewer than 46 once in a thousand


def test_thresholded_confidence_of_the_reference_is_its_accuracy() -> None:
    for seed in range(5):
        sure, right = answers(200, seed)
        for held in (sure, sure.round(1)):  # with ties too
            assert estimate_accuracy(held, held, right).accuracy == pytest.approx(right.mean())


@pytest.mark.parametrize(("right", "expected"), [(1, 1.0), (0, 0.0)])
@pytest.mark.parametrize("method", ["atc", "calibrated"])
def test_always_right_and_always_wrong(method: str, right: int, expected: float) -> None:
    sure = np.linspace(0, 1, 50)
    found = estimate_accuracy(sure, sure, np.full(50, right), method=method)
    assert (found.accuracy, found.low, found.high) == (expected, expected, expected)


def test_more_than_is_drawn_narrows_the_interval() -> None:
    sure, right = answers(60_000, 0)
    wide = estimate_accuracy(sure[:500], sure[:500], right[:500])
    narrow = estimate_accuracy(sure, sure, right)
    assert narrow.high - narrow.low < (wide.high - wide.low) / 5


@settings(deadline=None, max_examples=8)
@given(
    st.lists(st.floats(0, 1), min_size=10, max_size=40),
    st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=10, max_size=40),
    st.sampled_from(["atc", "calibrated"]),
)
def test_it_is_a_share_within_its_interval(now: list[float], before: list[tuple[float, bool]], method: str) -> None:
    found = estimate_accuracy(now, [sure for sure, _ in before], [right for _, right in before], method=method)
    assert 0 <= found.low <= found.accuracy <= found.high <= 1


@pytest.mark.skipif(folder() is None, reason="ONWARD_DATA has no data sets")
def test_fewer_known_texts_are_seen_on_real_data() -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    train, test = banking77()
    some = sorted({row.label for row in train})[:20]
    learn = [row for row in train if row.label in some]
    model = make_pipeline(TfidfVectorizer(), LogisticRegression(C=10))
    model.fit([row.text for row in learn], [row.label for row in learn])
    known, strange = ([row for row in test if (row.label in some) == side] for side in (True, False))

    def judged(rows: list[object]) -> tuple[np.ndarray, np.ndarray]:
        chances = model.predict_proba([row.text for row in rows])
        said = model.classes_[chances.argmax(axis=1)]
        return chances.max(axis=1).clip(0, 1), said == np.array([row.label for row in rows])

    sure, right = judged(known[::2])
    now, truth = judged([*known[1::2], *strange[:200]])
    found = estimate_accuracy(now, sure, right)
    assert truth.mean() < right.mean() - 0.2
    assert found.high < found.reference  # it sees the harm, if not all of it


GOOD = np.linspace(0, 1, 20)


@pytest.mark.parametrize(
    "change",
    [
        {"confidences": GOOD[:3]},
        {"confidences": GOOD + 0.5},
        {"confidences": np.full(20, np.nan)},
        {"confidences": np.zeros((20, 2))},
        {"confidences": ["a"] * 20},
        {"reference_confidences": GOOD[:15]},
        {"reference_correct": np.full(20, 0.5)},
        {"reference_correct": ["yes"] * 20},
        {"method": "doc"},
        {"level": 1.0},
    ],
)
def test_bad_input_is_refused(change: dict[str, object]) -> None:
    good = {"confidences": GOOD, "reference_confidences": GOOD, "reference_correct": GOOD > 0.5}
    with pytest.raises(InvalidInput):
        estimate_accuracy(**{**good, **change})
