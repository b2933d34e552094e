from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conversations import lines

import onward
from onward.core import ManualClock
from onward.workspace import Workspace

LINEAR = {"training": {"learners": ["linear"]}}
FOUR = ("order_status", "refund", "greeting", "gift_card")


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that promoted twice, and whose first champion was put back. Read only."""
    folder = tmp_path_factory.mktemp("two") / "ws"
    with onward.open(folder, settings=LINEAR, clock=ManualClock()) as ws:
        ws.write_settings()
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
        ws.record_many(lines(300, intents=FOUR, seed=1))
        assert ws.cycle().status == "promoted"
        ws.feedback("chat-0-1", score=0.9, user="u1")
        ws.forget("u16")
    return folder


@pytest.fixture
def folder(two_versions: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(two_versions, tmp_path / "ws"))


@pytest.fixture
def reopen(folder: Path, clock: ManualClock) -> Iterator[Callable[[], Workspace]]:
    opened: list[Workspace] = []

    def again() -> Workspace:
        opened.append(onward.open(folder, settings=LINEAR, clock=clock))
        return opened[-1]

    yield again
    for one in opened:
        one.close()


@pytest.fixture
def ws(reopen: Callable[[], Workspace]) -> Workspace:
    return reopen()
