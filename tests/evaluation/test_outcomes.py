from dataclasses import replace

import numpy as np
import pytest
from benchmarks.real_data import folder, snips
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, precision_recall_fscore_support

from onward.core import Entity, EvaluationSet, Example, InvalidInput, Labels, Prediction
from onward.evaluation import Outcomes, score, scorecard
from onward.evaluation._outcomes import pooled

PARIS, MONDAY = Entity(0, 5, "city"), Entity(6, 12, "day")


def examined(*labels, name="s"):
    examples = (Example(id=f"{name}{at}", text="t", labels=one, split="evaluation") for at, one in enumerate(labels))
    return EvaluationSet(name=name, examples=tuple(examples), new=True)


def scored(wanted, said, name="s") -> Outcomes:
    return score([Prediction(one) for one in said], examined(*wanted, name=name))


def test_a_head_counts_only_where_the_labels_speak_of_it():
    wanted = [Labels(intent="a"), Labels(intent="a", sentiment="good"), Labels(sentiment="bad")]
    said = [Labels(intent="a", sentiment="bad"), Labels(intent="b", sentiment="good"), Labels(sentiment="good")]
    outcomes = scored(wanted, said)
    assert outcomes.scores.tolist() == [1.0, 0.5, 0.0]
    assert outcomes.heads["intent"].where.tolist() == [0, 1]
    assert outcomes.heads["sentiment"].right.tolist() == [1.0, 0.0]
    assert set(outcomes.heads) == {"intent", "sentiment"}
    assert (outcomes.name, outcomes.new, outcomes.examples) == ("s", True, ("s0", "s1", "s2"))


def test_saying_nothing_where_something_is_wanted_is_wrong():
    outcomes = scored([Labels(intent="a", entities=()), Labels(entities=(PARIS,))], [Labels(), Labels()])
    assert outcomes.accuracy == 0
    card = scorecard([outcomes]).overall
    assert all(
        figure == 0 for head in card.heads.values() for figure in (head.accuracy, head.precision, head.recall, head.f1)
    )


def test_how_many_of_each_label_were_found_is_kept_of_what_is_new():
    wanted = [Labels(intent=intent, entities=()) for intent in "aab"]
    found = scored(wanted, [Labels(intent=intent) for intent in "abb"])
    (card,) = scorecard([found]).sets
    assert card.heads["intent"].labels == {"a": (1, 2), "b": (1, 1)}
    assert card.heads["entities"].labels == {}
    assert scorecard([replace(found, new=False)]).sets[0].heads["intent"].labels == {}


def test_entities_count_by_exact_spans():
    shifted = Entity(0, 4, "city")
    wanted = [Labels(entities=(PARIS, MONDAY)), Labels(entities=()), Labels(entities=()), Labels(entities=(PARIS,))]
    said = [Labels(entities=(PARIS,)), Labels(entities=()), Labels(entities=(PARIS,)), Labels(entities=(shifted,))]
    outcomes = scored(wanted, said)
    assert outcomes.scores == pytest.approx([2 / 3, 1, 0, 0])
    head = scorecard([outcomes]).overall.heads["entities"]
    assert (head.precision, head.recall) == pytest.approx((1 / 3, 1 / 3))
    assert head.f1 == head.accuracy == pytest.approx(1 / 3)


def test_where_nobody_sees_a_span_that_is_right():
    outcomes = scored([Labels(entities=()), Labels(entities=())], [Labels(entities=()), Labels()])
    head = scorecard([outcomes]).overall.heads["entities"]
    assert (head.count, head.accuracy, head.precision, head.recall, head.f1) == (2, 0.5, 0.5, 0.5, 0.5)


def test_examples_without_labels_are_left_out():
    outcomes = scored([Labels(), Labels(intent="a")], [Labels(intent="x"), Labels(intent="a")])
    assert (outcomes.examples, outcomes.accuracy) == (("s1",), 1.0)


def test_one_prediction_per_example_is_needed():
    with pytest.raises(InvalidInput, match="1 predictions for the 2 examples of s"):
        scored([Labels(intent="a"), Labels(intent="a")], [Labels(intent="a")])


def test_an_empty_set_has_no_figures():
    card = scorecard([scored([], [])])
    assert (card.overall.count, card.overall.accuracy, card.overall.heads) == (0, 0.0, {})
    assert scorecard([]).sets == ()


LABEL = st.sampled_from(["a", "b", "c", ""])
SAID = st.one_of(st.none(), LABEL, st.just("never seen"))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(LABEL, SAID), min_size=1, max_size=30))
def test_figures_are_those_of_scikit_learn(answers):
    wanted, said = zip(*answers, strict=True)
    head = scorecard([scored([Labels(intent=w) for w in wanted], [Labels(intent=s) for s in said])]).overall.heads[
        "intent"
    ]
    told = ["<nothing>" if label is None else label for label in said]
    figures = precision_recall_fscore_support(
        wanted, told, labels=sorted(set(wanted)), average="macro", zero_division=0
    )
    assert (head.precision, head.recall, head.f1) == pytest.approx(figures[:3])
    assert head.accuracy == pytest.approx(accuracy_score(wanted, told))


HEADS = st.builds(
    Labels,
    intent=st.sampled_from([None, "a", "b"]),
    sentiment=st.sampled_from([None, "good", "bad"]),
    entities=st.sampled_from([None, (), (PARIS,), (PARIS, MONDAY)]),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(HEADS, HEADS), max_size=20), st.integers(0, 20))
def test_sets_pooled_are_the_sets_as_one(answers, cut):
    wanted, said = [w for w, _ in answers], [s for _, s in answers]
    whole = scored(wanted, said)
    parts = pooled([scored(wanted[:cut], said[:cut]), scored(wanted[cut:], said[cut:])], "s")
    assert parts.scores.tolist() == whole.scores.tolist()
    assert parts.heads.keys() == whole.heads.keys()
    for head in whole.heads:
        np.testing.assert_array_equal(parts.heads[head].where, whole.heads[head].where)
    assert scorecard([parts]).overall == scorecard([whole]).overall


@settings(max_examples=40, deadline=None)
@given(st.lists(HEADS.filter(lambda labels: labels.heads), min_size=1, max_size=20))
def test_the_labels_themselves_are_always_right(wanted):
    card = scorecard([scored(wanted, wanted)])
    assert card.overall.accuracy == 1
    assert all(head.accuracy == head.precision == head.recall == head.f1 == 1 for head in card.overall.heads.values())


@pytest.mark.skipif(folder() is None, reason="ONWARD_DATA names no folder of data sets")
def test_real_texts_with_known_mistakes():
    texts = snips()[1][:300]
    wanted = [Labels(intent=t.label, entities=tuple(Entity(*span) for span in t.entities or ())) for t in texts]
    said = [
        Labels(intent=w.intent if at % 10 else "wrong", entities=(w.entities or ())[:-1]) for at, w in enumerate(wanted)
    ]
    heads = scorecard([scored(wanted, said)]).overall.heads
    spans, missed = sum(len(w.entities or ()) for w in wanted), sum(bool(w.entities) for w in wanted)
    assert heads["intent"].accuracy == pytest.approx(0.9)
    assert heads["entities"].precision == 1
    assert heads["entities"].recall == pytest.approx(1 - missed / spans)
