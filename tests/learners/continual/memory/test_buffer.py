"""Columns, keys, states and refusals of a buffer, against plain lists."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from onward.core import Damaged, InvalidInput, NotFound
from onward.learners.continual.memory import POLICIES, Buffer, ClassBalanced, Reservoir, Ring, buffer_of, policy_of

NAMES = sorted(POLICIES)


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def offer(buffer: Buffer, count: int, generator: torch.Generator, task: int = 0, keyed: bool = True) -> None:
    """Examples whose every column says which one it is."""
    at = torch.arange(buffer.seen, buffer.seen + count)
    keys = [f"k{number}" for number in at.tolist()] if keyed else None
    x = at.view(-1, 1, 1).repeat(1, 2, 3).float()
    buffer.add(x, at % 5, task, generator, keys=keys, merit=(at % 7) + 1.0, logits=x.flatten(1)[:, :4], times=at)


def check_rows(buffer: Buffer, keyed: bool = True) -> None:
    """Every row is of one example throughout."""
    if not len(buffer):
        return
    held = buffer.contents()
    at = held.extra["times"]
    assert torch.equal(held.x, at.view(-1, 1, 1).repeat(1, 2, 3).float())
    assert torch.equal(held.y, at % 5)
    assert torch.equal(held.extra["logits"], at.view(-1, 1).repeat(1, 4).float())
    if keyed:
        assert buffer.keys() == [f"k{number}" for number in at.tolist()]
    assert len(set(at.tolist())) == len(buffer)


@pytest.mark.parametrize("name", NAMES)
@given(steps=st.lists(st.integers(0, 12) | st.sets(st.integers(0, 80), max_size=12), max_size=12))
@settings(max_examples=25, deadline=None)
def test_columns_and_keys_stay_together_whatever_is_added_and_forgotten(name: str, steps: list[Any]) -> None:
    buffer, generator = Buffer(9, policy_of(name)), chance()
    for step in steps:
        if isinstance(step, int):
            offer(buffer, step, generator)
        else:
            before = set(buffer.keys())
            gone = buffer.forget({f"k{number}" for number in step})
            assert gone == len(before & {f"k{number}" for number in step})
            assert set(buffer.keys()) == before - {f"k{number}" for number in step}
        check_rows(buffer)
        assert len(buffer) <= 9


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_buffer_goes_on_bit_for_bit(name: str, tmp_path: Path) -> None:
    one, generator = Buffer(10, policy_of(name)), chance()
    offer(one, 25, generator)
    one.forget([f"k{number}" for number in range(14)])
    one.save(tmp_path)
    two, again = Buffer(10, policy_of(name)), torch.Generator()
    again.set_state(generator.get_state())
    two.load(tmp_path)
    for buffer, drawn in ((one, generator), (two, again)):
        offer(buffer, 7, drawn, task=1)
        offer(buffer, 3, drawn, task=1, keyed=False)
    assert one.seen == two.seen == 35
    assert one.keys() == two.keys()
    for count, balanced in ((4, None), (8, "class"), (5, "task")):
        a = one.sample(count, generator, balanced)  # type: ignore[arg-type]
        b = two.sample(count, again, balanced)  # type: ignore[arg-type]
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.extra["logits"], b.extra["logits"])


def test_a_state_is_a_copy() -> None:
    buffer = Buffer(4)
    offer(buffer, 4, chance())
    state = buffer.state()
    buffer.drop(torch.ones(4, dtype=torch.bool))
    again = Buffer(4)
    again.restore(state)
    check_rows(again)
    assert len(again) == 4


def test_an_empty_buffer_is_restored_empty() -> None:
    buffer = Buffer(4)
    offer(buffer, 3, chance())
    buffer.restore(Buffer(4).state())
    assert (len(buffer), buffer.seen, buffer.keys(), buffer.counts()) == (0, 0, [], {})
    buffer.add(torch.zeros(2, 7), torch.zeros(2), 0, chance())  # other columns than before
    assert len(buffer) == 2


@pytest.mark.parametrize("other", [Buffer(5), Buffer(4, Ring()), Buffer(bytes=400), Buffer(4, bytes=10**6)])
def test_the_state_of_another_buffer_is_refused(other: Buffer) -> None:
    with pytest.raises(InvalidInput, match="another buffer"):
        other.restore(Buffer(4).state())


def test_forgotten_rows_are_overwritten() -> None:
    buffer = Buffer(6)
    offer(buffer, 6, chance())
    memory = buffer._table.columns["x"]
    assert buffer.forget(["k5", "k0", "none"]) == 2
    assert not memory[4:].any()
    assert set(memory[:4, 0, 0].tolist()) == {1, 2, 3, 4}


def test_bytes_bound_the_rows() -> None:
    buffer = Buffer(bytes=1000)
    assert buffer.capacity is None
    buffer.add(torch.zeros(500, 10), torch.zeros(500, dtype=torch.long), 0, chance())
    assert buffer.capacity == len(buffer) == 1000 // (40 + 8 + 8)
    assert buffer.bytes <= 1000
    both = Buffer(3, bytes=1000)
    both.add(torch.zeros(500, 10), torch.zeros(500, dtype=torch.long), 0, chance())
    assert len(both) == 3
    with pytest.raises(InvalidInput, match="56 bytes"):
        Buffer(bytes=50).add(torch.zeros(1, 10), torch.zeros(1, dtype=torch.long), 0, chance())


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float16, torch.bfloat16, torch.float64, torch.bool, torch.int32])
def test_types_are_kept(dtype: torch.dtype) -> None:
    buffer, x = Buffer(5), torch.arange(5).view(5, 1).to(dtype)
    buffer.add(x, torch.zeros(5), torch.arange(5), chance())
    assert torch.equal(buffer.contents().x, x)
    assert buffer.contents(task=3).x.tolist() == x[3:4].tolist()


@pytest.mark.parametrize("column", ["x", "logits"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused_and_nothing_changes(column: str, bad: float) -> None:
    buffer, parts = Buffer(4), {"x": torch.ones(3, 2), "logits": torch.ones(3, 2)}
    for begun in (False, True):
        if begun:
            buffer.add(parts["x"], torch.zeros(3), 0, chance(), logits=parts["logits"])
        before = len(buffer), buffer.seen
        wrong = {name: part.clone() for name, part in parts.items()}
        wrong[column][1, 1] = bad
        with pytest.raises(InvalidInput, match=column):
            buffer.add(wrong["x"], torch.zeros(3), 0, chance(), logits=wrong["logits"])
        assert (len(buffer), buffer.seen) == before
    buffer.add(parts["x"] * 3e38, torch.zeros(3), 0, chance(), logits=parts["logits"])  # only their sum overflows


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda _: {"x": torch.zeros(2, 4)}, "x has rows"),
        (lambda _: {"x": torch.zeros(2, 3).double()}, "float64"),
        (lambda _: {"y": torch.zeros(3, dtype=torch.long)}, "y has the shape"),
        (lambda _: {"task": torch.zeros(3, dtype=torch.long)}, "task has the shape"),
        (lambda _: {"logits": torch.zeros(2, 1)}, "columns"),
        (lambda _: {"keys": ["a"]}, "1 keys for 2"),
        (lambda _: {"keys": "ab"}, "keys is one text"),
        (lambda _: {"keys": {"a", "b"}}, "Give a list with a text for each"),
        (lambda _: {"keys": [1, 2]}, "1 is no key"),
        (lambda _: {"x": [[0.0] * 3] * 2}, "x is a list"),
        (lambda _: {"y": torch.tensor(1)}, "y is a tensor"),
        (lambda _: {"task": 1.5}, "task is 1.5"),
        (lambda _: {"task": torch.zeros(2)}, "task is torch.float32"),
    ],
)
def test_what_does_not_fit_is_refused(change: Callable[[None], dict[str, Any]], said: str) -> None:
    buffer = Buffer(4)
    given: dict[str, Any] = {"x": torch.zeros(2, 3), "y": torch.zeros(2, dtype=torch.long), "task": 0}
    buffer.add(**given, generator=chance())
    with pytest.raises(InvalidInput, match=said):
        buffer.add(**{**given, **change(None)}, generator=chance())
    assert (len(buffer), buffer.seen) == (2, 2)


def test_a_policy_that_asks_for_merits_refuses_to_guess() -> None:
    for merit in (None, torch.ones(3), torch.tensor([1.0, float("nan")])):
        with pytest.raises(InvalidInput, match=r"merit|worth"):
            Buffer(4, policy_of("uncertainty")).add(
                torch.zeros(2, 1), torch.zeros(2, dtype=torch.long), 0, chance(), merit=merit
            )


def test_what_is_no_folder_is_refused() -> None:
    with pytest.raises(InvalidInput, match="folder is 3"):
        Buffer(4, folder=3)  # type: ignore[arg-type]


def test_real_targets_have_no_classes_and_go_by_tasks() -> None:
    buffer = Buffer(4, ClassBalanced())
    for task in (0, 1):
        buffer.add(torch.zeros(9, 1), torch.zeros(9, 1), task, chance())
    assert buffer.counts() == buffer.counts("task") == {0: 2, 1: 2}
    assert sorted(buffer.sample(2, chance(), balanced="class").task.tolist()) == [0, 1]


def test_balanced_samples_hold_each_class_as_often() -> None:
    buffer = Buffer(100)
    y = torch.tensor([0] * 80 + [1] * 15 + [2] * 5)
    buffer.add(torch.arange(100).view(-1, 1), y, y // 2, chance())
    for seed in range(20):
        assert buffer.sample(12, chance(seed), balanced="class").y.bincount().tolist() == [4, 4, 4]
        assert buffer.sample(30, chance(seed), balanced="class").y.bincount().tolist()[2] == 5
        assert buffer.sample(8, chance(seed), balanced="task").task.bincount().tolist() == [4, 4]
    drawn = torch.cat([buffer.sample(1, chance(seed), balanced="class").y for seed in range(300)])
    assert drawn.bincount().min() > 70


def test_a_sample_is_no_view_and_holds_all_where_there_are_fewer() -> None:
    buffer = Buffer(4)
    offer(buffer, 3, chance())
    sample = buffer.sample(10, chance())
    assert sorted(sample.extra["times"].tolist()) == [0, 1, 2]
    assert torch.equal(buffer.at(sample.index).x, sample.x)
    sample.x.zero_()
    check_rows(buffer)
    assert len(buffer.sample(0, chance())) == 0


def test_columns_are_written_anew_where_asked() -> None:
    buffer = Buffer(6)
    offer(buffer, 6, chance())
    buffer.update(torch.tensor([4, 1]), logits=torch.full((2, 4), 9.0))
    assert buffer.contents().extra["logits"][:, 0].tolist() == [0, 9, 2, 3, 9, 5]
    for wrong in ({"logits": torch.zeros(1, 4)}, {"none": torch.zeros(2, 4)}):
        with pytest.raises(InvalidInput):
            buffer.update(torch.tensor([4, 1]), **wrong)


@pytest.mark.parametrize(
    "ask",
    [
        Buffer,
        lambda: Buffer(0),
        lambda: Buffer(2.5),  # type: ignore[arg-type]
        lambda: Buffer(True),
        lambda: Buffer(bytes=0),
        lambda: Buffer(3).sample(1, chance()),
        lambda: Buffer(3).contents(),
        lambda: Buffer(3).drop(torch.ones(1, dtype=torch.bool)),
        lambda: Buffer(3).sample(1, chance(), balanced="day"),  # type: ignore[arg-type]
    ],
)
def test_what_makes_no_sense_is_refused(ask: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        ask()


def test_damage_to_a_saved_buffer_is_found(tmp_path: Path) -> None:
    buffer = Buffer(4)
    with pytest.raises(NotFound):
        buffer.load(tmp_path)
    offer(buffer, 4, chance())
    buffer.save(tmp_path)
    (weights,) = tmp_path.glob("*.safetensors")
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(Damaged):
        Buffer(4).load(tmp_path)


def test_a_buffer_says_what_it_is_and_makes_others_like_it() -> None:
    buffer = Buffer(4, Ring(), bytes=100)
    offer(buffer_of(buffer), 1, chance())
    other = buffer.anew()
    assert repr(buffer) == repr(other) == "Buffer(4, Ring(by='class', each=None), bytes=100)"
    assert (len(other), len(buffer)) == (0, 0)
    assert isinstance(Buffer(3).policy, Reservoir)


def test_no_gradient_goes_into_a_buffer() -> None:
    logits: Tensor = torch.ones(2, 3, requires_grad=True) * 2
    buffer = Buffer(4)
    buffer.add(torch.zeros(2, 1), torch.zeros(2), 0, chance(), logits=logits)
    assert not buffer.contents().extra["logits"].requires_grad


def test_tasks_are_long_whatever_whole_numbers_they_come_as() -> None:
    buffer = Buffer(9)
    for task in (torch.ones(2, dtype=torch.int32), 1, torch.ones(2, dtype=torch.uint8)):
        buffer.add(torch.zeros(2, 1), torch.zeros(2), task, chance())
    assert buffer.contents().task.dtype == torch.long
    assert buffer.counts("task") == {1: 6}


@pytest.mark.parametrize("rows", [torch.tensor([3]), torch.tensor([-1]), torch.tensor([0.0]), [0]])
def test_rows_that_are_not_there_cannot_be_read(rows: Any) -> None:
    buffer = Buffer(5)
    offer(buffer, 3, chance())
    with pytest.raises(InvalidInput, match=r"[Rr]ows"):
        buffer.at(rows)


def test_numbers_of_rows_are_no_mask() -> None:
    buffer = Buffer(3)
    offer(buffer, 3, chance())
    with pytest.raises(InvalidInput, match="True or False"):
        buffer.drop(torch.tensor([0, 1, 2]))
    assert len(buffer) == 3


@pytest.mark.parametrize("name", NAMES)
def test_what_was_begun_in_inference_mode_goes_on_outside(name: str) -> None:
    buffer, generator = Buffer(8, name), chance()
    with torch.inference_mode():
        offer(buffer, 12, generator)
    offer(buffer, 12, generator)
    buffer.forget({"k0", "k1", "k20", "k21"})
    check_rows(buffer)
    again = Buffer(8, name)
    with torch.inference_mode():
        again.restore(buffer.state())
    offer(again, 12, generator)


def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no device 'gpu'"):
        Buffer(3, device="gpu")


@pytest.mark.parametrize("rows", [[-1], [0, 3]])
def test_rows_that_are_not_there_cannot_be_written(rows: list[int]) -> None:
    buffer = Buffer(5)
    offer(buffer, 3, chance())
    before = buffer.contents()
    with pytest.raises(InvalidInput, match="Rows"):
        buffer.update(torch.tensor(rows), times=torch.full((len(rows),), 9))
    assert torch.equal(buffer.contents().extra["times"], before.extra["times"])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_not_written_over_what_is_there(bad: float) -> None:
    buffer = Buffer(4)
    buffer.add(torch.ones(3, 2), torch.zeros(3), 0, chance(), logits=torch.ones(3, 2))
    with pytest.raises(InvalidInput, match="logits holds what is no finite number"):
        buffer.update(torch.tensor([0, 2]), logits=torch.tensor([[0.0, 0.0], [bad, 0.0]]))
    assert torch.equal(buffer.contents().extra["logits"], torch.ones(3, 2))


def test_one_text_is_no_collection_of_keys_to_forget() -> None:
    buffer = Buffer(5)
    offer(buffer, 3, chance())
    for wrong in ("k1", 3, ["k1", 3]):
        with pytest.raises(InvalidInput, match="Give a set or a list of texts"):
            buffer.forget(wrong)
    assert buffer.forget(["k1"]) == 1


def test_a_policy_goes_by_its_name_and_what_is_none_is_refused() -> None:
    assert repr(Buffer(4, "ring")) == repr(Buffer(4, Ring()))
    for wrong in (3, None, Ring):
        with pytest.raises(InvalidInput, match="no policy of a memory"):
            Buffer(4, wrong)  # type: ignore[arg-type]
