"""Rows in files: the same as in memory, durable, whole or not there at all, whatever happens meanwhile."""

from __future__ import annotations

import copy
import os
import pickle
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from onward.core import Busy, Damaged, InvalidInput, NotFound, Unavailable
from onward.learners.continual import (
    AGEM,
    CLSER,
    ContinualLearner,
    Course,
    DarkExperienceReplay,
    Experience,
    ExperienceReplay,
    Hooks,
)
from onward.learners.continual.memory import Buffer, ClassBalanced, _spill

ROOT = Path(__file__).resolve().parents[4]
KILLED = """
import sys
from pathlib import Path
import torch
from onward.learners.continual.memory import Buffer
from onward.learners.neural import keep, taken_apart
folder = Path(sys.argv[1])
buffer, chance = Buffer(4000, folder=folder / "rows"), torch.Generator().manual_seed(0)
for number in range(1, 100000):
    buffer.add(torch.full((2000, 64), float(number)), torch.full((2000,), number), 0, chance, check=False)
    buffer.save(folder / "kept")
    print(number, flush=True)
"""


def chance(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def offer(buffer: Buffer, count: int, generator: torch.Generator) -> None:
    at = torch.arange(buffer.seen, buffer.seen + count)
    keys = [f"k{number}" for number in at.tolist()]
    buffer.add(at.view(-1, 1).repeat(1, 5).float(), at % 3, 0, generator, keys=keys, logits=at.view(-1, 1).bfloat16())


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_spill, "CHUNK", 64)  # three rows of `x`


@given(
    steps=st.lists(
        st.integers(0, 15) | st.sets(st.integers(0, 60), min_size=1, max_size=9) | st.just("state"), max_size=10
    )
)
@settings(max_examples=25, deadline=None)
def test_a_buffer_in_files_is_one_in_memory(steps: list[object], tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("spill")
    buffers = [(Buffer(14, ClassBalanced()), chance()), (Buffer(14, ClassBalanced(), folder=folder), chance())]
    for step in steps:
        for at, (buffer, generator) in enumerate(buffers):
            if step == "state":
                again = buffer.anew()
                again.restore(buffer.state())
                buffers[at] = (again, generator)
            elif isinstance(step, int):
                offer(buffer, step, generator)
            elif isinstance(step, set):
                buffer.forget({f"k{number}" for number in step})
    (one, drawn), (two, again_drawn) = buffers
    assert one.keys() == two.keys()
    if len(one):
        a, b = one.sample(7, drawn, "class"), two.sample(7, again_drawn, "class")
        for name in ("x", "y", "task"):
            assert torch.equal(getattr(a, name), getattr(b, name))
        assert torch.equal(a.extra["logits"], b.extra["logits"])


def test_a_state_is_found_again_by_another_process(tmp_path: Path) -> None:
    buffer = Buffer(20, folder=tmp_path / "rows")
    offer(buffer, 50, chance())
    buffer.save(tmp_path / "kept")
    held = buffer.contents()
    other = Buffer(20, folder=tmp_path / "rows")
    other.load(tmp_path / "kept")
    assert torch.equal(other.contents().x, held.x)
    assert other.keys() == buffer.keys()


def test_only_what_changed_is_written_and_only_so_many_states_stay(tmp_path: Path) -> None:
    buffer = Buffer(30, folder=tmp_path, snapshots=2)
    offer(buffer, 30, chance())
    states = [buffer.state()]
    files = {path.name for path in tmp_path.iterdir()}
    assert buffer.state()["rows"] == states[0]["rows"]
    assert {path.name for path in tmp_path.iterdir()} == files
    buffer.update(torch.tensor([4]), x=torch.full((1, 5), -1.0))
    states.append(buffer.state())
    assert len({path.name for path in tmp_path.glob("*.rows")} - files) == 1
    buffer.update(torch.tensor([4]), x=torch.full((1, 5), -2.0))
    states.append(buffer.state())
    with pytest.raises(NotFound, match="snapshots="):
        buffer.restore(states[0])
    assert buffer.at(torch.tensor([4])).x[0, 0] == -2  # what was not found changed nothing
    for state, value in ((states[1], -1), (states[2], -2)):
        buffer.restore(state)
        assert buffer.at(torch.tensor([4])).x[0, 0] == value
    buffer.prune()
    assert len(list(tmp_path.glob("rows-*.json"))) == 1
    buffer.restore(states[2])


def test_who_went_back_to_a_state_that_is_pruned_then_writes_its_rows_again(tmp_path: Path) -> None:
    buffer = Buffer(30, folder=tmp_path)
    offer(buffer, 30, chance())
    before, held = buffer.state(), buffer.contents()
    buffer.drop(torch.arange(30) < 20)
    buffer.state()
    buffer.restore(before)
    buffer.prune()
    state = buffer.state()
    buffer.restore(state)
    assert torch.equal(buffer.contents().x, held.x)


def test_forgotten_rows_leave_the_folder_once_the_states_before_are_pruned(tmp_path: Path) -> None:
    buffer = Buffer(30, folder=tmp_path)
    offer(buffer, 30, chance())
    buffer.state()
    secret = buffer.contents().x[7].numpy().tobytes()
    assert any(secret in path.read_bytes() for path in tmp_path.iterdir())
    buffer.forget(["k7"])
    buffer.state()
    buffer.prune()
    assert not any(secret in path.read_bytes() for path in tmp_path.iterdir())


def test_working_files_have_no_names_and_nothing_is_left_without_a_state(tmp_path: Path) -> None:
    buffer = Buffer(30, folder=tmp_path)
    offer(buffer, 30, chance())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("what", ["flipped", "cut", "gone"])
@pytest.mark.parametrize("kind", ["*.rows", "rows-*.json"])
def test_damage_is_found_and_changes_nothing(what: str, kind: str, tmp_path: Path) -> None:
    buffer = Buffer(30, folder=tmp_path)
    offer(buffer, 30, chance())
    state = buffer.state()
    path = min(tmp_path.glob(kind))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if what == "gone":
        path.unlink()
    else:
        path.write_bytes(data if what == "flipped" else data[:-1])
    with pytest.raises(NotFound if what == "gone" and kind.endswith("json") else Damaged):
        buffer.restore(state)
    assert buffer.keys() == [f"k{number}" for number in range(30)]
    assert torch.equal(buffer.contents().x[:, 0], torch.arange(30.0))


def test_what_could_not_be_read_leaves_what_is_kept_next_as_it_is(tmp_path: Path) -> None:
    buffer, again = Buffer(30, folder=tmp_path), Buffer(30, folder=tmp_path)
    offer(buffer, 30, chance())
    state, paths = buffer.state(), list(tmp_path.glob("*.rows"))
    buffer.update(torch.arange(30), x=torch.ones(30, 5))
    for path in paths:
        path.write_bytes(b"")
    with pytest.raises(Damaged):
        buffer.restore(state)
    buffer.update(
        torch.arange(30), y=torch.full((30,), 7), task=torch.ones(30).long(), logits=torch.ones(30, 1).bfloat16()
    )
    again.restore(buffer.state())
    assert torch.equal(again.contents().x, torch.ones(30, 5))
    assert torch.equal(again.contents().y, torch.full((30,), 7))


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda buffer: pickle.loads(pickle.dumps(buffer))])
def test_rows_in_a_folder_have_one_writer_and_no_copy(copied: Callable[[Buffer], Buffer], tmp_path: Path) -> None:
    buffer = Buffer(9, folder=tmp_path)
    offer(copied(buffer), 9, chance())  # a pattern may go anywhere
    offer(buffer, 9, chance())
    with pytest.raises(InvalidInput, match="folder of its own"):
        copied(buffer)


def test_two_buffers_do_not_write_to_one_folder(tmp_path: Path) -> None:
    one, two = Buffer(9, folder=tmp_path), Buffer(9, folder=tmp_path)
    offer(one, 9, chance())
    state = one.state()
    two.restore(state)  # reading is free
    for ask in (two.state, two.prune):
        with pytest.raises(Busy, match="folder of its own"):
            ask()
    del one
    two.drop(torch.arange(9) < 3)
    two.restore(two.state())
    assert len(two) == 6


def test_states_in_memory_and_in_files_are_not_mixed(tmp_path: Path) -> None:
    here, there = Buffer(3), Buffer(3, folder=tmp_path)
    offer(here, 3, chance())
    with pytest.raises(InvalidInput):
        there.restore(here.state())
    with pytest.raises(InvalidInput):
        here.restore(there.state())


def test_a_kill_leaves_the_state_before_or_the_one_after(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        for _ in range(3):
            process.stdout.readline()
        time.sleep(time.time() % 0.02)  # somewhere within a turn
        process.send_signal(signal.SIGKILL)
        said = max([3, *(int(line) for line in process.stdout.read().split())])
    buffer = Buffer(4000, folder=tmp_path / "rows")
    buffer.load(tmp_path / "kept")
    held = buffer.contents()
    assert buffer.seen in (2000 * said, 2000 * (said + 1))
    assert torch.equal(held.x, held.y.view(-1, 1).repeat(1, 64).float())
    assert int(held.y.max()) <= buffer.seen // 2000


@contextmanager
def cramped(size: int) -> Iterator[None]:
    """No file may grow beyond so many bytes, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_without_room_for_the_rows_is_said_at_the_first_of_them(tmp_path: Path) -> None:
    buffer = Buffer(100, folder=tmp_path)
    with cramped(500), pytest.raises(Unavailable):
        offer(buffer, 3, chance())
    assert (len(buffer), buffer.seen, list(tmp_path.iterdir())) == (0, 0, [])
    offer(buffer, 3, chance())
    assert len(buffer) == 3


@pytest.mark.parametrize("limit", [20, 100])
def test_a_full_disk_leaves_what_was_kept(limit: int, tmp_path: Path) -> None:
    buffer = Buffer(30, folder=tmp_path)
    offer(buffer, 20, chance())
    before, held = buffer.state(), buffer.contents()
    offer(buffer, 10, chance())
    with cramped(limit), pytest.raises(Unavailable):
        buffer.state()
    assert not list(tmp_path.glob("*.part"))
    other = Buffer(30, folder=tmp_path)  # it only reads
    other.restore(before)
    assert torch.equal(other.contents().x, held.x)
    after = buffer.state()
    other.restore(after)
    assert torch.equal(other.contents().x, buffer.contents().x)


class Odd:
    """A method whose state is nothing that can be kept, once it is told so."""

    def __init__(self) -> None:
        self.odd: object = None

    def start(self, course: Course) -> Hooks:
        return Hooks(state=lambda: {"odd": self.odd})


@pytest.mark.parametrize("method", [ExperienceReplay, DarkExperienceReplay, CLSER, AGEM])
def test_a_learner_that_could_not_be_saved_is_what_was_saved_before(method: Any, tmp_path: Path) -> None:
    def made() -> tuple[ContinualLearner, Odd]:
        odd = Odd()
        memory = method(Buffer(20, folder=tmp_path / "rows", snapshots=1))
        return ContinualLearner(nn.Linear(3, 4), [memory, odd], batch_size=8), odd

    def learn(one: ContinualLearner, classes: int) -> None:
        y = torch.arange(16) % 2 + classes
        one.learn(Experience(torch.randn(16, 3), y, keys=[f"{classes}.{at}" for at in range(16)]))

    one, odd = made()
    learn(one, 0)
    one.save(tmp_path)
    odd.odd = object()
    for classes in (1, 2):
        learn(one, classes)
        with pytest.raises(InvalidInput, match="cannot be kept"):
            one.save(tmp_path)
    del one
    other, _ = made()
    assert other.resume(tmp_path) == 1
    learn(other, 2)
    assert other.forget([f"0.{at}" for at in range(16)]) > 0
    other.save(tmp_path)
    assert len(list((tmp_path / "rows").glob("rows-*.json"))) == 1
