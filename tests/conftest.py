from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import onward
from onward.core import ManualClock
from onward.workspace import Workspace

LINEAR: dict[str, Any] = {"training": {"learners": ["linear"]}}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def workspace(tmp_path: Path, clock: ManualClock) -> Iterator[Workspace]:
    """An empty workspace that trains the linear learner and owns its time."""
    with onward.open(tmp_path / "ws", settings=LINEAR, clock=clock) as opened:
        yield opened


@pytest.fixture
def make_workspace(tmp_path: Path, clock: ManualClock) -> Iterator[Callable[..., Workspace]]:
    """Open workspaces under given settings; the linear learner where none is named."""
    opened: list[Workspace] = []

    def make(name: str = "made", **settings: Any) -> Workspace:
        opened.append(onward.open(tmp_path / name, settings={**LINEAR, **settings}, clock=clock))
        return opened[-1]

    yield make
    for one in opened:
        one.close()
