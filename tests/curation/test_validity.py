import pytest

from onward.core import Entity
from onward.curation._validity import label_name, sound_entities, text_fault


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (" \n\t", "text is empty"),
        ("a" * 21, "text is too long"),
        ("a\x00b", "text has control characters"),
        ("a\ud800b", "text has control characters"),
        ("?! ... \U0001f600", "text has no letters or digits"),
        ("_", "text has no letters or digits"),
        ("tab\tand\nline", None),
        ("4", None),
    ],
)
def test_fault(text, fault):
    assert text_fault(text, 20) == fault


@pytest.mark.parametrize(
    "entities",
    [
        (Entity(0, 5, "a"), Entity(4, 6, "b")),
        (Entity(-1, 2, "a"),),
        (Entity(3, 3, "a"),),
        (Entity(5, 11, "a"),),
        (Entity(0, 5, "  "),),
    ],
)
def test_one_bad_span_spoils_all(entities):
    assert sound_entities(entities, "0123456789") is None


def test_spans_may_touch_and_come_by_position():
    found = sound_entities((Entity(5, 10, " b "), Entity(0, 5, "a")), "0123456789")
    assert found == (Entity(0, 5, "a"), Entity(5, 10, "b"))


@pytest.mark.parametrize(("name", "clean"), [(" a ", "a"), ("", None), ("a\x07", None), ("a" * 201, None)])
def test_label_name(name, clean):
    assert label_name(name) == clean
