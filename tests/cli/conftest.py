from pathlib import Path

import pytest
from tests.cli.terminal import copy, labelled, make, run


@pytest.fixture(scope="session")
def taught(tmp_path_factory):
    """A workspace with two versions, the first of them champion. Read only."""
    folder = make(tmp_path_factory.mktemp("cli") / "taught")
    assert run("record", "-", "--workspace", folder, stdin=labelled(150)).code == 0
    first = run("cycle", "--workspace", folder, "--json")
    assert first.code == 0, first.out + first.err
    assert first.value["status"] == "promoted"
    assert run("record", "-", "--workspace", folder, stdin=labelled(60, seed=1)).code == 0
    second = run("cycle", "--workspace", folder, "--json", "--force")
    assert second.value["candidate"] == 2
    assert second.value["champion"] == 1
    return folder


@pytest.fixture
def shop(taught, tmp_path) -> Path:
    """A copy of the taught workspace."""
    return copy(taught, tmp_path / "shop")


@pytest.fixture(scope="session")
def blank(tmp_path_factory):
    """A workspace with nothing in it. Read only."""
    return make(tmp_path_factory.mktemp("cli") / "blank")


@pytest.fixture
def empty(blank, tmp_path) -> Path:
    """A workspace with nothing in it."""
    return copy(blank, tmp_path / "empty")
