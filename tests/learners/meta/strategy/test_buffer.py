from __future__ import annotations

import json
import math
import os
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import Damaged, InvalidInput, NotFound, Unavailable, content_hash, encode
from onward.learners.meta.strategy import ExperienceBuffer, Strategy, _file

ROWS = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(0, 2), st.floats(1e-6, 10), st.floats(-1e6, 1e6)), max_size=30
)


def filled(rows, limit=10) -> ExperienceBuffer:
    buffer = ExperienceBuffer(limit)
    for name, place, rate, outcome in rows:
        buffer.add(name, [float(place), 1 / 3], {"learning_rate": rate, "architecture_params": {"k": "é\n"}}, outcome)
    return buffer


@settings(max_examples=50, deadline=None)
@given(rows=ROWS, limit=st.integers(1, 12))
def test_it_is_bounded_and_comes_back_as_it_was(rows, limit, tmp_path_factory):
    buffer = filled(rows, limit)
    assert len(buffer) == len(list(buffer)) == sum(map(len, buffer.by_task())) == min(len(rows), limit)
    assert buffer.added == len(rows)
    file = buffer.save(tmp_path_factory.mktemp("b") / "buffer.json")
    again = ExperienceBuffer.load(file)
    assert list(again) == list(buffer)
    assert again.by_task() == buffer.by_task()
    assert again.task_ids() == buffer.task_ids()
    assert again.vectors().tolist() == buffer.vectors().tolist()
    assert again.limit == limit


def test_room_is_made_by_the_task_that_has_most():
    buffer = filled([("a", 0, 1.0, at) for at in range(5)] + [("b", 0, 1.0, 9), ("c", 0, 1.0, 8)], limit=4)
    assert [(one.task_id, one.outcome) for one in buffer] == [("a", 3), ("a", 4), ("b", 9), ("c", 8)]
    one_each = filled([("a", 0, 1.0, 1), ("b", 0, 1.0, 2), ("c", 0, 1.0, 3)], limit=2)
    assert one_each.task_ids() == ["b", "c"]


def test_tasks_of_one_name_that_differ_are_two():
    assert filled([("", 0, 1.0, 1), ("", 1, 1.0, 1), ("", 0, 1.0, 1)]).task_ids() == ["", ""]


@pytest.mark.parametrize(
    ("vector", "outcome"),
    [([0.0, math.nan], 1.0), ([0.0, 1.0], math.inf), ([0.0], 1.0), ([0.0, 0.0], math.nan), ([0.0, "x"], 1.0)]
    + [([0.0, 0.0], outcome) for outcome in ("x", None, 10**400, torch.zeros(2))],
)
def test_what_cannot_be_learned_from_is_refused(vector, outcome):
    buffer = filled([("a", 0, 1.0, 1)])
    with pytest.raises(InvalidInput, match="cannot be kept"):
        buffer.add("b", vector, {}, outcome)
    assert len(buffer) == 1


def test_numbers_may_be_tensors():
    buffer = ExperienceBuffer()
    buffer.add("a", torch.tensor([0.5, 1.0]), {}, torch.tensor([0.25]))
    assert [(one.vector, one.outcome) for one in buffer] == [((0.5, 1.0), 0.25)]


@pytest.mark.parametrize("limit", [0, 1.5, "a", None])
def test_a_buffer_holds_something(limit):
    with pytest.raises(InvalidInput, match="limit is"):
        ExperienceBuffer(limit)


def test_a_folder_is_no_file_to_write():
    with pytest.raises(Unavailable, match="cannot be written"):
        ExperienceBuffer().save(".")


def test_it_is_json_and_nothing_else_is_left_beside_it(tmp_path):
    file = filled([("a", 0, 1.0, 1)]).save(tmp_path / "buffer.json")
    assert json.loads(json.loads(file.read_bytes())["card"])["rows"][0][0] == 0
    filled([("b", 0, 1.0, 1)]).save(str(file))
    assert list(tmp_path.iterdir()) == [file]
    assert ExperienceBuffer.load(str(file)).task_ids() == ["b"]


def test_what_stood_there_stays_when_it_cannot_be_written(tmp_path, monkeypatch):
    file = filled([("a", 0, 1.0, 1)]).save(tmp_path / "buffer.json")
    before = file.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(Unavailable, match="No space left"):
        filled([("b", 0, 1.0, 1)]).save(file)
    assert file.read_bytes() == before
    assert list(tmp_path.iterdir()) == [file]
    with pytest.raises(Unavailable, match="cannot be written"):
        filled([]).save(tmp_path / "none" / "buffer.json")


def test_every_damaged_byte_is_noticed(tmp_path):
    file = filled([("a", 0, 1.0, 1), ("b", 1, 0.5, 2)]).save(tmp_path / "buffer.json")
    whole = file.read_bytes()
    for at in range(0, len(whole), 7):
        file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(Damaged):
            ExperienceBuffer.load(file)
    for data in (b"", whole[: len(whole) // 2], b"\x80\x04]", b"{}"):
        file.write_bytes(data)
        with pytest.raises(Damaged):
            ExperienceBuffer.load(file)


def test_a_file_that_is_not_there_is_said_to_be_none(tmp_path):
    with pytest.raises(NotFound, match=re.escape(str(tmp_path))):
        ExperienceBuffer.load(tmp_path / "none.json")
    with pytest.raises(Damaged, match="holds no experience"):
        ExperienceBuffer.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"rows": [[7, Strategy(), 1.0]]},
        {"rows": [[-1, Strategy(), 1.0]]},
        {"rows": [[0, {"learning_rate": -1.0}, 1.0]]},
        {"limit": 0},
        {"tasks": [["a", [0.0]], ["b", [0.0, 1.0]]], "rows": [[0, Strategy(), 1.0], [1, Strategy(), 1.0]]},
    ],
)
def test_a_file_that_contradicts_itself_is_damaged(tmp_path, change):
    file = filled([("a", 0, 1.0, 1)]).save(tmp_path / "buffer.json")
    body = encode(json.loads(json.loads(file.read_bytes())["card"]) | change).decode()
    file.write_bytes(encode({"format": _file.FORMAT, "hash": content_hash(body), "card": body}))
    with pytest.raises(Damaged):
        ExperienceBuffer.load(file)
