from collections import Counter

import pytest
import spacy
from hypothesis import given
from hypothesis import strategies as st

from onward.core import Entity, Example, Labels
from onward.learners.text.spacy import _pipeline
from onward.learners.text.spacy._pipeline import outputs, slots_for
from onward.learners.text.spacy._rows import joined, labels_in, readable, rows_of

NLP = spacy.blank("en")


def example(text="to Berlin now", split="train", **labels):
    return Example(id=text, text=text, labels=Labels(**labels), split=split)


def made(*examples, labels=None):
    counts = Counter()
    docs = [NLP.make_doc(readable(e.text)) for e in examples]
    return rows_of(NLP, examples, docs, labels or labels_in(examples), counts), counts


def spans(row):
    return [(e.text, e.label_) for e in row.reference.ents]


def test_each_head_gets_the_examples_that_speak_of_it():
    rows, counts = made(
        example("a", intent="x"),
        example("b", sentiment="y", split="validation"),
        example("c", intent="x", entities=(Entity(0, 1, "Z"),)),
    )
    sizes = {head: (len(kept.train), len(kept.validation)) for head, kept in rows.items()}
    assert sizes == {"intent": (2, 0), "sentiment": (0, 1), "entities": (1, 0)}
    assert not counts


def test_no_entities_said_is_not_the_same_as_said_to_be_none():
    rows, _ = made(example("a", intent="x"), example("b b", entities=()), example("c", entities=(Entity(0, 1, "Z"),)))
    assert [row.reference.has_annotation("ENT_IOB") for row in rows["entities"].train] == [True, True]
    assert spans(rows["entities"].train[0]) == []


@pytest.mark.parametrize(
    ("start", "end", "text", "adjusted"),
    [
        (3, 9, "Berlin", False),
        (2, 10, "Berlin", False),
        (3, 11, "Berlin", True),
        (3, 6, "Berlin", True),
        (1, 9, "Berlin", True),
    ],
)
def test_a_span_off_the_tokens_is_moved_to_them_and_counted(start, end, text, adjusted):
    rows, counts = made(example(entities=(Entity(start, end, "CITY"),)))
    assert spans(rows["entities"].train[0]) == [(text, "CITY")]
    assert counts == ({"adjusted: entity off the tokens": 1} if adjusted else {})


@pytest.mark.parametrize(
    ("entities", "reason"),
    [
        ((Entity(3, 99, "CITY"),), "entity outside the text"),
        ((Entity(-1, 2, "CITY"),), "entity outside the text"),
        ((Entity(5, 5, "CITY"),), "entity outside the text"),
        ((Entity(2, 3, "CITY"),), "entity of blanks only"),
        ((Entity(3, 9, "CITY"), Entity(0, 9, "TRIP")), "entities overlap"),
        ((Entity(3, 9, "CITY"), Entity(0, 2, "!no")), "entity label that spaCy cannot hold"),
    ],
)
def test_what_cannot_be_used_is_skipped_and_counted(entities, reason):
    rows, counts = made(
        example(entities=entities, intent="go"), labels={"entities": ("CITY", "TRIP"), "intent": ("go",)}
    )
    assert rows["entities"].train == []
    assert len(rows["intent"].train) == 1
    assert counts == {f"skipped: {reason}": 1}


def test_an_endless_text_teaches_no_entities_but_its_intent():
    rows, counts = made(example("a " * 2001, intent="x", entities=()), labels={"intent": ("x",), "entities": ("Z",)})
    assert len(rows["intent"].train) == 1
    assert counts == {"skipped: longer than 2000 tokens": 1}
    assert rows["entities"].train == []


@given(st.text(max_size=30), st.lists(st.tuples(st.integers(-2, 32), st.integers(-2, 32)), max_size=3))
def test_any_text_and_offsets_are_rows_or_counted(text, offsets):
    entities = tuple(Entity(a, b, "Z") for a, b in offsets)
    rows, counts = made(example(text, entities=entities), labels={"entities": ("Z",)})
    skipped = sum(n for reason, n in counts.items() if reason.startswith("skipped"))
    assert len(rows["entities"].train) + skipped == 1


@given(st.text(st.characters(exclude_categories=()), max_size=40))
def test_readable_keeps_every_character_in_its_place(text):
    read = readable(text)
    read.encode()
    assert len(read) == max(1, len(text))
    assert all(a == b for a, b in zip(text, read, strict=False) if not "\ud800" <= a <= "\udfff")
    assert NLP.make_doc(read).text == read


def test_readable_is_bounded():
    assert len(readable("a" * 1_000_001)) == 1_000_000


def test_labels_are_sorted_and_empty_ones_left_out():
    found = labels_in([example(intent="b"), example(intent="a"), example(intent=""), example(entities=())])
    assert found == {"intent": ("a", "b"), "entities": ()}
    assert joined(found, {"intent": ("c",), "sentiment": ("d",)}) == {
        "intent": ("a", "b", "c"),
        "sentiment": ("d",),
        "entities": (),
    }


def test_a_lone_label_gets_a_counterpart():
    assert outputs(("a", "b")) == ("a", "b")
    assert outputs(("a",)) == ("a", "not a")


def test_slots_grow_with_the_vocabulary_within_bounds(monkeypatch):
    assert slots_for([NLP.make_doc("few words")]) == 2**14
    monkeypatch.setattr(_pipeline, "FEWEST_SLOTS", 4)
    monkeypatch.setattr(_pipeline, "MOST_SLOTS", 64)
    assert slots_for([NLP.make_doc("a b c d e"), NLP.make_doc("E F")]) == 16
    assert slots_for([NLP.make_doc(" ".join(f"w{i}" for i in range(99)))]) == 64
