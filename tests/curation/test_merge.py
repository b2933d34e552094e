from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from onward.core import Entity
from onward.curation._merge import merge
from onward.curation._records import Claim, Piece


def claim(value, source="given", speaker="u", at=0.0, head="intent", **more):
    return Claim(head, value, source, more.pop("reliability", 1.0), at, speaker, **more)


def piece(number, *claims, text="play it", user=None):
    return Piece("x", text, claims, f"i{number}", user, "live", float(number))


def test_a_correction_beats_any_number_of_given_labels():
    made = merge([*(piece(i, claim("a", speaker=f"u{i}")) for i in range(5)), piece(9, claim("b", "correction", "z"))])
    assert (made.labels.intent, made.source, made.agreed) == ("b", "correction", False)
    assert made.weight == round(1 / 6, 6)


def test_the_majority_of_speakers_wins_however_often_one_speaks():
    loud = [piece(i, claim("b", speaker="loud", at=float(i))) for i in range(20)]
    made = merge([*loud, piece(30, claim("a", speaker="u")), piece(31, claim("a", speaker="v"))])
    assert made.labels.intent == "a"


def test_a_tie_goes_to_the_latest_then_to_the_first_by_name():
    assert (
        merge([piece(1, claim("a", speaker="u", at=1)), piece(2, claim("b", speaker="v", at=2))]).labels.intent == "b"
    )
    assert merge([piece(1, claim("b", speaker="u")), piece(2, claim("a", speaker="v"))]).labels.intent == "a"


def test_agreement_keeps_full_weight():
    made = merge([piece(1, claim("a", speaker="u"), user="u"), piece(2, claim("a", speaker="v"), user="v")])
    assert (made.weight, made.agreed, made.user, made.interactions) == (1.0, True, None, ("i1", "i2"))


def test_a_change_of_mind_keeps_its_weight_but_no_longer_judges():
    made = merge([piece(1, claim("b", "correction"), claim("a"))])
    assert (made.labels.intent, made.weight, made.agreed) == ("b", 1.0, False)


def test_a_replaced_correction_never_wins_but_counts_as_dissent():
    made = merge([piece(1, claim("b", "correction", "u"), claim("a", "correction", "v", standing=False))])
    assert (made.labels.intent, made.weight, made.agreed) == ("b", 0.5, False)


def test_confirmed_views_weigh_less_and_are_named():
    made = merge([piece(1, claim("a"), claim("good", "confirmed", head="sentiment", reliability=0.8))])
    assert made.confirmed == ("sentiment",)
    assert made.weight == round((1 + 0.7 * 0.8) / 2, 6)


def test_the_text_is_the_one_that_the_entities_refer_to():
    marks = (Entity(5, 7, "item"),)
    pieces = [piece(1, claim("a"), text="Play  it"), piece(2, claim("a"), text="Play  it")]
    made = merge([*pieces, piece(3, claim(marks, head="entities"), claim("a"), text="play it")])
    assert (made.text, made.labels.entities) == ("play it", marks)


def test_a_models_view_does_not_dispute_what_people_say():
    made = merge([piece(1, claim("b", "correction", "u"), claim("a", "confirmed", "v"))])
    assert (made.weight, made.agreed) == (1.0, True)
    assert not merge([piece(1, claim("b", "confirmed", "u")), piece(2, claim("a", "confirmed", "v"))]).agreed


CLAIMS = st.builds(
    claim,
    st.sampled_from("ab"),
    st.sampled_from(["correction", "given", "confirmed"]),
    st.sampled_from("uvw"),
    st.sampled_from([0.0, 1.0]),
    head=st.sampled_from(["intent", "sentiment"]),
    reliability=st.sampled_from([0.7, 1.0]),
)


@given(st.lists(st.lists(CLAIMS, min_size=1, max_size=3), min_size=1, max_size=6), st.randoms())
def test_order_does_not_matter(claims, rng):
    pieces = [piece(i, *some) for i, some in enumerate(claims)]
    shuffled = [replace(p, claims=tuple(rng.sample(p.claims, len(p.claims)))) for p in rng.sample(pieces, len(pieces))]
    one, other = merge(sorted(pieces, key=lambda p: p.interaction)), merge(shuffled)
    assert replace(one, weight=0, confirmed=()) == replace(other, weight=0, confirmed=())
    assert abs(one.weight - other.weight) < 1e-5
    assert set(one.confirmed) == set(other.confirmed)
