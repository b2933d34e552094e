"""Canonical JSON, content hashes and ids."""

import hashlib
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import (
    Check,
    Damaged,
    Entity,
    Feedback,
    Interaction,
    InvalidInput,
    Labels,
    Prediction,
    Verdict,
    content_hash,
    convert,
    decode,
    encode,
    file_hash,
    new_id,
    plain,
    to_body,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
labels = st.builds(
    Labels,
    intent=st.none() | words,
    sentiment=st.none() | words,
    entities=st.none() | st.lists(st.builds(Entity, st.integers(0, 99), st.integers(0, 99), words)).map(tuple),
)
interactions = st.builds(
    Interaction,
    id=words,
    text=words,
    at=st.datetimes(timezones=st.just(UTC)),
    user=st.none() | words,
    labels=labels,
    prediction=st.none() | st.builds(Prediction, labels, st.dictionaries(words, st.floats(0, 1))),
    consent=st.booleans(),
    context=st.dictionaries(words, st.none() | st.booleans() | st.integers(-(2**60), 2**60) | words),
)


@given(interactions)
def test_every_record_comes_back_as_it_was(interaction: Interaction) -> None:
    assert decode(encode(interaction), Interaction) == interaction
    assert decode(to_body(interaction), Interaction) == interaction


@given(st.dictionaries(words, st.integers() | words, max_size=6))
def test_equal_values_have_equal_hashes_whatever_their_order(value: dict[str, Any]) -> None:
    assert content_hash(value) == content_hash(dict(reversed(value.items())))


def test_other_content_has_another_hash() -> None:
    assert content_hash({"a": 1}) != content_hash({"a": 2})
    assert content_hash(b'{"a":1}') == content_hash({"a": 1}) == hashlib.sha256(b'{"a":1}').hexdigest()


def test_file_hash_is_the_hash_of_the_bytes(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"\x00\xff" * 300_000)
    assert file_hash(file) == content_hash(b"\x00\xff" * 300_000)


def test_plain_is_json_values_only() -> None:
    assert plain(Labels("refund", entities=(Entity(0, 3, "X"),))) == {
        "intent": "refund",
        "sentiment": None,
        "entities": ({"start": 0, "end": 3, "label": "X"},),
    }


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b'{"intent": 5}', b'{"intent": "\xff"}', '{"intent": "\ud800"}', b'{"a":' * 50_000],
    ids=["empty", "torn", "list", "wrong type", "not UTF-8", "surrogate", "deep"],
)
def test_what_is_no_record_is_damaged(data: bytes | str) -> None:
    with pytest.raises(Damaged, match=r"Labels.*back-up"):
        decode(data, Labels)


def test_deep_nesting_where_anything_goes_is_damaged() -> None:
    with pytest.raises(Damaged):
        decode(b'{"id":"a","interaction":"b","at":"2026-03-01T12:00:00Z","remark":' + b'{"a":' * 50_000, Feedback)


@pytest.mark.parametrize(
    "record",
    [
        Verdict("keep", (Check("accuracy", True, math.nan, 0.5, "none"),)),
        Verdict("keep", (Check("accuracy", True, 0.5, math.inf, "none"),)),
        Interaction(id="a", text="b", at=NOON, prediction=Prediction(Labels("x"), {"intent": math.nan})),
        Interaction(id="a", text="b", at=NOON, user=5),  # type: ignore[arg-type]
        Interaction(id="a", text="b", at=NOON, context={"made": object()}),
        Interaction(id="a", text="b", at=NOON, labels=Labels("\ud800")),
    ],
    ids=["nan", "infinite", "nan confidence", "wrong type", "no JSON", "surrogate"],
)
def test_what_would_not_come_back_is_not_stored(record: Any) -> None:
    with pytest.raises(InvalidInput, match=rf"This {type(record).__name__} cannot be stored"):
        to_body(record)


AT_ONCE = """
import os, sys, threading
from onward.core import ModelVersion, decode

data = (
    b'{"number":1,"tenant":"t","learner":"l","parent":null,"dataset":"d","artifact":"a","config":{},"cycle":"c",'
    b'"created":"2026-01-01T00:00:00Z","verdict":{"decision":"keep","checks":[]}}'
)

def died():
    if (child := os.fork()) == 0:
        sys.setswitchinterval(1e-6)
        start = threading.Barrier(4)
        work = lambda: (start.wait(), [decode(data, ModelVersion) for _ in range(20)])
        threads = [threading.Thread(target=work) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        os._exit(0)
    return os.waitpid(child, 0)[1] != 0

print(sum(died() for _ in range(60)))
"""


def test_many_threads_may_be_the_first_to_read_a_record() -> None:
    ran = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, check=True, timeout=120)
    assert ran.stdout == "0\n", ran.stderr


def test_a_record_from_plain_values_or_an_error_that_names_the_field() -> None:
    assert convert({"intent": "a", "entities": [{"start": 0, "end": 1, "label": "X"}]}, Labels) == Labels(
        "a", None, (Entity(0, 1, "X"),)
    )
    with pytest.raises(InvalidInput, match=r"intent"):
        convert({"intent": 5}, Labels)


def test_ids_are_unique_and_sort_by_time() -> None:
    times = [NOON + timedelta(milliseconds=step) for step in range(200)]
    ids = [new_id("cy", at) for at in times]
    assert ids == sorted(ids)
    assert len({new_id("in", NOON) for _ in range(1000)}) == 1000
    assert all(one.startswith("cy_") and one.removeprefix("cy_").isalnum() for one in ids)


def test_ids_are_unique_in_a_process_and_its_fork() -> None:
    source = """
import os
from datetime import UTC, datetime
from onward.core import new_id
new_id("in", datetime.now(UTC))
noon = datetime(2026, 1, 1, tzinfo=UTC)
read, write = os.pipe()
if os.fork() == 0:
    os.write(write, "".join(new_id("in", noon) + "\\n" for _ in range(50)).encode())
    os._exit(0)
os.wait()
theirs = os.read(read, 10_000).decode().split()
print(len({*theirs, *(new_id("in", noon) for _ in range(50))}))
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    assert done.stdout == "100\n"
