from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import onward
from onward.core import ManualClock
from onward.storage import open_storage
from onward.workspace import Workspace
from tests.postgres import Server, start_server

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


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    """A PostgreSQL server of our own, one for each process that tests."""
    try:
        server = start_server()
    except (RuntimeError, OSError) as error:
        pytest.skip(f"no PostgreSQL: {error}")
    yield server
    server.remove()


@pytest.fixture(scope="session")
def prepared_database(postgresql: Server, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database with all tables, to be copied: quicker than to make them."""
    name = postgresql.make()
    open_storage(f"{postgresql.dsn(name)}?folder={tmp_path_factory.mktemp('prepared')}").close()  # no workspace's yet
    return name


@pytest.fixture
def postgresql_url(postgresql: Server, prepared_database: str, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty workspace in a database of its own."""
    name = postgresql.make(prepared_database)
    yield f"{postgresql.dsn(name)}?folder={tmp_path / 'folder'}"
    postgresql.drop(name)
