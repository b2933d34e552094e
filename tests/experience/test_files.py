"""JSON Lines and CSV: the good lines become records, the bad ones are told by number and reason."""

import csv
import io
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import Entity, InvalidInput, Labels, NotFound
from onward.experience import FileContents, read_file, read_lines

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
GOOD = b'{"text": "where is my parcel", "intent": "order_status"}'


def lines(*rows: Any, **more: Any) -> FileContents:
    data = b"\n".join(row if isinstance(row, bytes) else json.dumps(row).encode() for row in rows)
    return read_lines(data, **{"source": "chat", "now": NOON, **more})


def table(text: str | bytes, **more: Any) -> FileContents:
    data = text if isinstance(text, bytes) else text.encode()
    return read_lines(data, **{"source": "chat", "now": NOON, "csv_format": True, **more})


def count(contents: FileContents) -> int:
    return len(contents.interactions) + len(contents.feedback) + len(contents.bad)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
keys = st.sampled_from(
    [
        "id",
        "text",
        "at",
        "tenant",
        "user",
        "response",
        "labels",
        "prediction",
        "consent",
        "source",
        "context",
        "interaction",
        "score",
        "correction",
        "remark",
        "intent",
        "sentiment",
        "entities",
        "other",
    ]
)
near_records = st.dictionaries(keys, json_values | st.just("2026-03-01T09:30:00Z") | st.just("hi"), max_size=6)


@settings(max_examples=150)
@given(st.binary(max_size=300) | st.lists(st.binary(max_size=30) | st.just(GOOD)).map(b"\n".join))
def test_any_bytes_are_read_as_json_lines_and_good_and_bad_add_up(data: bytes) -> None:
    contents = read_lines(data, source="chat", now=NOON)
    rows = [n for n, line in enumerate(data.removeprefix(b"\xef\xbb\xbf").splitlines(), 1) if line.strip()]
    assert count(contents) == len(rows)
    assert {bad.number for bad in contents.bad} <= set(rows)
    assert all(bad.reason for bad in contents.bad)


@settings(max_examples=150)
@given(st.lists(near_records, max_size=4))
def test_nearly_right_lines_are_read_and_good_and_bad_add_up(rows: list[dict[str, Any]]) -> None:
    contents = lines(*rows)
    assert count(contents) == len(rows)
    assert lines(*rows) == contents


@settings(max_examples=100)
@given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda data: b"text,intent,context\n" + data))
def test_any_bytes_are_read_as_csv(data: bytes) -> None:
    assert count(table(data)) <= len(data) + 1


@given(st.lists(st.lists(st.text(max_size=10), min_size=2, max_size=4), max_size=5))
def test_good_and_bad_rows_of_csv_add_up(rows: list[list[str]]) -> None:
    file = io.StringIO(newline="")
    writer = csv.writer(file, quoting=csv.QUOTE_ALL)
    writer.writerows([["text", "intent"], *rows])
    assert count(table(file.getvalue().encode(errors="replace"))) == len(rows)


def test_every_field_of_an_interaction_is_read() -> None:
    (made,) = lines(
        {
            "id": "i1",
            "text": "send 2 books",
            "at": "2026-02-01T09:30:00+01:00",
            "tenant": "acme",
            "user": "ann",
            "response": "done",
            "labels": {"intent": "order", "sentiment": "neutral"},
            "entities": [{"start": 7, "end": 12, "label": "ITEM"}, {"start": 5, "end": 6, "label": "COUNT"}],
            "sentiment": "positive",
            "prediction": {"labels": {"intent": "refund"}, "confidence": {"intent": 0.5}, "version": 3},
            "consent": False,
            "source": "mail",
            "context": {"page": [1, None, {"a": "b"}]},
        }
    ).interactions
    assert (made.id, made.tenant, made.user, made.response, made.source) == ("i1", "acme", "ann", "done", "mail")
    assert made.at == datetime(2026, 2, 1, 8, 30, tzinfo=UTC)
    assert made.labels == Labels("order", "positive", (Entity(5, 6, "COUNT"), Entity(7, 12, "ITEM")))
    assert made.prediction is not None
    assert (made.prediction.labels.intent, made.prediction.version) == ("refund", 3)
    assert (made.consent, made.context) == (False, {"page": [1, None, {"a": "b"}]})


def test_what_a_line_leaves_out_is_filled_in() -> None:
    (made,) = lines(GOOD, tenant="acme").interactions
    assert (made.at, made.tenant, made.source, made.consent) == (NOON, "acme", "chat", None)


def test_a_line_that_names_its_interaction_is_feedback() -> None:
    (made,) = lines({"interaction": "i1", "score": 1, "correction": {"intent": "a"}, "remark": {"b": 2}}).feedback
    assert (made.interaction, made.score, made.correction, made.remark) == ("i1", 1.0, Labels("a"), {"b": 2})


def test_nulls_are_left_out() -> None:
    everything = dict.fromkeys(
        ["id", "at", "tenant", "user", "response", "labels", "prediction", "consent", "source", "context"]
    )
    contents = lines({**everything, "text": "hi", "interaction": None, "score": None, "intent": None})
    assert not contents.bad
    assert contents.interactions[0].at == NOON
    assert lines({"interaction": "i1", "score": 1, "text": None}).feedback


def test_the_same_file_twice_gives_the_same_ids_and_equal_lines_different_ones() -> None:
    first, again = lines(GOOD, GOOD, b'{"text": "other"}'), lines(GOOD, GOOD, b'{"text": "other"}')
    ids = [one.id for one in first.interactions]
    assert ids == [one.id for one in again.interactions]
    assert len(set(ids)) == 3
    assert [one.id for one in lines(b'{"text": "other"}', GOOD).interactions] == [ids[2], ids[0]]
    assert lines(GOOD, tenant="acme").interactions[0].id != ids[0]


def test_ids_do_not_hang_on_the_order_of_keys_or_on_spaces() -> None:
    one, other = b'{"text":"a","intent":"b"}', b'{ "intent": "b", "text": "a" }'
    assert lines(one).interactions[0].id == lines(other).interactions[0].id


@pytest.mark.parametrize("ends", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_line_ends_and_byte_order_marks_do_not_matter(ends: bytes, mark: bytes) -> None:
    data = mark + ends.join([GOOD, b"", b"broken", GOOD, b""])
    contents = read_lines(data, source="chat", now=NOON)
    assert len(contents.interactions) == 2
    assert [bad.number for bad in contents.bad] == [3]
    header = mark + ends.join([b"text,intent", b"hi there,greet", b""])
    assert [one.labels.intent for one in table(header).interactions] == ["greet"]


DEEP = b'{"text":"a","context":{"a":' + b"[" * 5000 + b"]" * 5000 + b"}}"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"hello", "Not JSON"),
        (b'{"text": "a"', "Not JSON"),
        (b'{"text": NaN}', "Not JSON"),
        (b'{"text": "\xff"}', "Not JSON"),
        (b'{"text": "\\ud800"}', "Not JSON"),
        (b"[" * 5000, "Not JSON"),
        (DEEP, "Not JSON"),
        (b'["a"]', "JSON list, not an object"),
        (b'"a"', "JSON str, not an object"),
        (b"{}", "No `text`"),
        ({"text": None}, "No `text`"),
        ({"text": 5}, "text"),
        ({"text": "a", "x": 1, "y": 2}, "Keys unknown for an interaction: x, y"),
        ({"text": "a", "x": None}, "Keys unknown for an interaction: x"),
        ({"text": "a", "score": 0.5}, "Keys unknown for an interaction: score.*`interaction` is feedback"),
        ({"interaction": "a", "score": 1, "intent": "b"}, "Keys unknown for feedback: intent"),
        ({"text": "a", "at": "2026-03-01T09:30:00"}, "no time zone"),
        ({"text": "a", "at": "yesterday"}, "at"),
        ({"text": "a", "at": 5}, "at"),
        ({"text": "a", "at": 10**40}, "at"),
        ({"text": "a", "id": ""}, "id is ''"),
        ({"text": "a", "id": "a\nb"}, "id is"),
        ({"text": "a", "id": "a" * 201}, "1 to 200"),
        ({"text": "a", "id": 5}, "id"),
        ({"text": "a", "tenant": ""}, "tenant is"),
        ({"text": "a", "user": 10**40}, "user"),
        ({"text": "a", "consent": "no"}, "consent"),
        ({"text": "a" * 100_001}, "100,001 characters"),
        ({"text": "a", "entities": [{"start": 0, "end": 2, "label": "X"}]}, "spans 0 to 2 of a text of 1"),
        ({"text": "a", "entities": [{"start": -1, "end": 1, "label": "X"}]}, "spans -1"),
        ({"text": "a", "entities": [{"start": 1, "end": 1, "label": "X"}]}, "spans 1 to 1"),
        ({"text": "a", "entities": [{"start": 0, "end": 10**40, "label": "X"}]}, "entities|spans|end"),
        ({"text": "a", "context": json.loads('{"a":' * 60 + "1" + "}" * 60)}, "context is nested"),
        ({"text": "a", "context": []}, "context"),
        ({"interaction": "a"}, "says nothing"),
        ({"interaction": "a", "score": 1.01}, "score is 1.01"),
        ({"interaction": "a", "score": -1}, "score is -1"),
        ({"interaction": "a", "score": 10**400}, "Not JSON|score"),
        ({"interaction": "a", "remark": json.loads('{"a":[' * 30 + "]}" * 30)}, "remark is nested"),
        ({"interaction": "", "score": 1}, "interaction is ''"),
        ({"interaction": 5, "score": 1}, "interaction"),
        ({"interaction": "a", "score": 1, "at": "2026-03-01T09:30:00"}, "no time zone"),
    ],
)
def test_bad_lines_say_why_and_the_others_stay(line: Any, reason: str) -> None:
    contents = lines(GOOD, line, GOOD)
    assert len(contents.interactions) == 2
    assert not contents.feedback
    (bad,) = contents.bad
    assert bad.number == 2
    assert re.search(reason, bad.reason), bad.reason


def test_huge_whole_numbers_in_the_context_do_no_harm() -> None:
    assert not lines({"text": "a", "context": {"a": 10**30}}).bad


def test_csv_reads_every_kind_of_field() -> None:
    contents = table(
        "id,text,intent,consent,entities,context,interaction,score,user\n"
        'i1,"where, my ""parcel""",status,yes,"[{""start"":0,""end"":5,""label"":""W""}]","{""a"": 1}",,,ann\n'
        "i2,hi,,FALSE,,,,,\n"
        "f1,,,,,,i1,0.5,bob\n"
    )
    assert not contents.bad
    first, second = contents.interactions
    assert (first.text, first.labels) == ('where, my "parcel"', Labels("status", None, (Entity(0, 5, "W"),)))
    assert (first.consent, first.context, first.user) == (True, {"a": 1}, "ann")
    assert (second.consent, second.labels, second.user) == (False, Labels(), None)
    assert [(one.id, one.score, one.user) for one in contents.feedback] == [("f1", 0.5, "bob")]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("hi,,,,,too many", "More fields"),
        ("hi,perhaps,,,", "consent is 'perhaps'"),
        ("hi,,{broken,,", "context is not JSON"),
        ('hi,,"' + "[" * 5000 + '",,', "context is not JSON"),
        (",,,i1,nan", "score is nan"),
        (",,,i1,good", "score is 'good'"),
        (",,,i1,inf", "score is inf"),
        ('"hi" x,,,,', "Not CSV"),
        ("a" * 140_000 + ",,,,", "Not CSV"),
        (",,,,", "No `text`"),
    ],
)
def test_bad_rows_say_why_and_the_others_stay(row: str, reason: str) -> None:
    contents = table(f"text,consent,context,interaction,score\nbefore,,,,\n{row}\nafter,,,,\n")
    assert [one.text for one in contents.interactions] == ["before", "after"]
    (bad,) = contents.bad
    assert bad.number == 3
    assert reason in bad.reason


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    contents = table('text,score\n"two\nlines",\n"broken" x,\nhi,good\nhi,,\n')
    assert [one.text for one in contents.interactions] == ["two\nlines"]
    assert [bad.number for bad in contents.bad] == [4, 5, 6]


def test_a_quote_that_never_closes_is_said() -> None:
    contents = table('text,intent\nhi,greet\n"where is\nmy parcel\n')
    assert len(contents.interactions) == 1
    assert [bad.reason.startswith("Not CSV") for bad in contents.bad] == [True]


def test_unknown_columns_of_csv_are_named() -> None:
    contents = table("text;intent\nhi;greet\n")
    assert "text;intent" in contents.bad[0].reason


def test_two_columns_of_one_name_are_refused() -> None:
    contents = table("text,intent,text\nhi,greet,bye\n")
    assert not contents.interactions
    assert [bad.reason for bad in contents.bad] == ["The header names text twice. Give each column its own."]
    assert len(table("text,intent,,\nhi,greet,,\n").interactions) == 1


@pytest.mark.parametrize("name", ["day.csv", "day.CSV"])
def test_a_csv_file_is_known_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("text\nhi\n")
    assert [one.source for one in read_file(tmp_path / name, now=NOON).interactions] == ["day"]


@pytest.mark.parametrize("name", ["day.jsonl", "day.ndjson", "day.json", "day"])
def test_any_other_file_is_json_lines(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(GOOD)
    (made,) = read_file(tmp_path / name, tenant="acme", now=NOON).interactions
    assert (made.source, made.tenant) == ("day", "acme")


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"no file .*day\.jsonl"):
        read_file(tmp_path / "day.jsonl", now=NOON)


def test_a_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cannot be read\. Is a directory"):
        read_file(tmp_path, now=NOON)


def test_an_empty_file_holds_nothing() -> None:
    assert lines() == table("") == FileContents((), (), ())


def test_a_csv_that_is_not_utf8_is_refused_line_by_line():
    data = "text,intent\ncaf\u00e9,drink\nwater,drink\n".encode("latin-1")
    contents = read_lines(data, csv_format=True, source="x", now=NOON)
    assert [i.text for i in contents.interactions] == ["water"]
    assert [bad.number for bad in contents.bad] == [2]
    assert "UTF-8" in contents.bad[0].reason


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08\x00", b"PK\x00\x00"])
def test_a_file_that_is_no_text_is_refused_at_once(tmp_path, data):
    (tmp_path / "a.jsonl").write_bytes(data)
    with pytest.raises(InvalidInput, match="not a text file"):
        read_file(tmp_path / "a.jsonl", now=NOON)
