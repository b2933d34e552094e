"""Personal data: what is found, what is left alone, and that entities stay in their places."""

from collections import Counter
from itertools import pairwise

import pytest
from benchmarks.personal_data import cases, negatives, quality, real_texts
from benchmarks.real_data import folder
from hypothesis import example, given, settings
from hypothesis import strategies as st

from onward.core import Entity, InvalidInput
from onward.curation._personal import Scrubbed, find, scrub
from onward.curation._personal._fold import fold
from onward.curation._personal._kinds import FINDERS, finders, lowered

# Pieces that the finders care about; Hypothesis glues them together.
PIECES = [
    "a@b.co", "jo", "@", ".", "b.example", "+49 30 1234567", "030 1234567", "1234567", "12", " ", ", ", "-", "(", ")", "ext 5",
    "4111 1111 1111 1111", "4111111111111111", "DE89370400440532013000", "DE89 3704 ", "192.0.2.1", "2001:db8::1", "::", "1.",
    "078-05-1120", "ssn ", "password: ", "password is ", "hunter2", "pin ", "0923", "bearer ", "token=", "A1b2C3d4E5f6G7h8I9j0K1",
    "https://", "u:p@", "call ", "order ", "is my number", "€", "[EMAIL]", "[PHONE]", "[", "]", "EMAIL", "\u200b", "１", "é", "密",
    "-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "\0", "\n", '"', "(at)", "\N{COMBINING ACUTE ACCENT}", "v1",
]  # fmt: skip
glued = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
texts = st.one_of(glued, st.text(max_size=80))


@st.composite
def annotated(draw):
    text = draw(texts)
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    labels = draw(st.lists(st.sampled_from(["CITY", "PERSON", "PER", "DATE"]), min_size=4, max_size=4))
    pairs = zip(cuts[::2], cuts[1::2], labels, strict=False)
    return text, [Entity(start, end, label) for start, end, label in pairs if start < end]


def kinds(text):
    return [(span.label, text[span.start : span.end]) for span in find(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mail jo.doe+x@mail.example.co.uk.", [("EMAIL", "jo.doe+x@mail.example.co.uk")]),
        ("'jo@example.com', ok", [("EMAIL", "jo@example.com")]),
        ("?email=jo@example.com&x=1", [("EMAIL", "jo@example.com")]),
        ("联系我user@example.com谢谢", [("EMAIL", "user@example.com")]),
        ("call +1 (212) 555-0198 ext. 12 now", [("PHONE", "+1 (212) 555-0198 ext. 12")]),
        ("ring 030 123456 x123 4567890", [("PHONE", "030 123456 x123")]),
        ("(030) 901820", [("PHONE", "(030) 901820")]),
        ("(ring 030 901820)", [("PHONE", "030 901820")]),
        ("0301234567,0301234568", [("PHONE", "0301234567"), ("PHONE", "0301234568")]),
        ("dial + 44 20 7946 0958", [("PHONE", "+ 44 20 7946 0958")]),
        ("my number is 5551234", [("PHONE", "5551234")]),
        ("5551234 is my number", [("PHONE", "5551234")]),
        ("call me at 410 1234", [("PHONE", "410 1234")]),
        ("it is 410-1234 now", [("PHONE", "410-1234")]),
        ("mi teléfono es 71 123 456", [("PHONE", "71 123 456")]),
        ("Tel.: 62889", [("PHONE", "62889")]),
        ("you can reach us at 20 12 34", [("PHONE", "20 12 34")]),
        ("457 55 5462 is my social security number", [("SSN", "457 55 5462")]),
        ("4111 1111 1111 1111 12/27", [("CARD", "4111 1111 1111 1111")]),
        ("card4111111111111111", [("CARD", "4111111111111111")]),
        ("iban de89 3704 0044 0532 0130 00 please", [("IBAN", "de89 3704 0044 0532 0130 00")]),
        ("from 192.0.2.7:8080", [("IP", "192.0.2.7")]),
        ("at [2001:db8::1]:443", [("IP", "2001:db8::1")]),
        ("it is 2001:db8::1.", [("IP", "2001:db8::1")]),
        ("to ::ffff:192.0.2.128", [("IP", "::ffff:192.0.2.128")]),
        ("ssn 078051120", [("SSN", "078051120")]),
        ("login https://bob:pw1@host.example/x", [("SECRET", "bob:pw1")]),
        ("password: hunter2!", [("SECRET", "hunter2")]),
        ("password is Sommer2019", [("SECRET", "Sommer2019")]),
        ("token: abcdefgh1", [("SECRET", "abcdefgh1")]),
        ("PIN: 0923", [("SECRET", "0923")]),
        ("x=A1b2C3d4E5f6G7h8I9j0K1", [("SECRET", "A1b2C3d4E5f6G7h8I9j0K1")]),
        ("-----BEGIN PRIVATE KEY-----\n" + "MC4C" * 16, [("SECRET", "-----BEGIN PRIVATE KEY-----\n" + "MC4C" * 16)]),
    ],
)
def test_finds_exactly(text, expected):
    assert kinds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "order number 0301234567",
        "it is 4111 1111 1111 1112",
        "DE88370400440532013000",
        "version 1.2.3.4",
        "1.2.3",
        "std::vector a::b",
        "12:30:45 and 1::2::3",
        "000-12-3456 was refused",
        "cost 030 1234 €",
        "AB0301234567",
        "0301234567b",
        "from 2019-2020",
        "pages 200-1200",
        "room 101 2019",
        "at 52.520008 in Berlin",
        "it is 62889, thanks",
        "call me on 12.05.21",
        "call me at 10-11-23",
        "my phone cost 12 345 678 there",
        "contact id 62889",
        "call 50000 people",
        "457 55 5462 is on my credit card",
        "on 01.02.2023 10",
        "52.520008 13.404954",
        "my password is wrong",
        "forgot password: please help",
        "password: *****",
        "bearer of news",
        "the bearer somewhere else",
        "sha256=A1b2C3d4E5f6G7h8I9j0K1",
        "x=550e8400-e29b-41d4-A716-446655440000",
        "x=aaaaaaaaaaaaaaaaaaaaaaaaaB1",
        "me @ 5 pm",
    ],
)
def test_leaves_alone(text):
    assert kinds(text) == []


def test_an_iban_inside_of_an_iban_is_not_replaced_apart():
    inner = "AAAA00000 NO9386011117947 000"
    both = next(
        f"MT{check:02} {inner}" for check in range(2, 99) if kinds(f"MT{check:02} {inner}") != kinds(f"MT00 {inner}")
    )
    assert kinds(both) == [("IBAN", both)]


@pytest.mark.parametrize(
    ("disguised", "kind"),
    [
        ("ｊｏ＠ｅｘａｍｐｌｅ．ｃｏｍ", "EMAIL"),
        ("jo\u200b@exa\u2060mple.c\u00adom", "EMAIL"),
        ("jo (at) example (dot) com", "EMAIL"),
        ("４１１１ １１１１ １１１１ １１１１", "CARD"),
        ("4111\u00a01111\u20111111\u20131111", "CARD"),
        ("41\u200b11111111111111", "CARD"),
        ("4111\x00111111111111", "CARD"),
        ("+٤٩ ٣٠ ١٢٣٤٥٦٧", "PHONE"),
        ("+𝟒𝟗 𝟑𝟎 𝟏𝟐𝟑𝟒𝟓𝟔𝟕", "PHONE"),
    ],
)
def test_sees_through_disguise(disguised, kind):
    text = f"please use {disguised} today"
    assert scrub(text).text == f"please use [{kind}] today"


def test_entities_move_with_the_text():
    text = "Ann from Oslo wrote jo@example.com to Rome"
    result = scrub(
        text, [Entity(38, 42, "CITY"), Entity(0, 3, "PERSON"), Entity(9, 13, "CITY"), Entity(20, 34, "CONTACT")]
    )
    assert result.text == "Ann from Oslo wrote [EMAIL] to Rome"
    assert [(e.label, result.text[e.start : e.end]) for e in result.entities] == [
        ("PERSON", "Ann"), ("CITY", "Oslo"), ("CONTACT", "[EMAIL]"), ("CITY", "Rome"),
    ]  # fmt: skip
    assert result.found == ("EMAIL",)


@pytest.mark.parametrize(
    ("entities", "expected"),
    [
        ([Entity(5, 7, "A")], [("A", "[EMAIL]")]),
        ([Entity(0, 7, "A")], [("A", "Mail [EMAIL]")]),
        ([Entity(8, 22, "A")], [("A", "[EMAIL] now")]),
        ([Entity(0, 22, "A")], [("A", "Mail [EMAIL] now")]),
        ([Entity(5, 7, "A"), Entity(8, 15, "A")], [("A", "[EMAIL]")]),
        ([Entity(0, 7, "A"), Entity(8, 22, "A")], [("A", "Mail [EMAIL] now")]),
        ([Entity(0, 7, "A"), Entity(8, 22, "B")], [("A", "Mail [EMAIL]")]),
        ([Entity(0, 4, "A"), Entity(19, 22, "B")], [("A", "Mail"), ("B", "now")]),
        ([Entity(0, 5, "A"), Entity(18, 22, "B")], [("A", "Mail "), ("B", " now")]),
    ],
)
def test_entities_that_touch_a_replaced_span(entities, expected):
    result = scrub("Mail jo@example.io now", entities)
    assert result.text == "Mail [EMAIL] now"
    assert [(e.label, result.text[e.start : e.end]) for e in result.entities] == expected


def test_names_are_replaced_on_request():
    text = "Ann Lee <ann@lee.example> met Bob, [PHONE] Kim"
    entities = [Entity(0, 25, "PERSON"), Entity(30, 33, "PER"), Entity(35, 46, "PERSON"), Entity(33, 34, "PERSON")]
    result = scrub(text, entities, names=True)
    assert result.text == "[PERSON][EMAIL]> met [PERSON], [PHONE] [PERSON]"
    assert result.found == ("EMAIL", "PERSON")
    assert scrub(text, entities).text == "Ann Lee <[EMAIL]> met Bob, [PHONE] Kim"


def test_spans_of_others_are_replaced_where_ours_leave_room():
    text = "Ann Lee, ann@lee.example, passport 912803456."
    also = [
        Entity(35, 44, "ID"), Entity(30, 45, "ACCOUNT"), Entity(9, 33, "PERSON"), Entity(0, 7, "PERSON"), Entity(7, 9, "ID"),
    ]  # fmt: skip
    result = scrub(text, [Entity(0, 7, "PERSON"), Entity(35, 44, "DOCUMENT")], also=also)
    assert result.text == "[PERSON], [EMAIL][PERSON][ACCOUNT] [ID]."
    assert [(e.label, result.text[e.start : e.end]) for e in result.entities] == [
        ("PERSON", "[PERSON]"), ("DOCUMENT", "[ID]"),
    ]  # fmt: skip
    assert result.found == ("ACCOUNT", "EMAIL", "ID", "PERSON")
    with pytest.raises(InvalidInput, match="no kind of personal data"):
        scrub(text, also=[Entity(0, 3, "CITY")])


@given(texts, st.data())
@settings(max_examples=200, deadline=None)
def test_spans_of_others_never_take_ours_away(text, data):
    cuts = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=6)))
    also = [Entity(a, b, data.draw(st.sampled_from(["ID", "PHONE", "PERSON"]))) for a, b in pairwise(cuts)]
    result = scrub(text, also=also)
    assert set(scrub(text).found) <= set(result.found)
    assert find(result.text) == []


WORDS = [
    "PIN",
    "pın 1234",
    "PİN 1234",
    "Paßwort",
    "passcode:",
    "HASŁO: ",
    "LÖSENORD: ab1!",
    "key=",
    "COOKIE: abcd1234",
    "Bearer a1b2c3d4",
]


@given(st.lists(st.sampled_from([*PIECES, *WORDS]), max_size=10).map("".join))
@settings(max_examples=400, deadline=None)
def test_no_sign_hides_what_a_finder_finds(text):
    plain = fold(text).text
    low = lowered(plain)
    asked = {finder for _, sign, finder in finders(low) if sign(low)}
    assert {finder for _, _, finder in FINDERS if list(finder(plain))} <= asked


@pytest.mark.parametrize("entity", [Entity(0, 0, "A"), Entity(-1, 2, "A"), Entity(2, 6, "A"), Entity(3, 1, "A")])
def test_an_entity_outside_of_the_text_is_refused(entity):
    with pytest.raises(InvalidInput, match="is not in its text"):
        scrub("hello", [entity])


def test_recall_and_precision_on_public_formats():
    figures = quality(every=9)
    low = {"PHONE, national, other": 0.85}
    for name, (share, count) in figures["recall"].items():
        assert share >= low.get(name, 0.97), (name, count, figures["missed"].get(name))
    assert all(false <= 1 for _, false in figures["precision"].values()), figures["wrong"]


def test_cases_are_what_they_say():
    count = Counter(case.kind for case in cases())
    assert set(count) == {"EMAIL", "PHONE", "CARD", "IBAN", "IP", "SSN", "SECRET"}
    assert all(case.text[case.start : case.end].strip() for case in cases())
    assert len(negatives()) > 80


@pytest.mark.skipif(folder() is None, reason="ONWARD_DATA names no folder of data sets")
def test_nothing_is_found_in_real_texts():
    sample = real_texts()[::3]
    assert len(sample) > 10_000
    assert [text for text in sample if find(text)] == []


@given(annotated(), st.booleans())
@settings(max_examples=200, deadline=None)
@example(("a@b.co\N{COMBINING ACUTE ACCENT}!", [Entity(6, 8, "CITY")]), False)
def test_entities_stay_valid_and_apart(case, names):
    text, entities = case
    result = scrub(text, entities, names=names)
    assert all(0 <= e.start < e.end <= len(result.text) for e in result.entities)
    assert all(a.end <= b.start for a, b in pairwise(result.entities))
    assert {e.label for e in result.entities} <= {e.label for e in entities}


@given(annotated())
@settings(max_examples=200, deadline=None)
def test_entities_without_personal_data_read_the_same(case):
    text, entities = case
    result = scrub(text, entities)
    free = [e for e in entities if not any(s.start < e.end and e.start < s.end for s in find(text))]
    before = Counter((e.label, text[e.start : e.end]) for e in free)
    after = Counter((e.label, result.text[e.start : e.end]) for e in result.entities)
    assert before <= after


@given(annotated(), st.booleans())
@settings(max_examples=200, deadline=None)
def test_scrubbing_twice_is_scrubbing_once(case, names):
    text, entities = case
    once = scrub(text, entities, names=names)
    twice = scrub(once.text, once.entities, names=names)
    assert (twice.text, twice.entities) == (once.text, once.entities)
    assert find(once.text) == []


@given(texts)
@settings(max_examples=200, deadline=None)
def test_spans_are_apart_and_replaced(text):
    spans = find(text)
    assert all(0 <= s.start < s.end <= len(text) for s in spans)
    assert all(a.end <= b.start for a, b in pairwise(spans))
    parts, done = [], 0
    for span in spans:
        parts += [text[done : span.start], f"[{span.label}]"]
        done = span.end
    assert scrub(text).text == "".join([*parts, text[done:]])


@given(st.text(st.characters(codec="ascii", exclude_characters="0123456789@:=[({"), max_size=200))
def test_text_without_digits_and_signs_is_untouched(text):
    assert scrub(text) == Scrubbed(text, (), ())


@pytest.mark.parametrize("kind", ["EMAIL", "PHONE", "CARD", "IBAN", "IP", "SSN", "SECRET", "PERSON", "ID", "ACCOUNT"])
def test_placeholders_are_left_as_they_are(kind):
    text = f"password: [{kind}] or [{kind}]@example.com or token=[{kind}] 030 [{kind}]"
    assert f"[{kind}]" in scrub(text).text
    assert scrub(text).text.count(f"[{kind}]") >= 4


@pytest.mark.parametrize(
    "unit",
    [
        "a", "1", "1 ", "12 ", "1-", "1.", "a@", "a@b.", "a@b.co", "@", "+", ":", "::", "=", "=a", "(0)", "eyJ", "eyJaaaaaaaa.",
        "-----BEGIN PRIVATE KEY-----", "password: ", "GB29 ", "4111 1111 1111 1111 ", "030 1234567,", "x://a:b@", "[EMAIL]", "１",
        "1\u200b", '"', "bearer a1", "(at)", "1.1.1.1.", "密@", "token ", " ", "a@b.co1 ", "call 1234567 ", "079 1234 5678-",
    ],
)  # fmt: skip
def test_hostile_texts_end_and_are_scrubbed_for_good(unit):
    """Backtracking or quadratic searching would hang here."""
    text = (unit * 8_000)[:8_000]
    once = scrub(text).text
    assert scrub(once).text == once


def test_a_very_long_text():
    text = "mail jo@example.com or 030 1234567, " * 3_000
    assert scrub(text).text == "mail [EMAIL] or [PHONE], " * 3_000
