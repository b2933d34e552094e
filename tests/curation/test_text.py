from hypothesis import given
from hypothesis import strategies as st

from onward.curation import example_id
from onward.curation._text import normalise, words


@given(st.text())
def test_normalising_twice_is_normalising_once(text):
    assert normalise(normalise(text)) == normalise(text)


def test_case_width_space_and_invisible_marks_do_not_make_another_example():
    assert example_id("Where is my card?") == example_id("  ｗｈｅｒｅ is\u200b MY\n card?")
    assert example_id("Where is my card?") != example_id("Where is my car?")


def test_the_id_is_the_same_for_good():
    assert example_id("hello") == "2cf24dba5fb0a30e26e83b2ac5b9e29e"


def test_ideographs_are_words_of_their_own():
    assert words("我的卡 card") == ["我", "的", "卡", "card"]


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_has_an_id(text):
    assert len(example_id(text)) == 32
