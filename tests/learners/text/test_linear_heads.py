import numpy as np
import pytest

from onward.learners.text._features import fit_features
from onward.learners.text._shared import deadline
from onward.learners.text.linear._heads import Lesson, fit_head, update_head

NEVER, AT_ONCE = deadline(None), deadline(0.0)
WORDS = {"a": "apple apricot", "b": "banana berry", "c": "cherry citrus"}


def lesson(labels: str, trust: float = 1.0, seed: int = 0) -> Lesson:
    texts = [f"{WORDS[label]} {i}" for i, label in enumerate(labels)]
    _, rows = fit_features([*WORDS.values(), *texts], limit=1000)
    return Lesson(rows[len(WORDS) :], list(labels), np.full(len(labels), trust), seed)


@pytest.mark.parametrize("labels", ["ab", "abc", "abc" * 30, "ab" * 30, "a" * 60 + "b"])
def test_it_learns_its_lesson(labels: str):
    taught = lesson(labels)
    head, whole = fit_head(taught, NEVER)
    chosen, sure = head.choose(taught.rows)
    assert whole
    assert [head.labels[i] for i in chosen] == list(labels)
    assert all(1 / len(head.labels) <= confidence <= 1 for confidence in sure)


def test_one_label_is_certain():
    taught = lesson("aaaa")
    head, whole = fit_head(taught, AT_ONCE)
    assert whole
    assert head.choose(taught.rows) == ([0, 0, 0, 0], [1.0] * 4)


def test_out_of_time_the_draft_answers_with_every_label():
    taught = lesson("a" * 100 + "b" * 100 + "c")
    head, whole = fit_head(taught, AT_ONCE)
    assert not whole
    assert head.labels == ("a", "b", "c")
    assert [head.labels[i] for i in head.choose(taught.rows)[0]] == taught.labels


def test_confidence_follows_how_often_it_is_right():
    rng = np.random.default_rng(0)
    honest = lesson("ab" * 300)
    noisy = Lesson(honest.rows, rng.permutation(honest.labels).tolist(), honest.trust, 0)
    sure, unsure = (np.mean(fit_head(taught, NEVER)[0].choose(taught.rows)[1]) for taught in (honest, noisy))
    assert sure > 0.95
    assert unsure < 0.8


def test_distrusted_labels_yield_to_trusted_ones():
    taught = lesson("ab" * 30)
    wrong = ["b" if label == "a" else "a" for label in taught.labels]
    trust = np.concatenate([np.full(60, 1.0), np.full(60, 0.01)])
    rows = np.arange(120) % 60
    head, _ = fit_head(Lesson(taught.rows[rows], taught.labels + wrong, trust, 0), NEVER)
    assert [head.labels[i] for i in head.choose(taught.rows)[0]] == taught.labels


def test_an_update_teaches_a_new_label_and_keeps_the_old():
    taught = lesson("ab" * 20 + "c" * 5)
    head, _ = fit_head(Lesson(taught.rows[:40, :50], taught.labels[:40], taught.trust[:40], 0), NEVER)
    updated, whole = update_head(head, Lesson(taught.rows[30:], taught.labels[30:], taught.trust[30:], 0), NEVER)
    assert whole
    assert updated.labels == ("a", "b", "c")
    assert [updated.labels[i] for i in updated.choose(taught.rows)[0]] == taught.labels
    assert head.labels == ("a", "b"), "the champion is left as it was"


def test_an_update_leaves_labels_alone_that_it_does_not_see():
    taught = lesson("abc" * 20)
    head, _ = fit_head(taught, NEVER)
    seen = [i for i, label in enumerate(taught.labels) if label != "c"]
    updated, _ = update_head(head, Lesson(taught.rows[seen], [taught.labels[i] for i in seen], np.ones(40), 0), NEVER)
    np.testing.assert_array_equal(updated.weights[:, 2], head.weights[:, 2])
    assert not np.array_equal(updated.weights[:, 0], head.weights[:, 0])


def test_an_update_of_one_label_only_changes_nothing():
    taught = lesson("aaaa")
    head, _ = fit_head(taught, NEVER)
    updated, whole = update_head(head, taught, NEVER)
    assert whole
    np.testing.assert_array_equal(updated.weights, head.weights)


def test_out_of_time_an_update_is_the_champion():
    taught = lesson("abc" * 20)
    head, _ = fit_head(taught, NEVER)
    updated, whole = update_head(head, taught, AT_ONCE)
    assert not whole
    np.testing.assert_array_equal(updated.weights, head.weights)


def test_contradictions_do_not_warn():
    taught = lesson("ab" * 300)
    _, rows = fit_features(["the same"] * 600, limit=10)
    head, _ = fit_head(Lesson(rows, taught.labels, taught.trust, 0), NEVER)
    assert head.choose(rows)[1][0] == pytest.approx(0.5, abs=0.1)


def test_labels_that_occur_once_each_cannot_be_held_out():
    texts = [f"word{i} thing{i}" for i in range(50)]
    _, rows = fit_features(texts, limit=1000)
    head, _ = fit_head(Lesson(rows, [f"label{i:02}" for i in range(50)], np.ones(50), 0), NEVER)
    assert head.choose(rows)[0] == list(range(50))
