import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.curation._quality import adequacy, reliability


@pytest.mark.parametrize("rating", ["0.1", None, True, float("nan"), -1, 2, [0.1]])
def test_what_is_no_rating_is_ignored(rating):
    assert reliability("given", {"user_satisfaction": rating}) == 1.0


def test_a_bad_rating_lowers_what_came_with_the_record_but_not_a_correction():
    bad = {"user_satisfaction": 0.0, "response_quality": 0.2}
    assert reliability("given", bad) == pytest.approx(0.55)
    assert reliability("correction", bad) == 1.0
    assert reliability("confirmed", bad, 0.7) == pytest.approx(0.3)


def test_ordinary_text_is_fully_adequate():
    assert adequacy("I still haven't got my new card, what's going on?") == 1.0


def test_symbols_and_repetition_are_less_adequate():
    assert adequacy("a ========== ====") < 0.2
    assert adequacy("spam " * 20) == pytest.approx(0.1)


@given(st.text())
def test_adequacy_is_a_share(text):
    assert 0 <= adequacy(text) <= 1
