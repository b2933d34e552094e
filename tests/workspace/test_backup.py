from __future__ import annotations

import os
import tarfile
import threading
from pathlib import Path

import pytest
from tests.conversations import lines

import onward
from onward.core import Damaged, InvalidInput, NotFound, Unavailable
from onward.workspace import Workspace


@pytest.fixture
def kept(workspace: Workspace, tmp_path: Path) -> Path:
    """The back-up of a workspace with a champion."""
    workspace.record_many(lines(300))
    assert workspace.cycle().status == "promoted"
    workspace.write_settings()
    return workspace.back_up(tmp_path / "kept" / "all.tar.gz")


def test_it_comes_back_whole_in_an_empty_folder(workspace: Workspace, kept: Path, tmp_path: Path) -> None:
    with onward.restore(kept, tmp_path / "back") as back:
        assert back.champion() == workspace.champion()
        assert back.history() == workspace.history()
        assert back.version(1) == workspace.version(1)
        assert back.house.experience.interactions("default") == workspace.house.experience.interactions("default")
        assert back.predict("hello team", record=False) == workspace.predict("hello team", record=False)
        assert back.settings == workspace.settings
        back.record_many(lines(200, intents=("order_status", "refund", "greeting", "gift_card"), seed=1))
        assert back.cycle().status == "promoted"
    assert oct((tmp_path / "back").stat().st_mode)[-3:] == "700"
    assert oct((tmp_path / "back" / "onward.db").stat().st_mode)[-3:] == "600"


def test_it_is_of_one_moment_while_others_write(workspace: Workspace, tmp_path: Path) -> None:
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            workspace.record("hello")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        files = [workspace.back_up(tmp_path / f"{n}.tar.gz") for n in range(3)]
    finally:
        stop.set()
        thread.join()
    counts = []
    for number, file in enumerate(files):
        with onward.restore(file, tmp_path / f"back{number}") as back:
            with back.house.storage.database.read() as connection:
                assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
            counts.append(back.status().interactions)
    assert counts == sorted(counts)


def test_a_folder_that_holds_something_is_left_alone(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").touch()
    with pytest.raises(InvalidInput, match="not empty"):
        onward.restore(kept, tmp_path / "mine")
    (tmp_path / "empty").mkdir()
    onward.restore(kept, tmp_path / "empty").close()


@pytest.mark.parametrize("keep", [0, 10, 2000])
def test_a_torn_back_up_is_refused_and_leaves_nothing(kept: Path, tmp_path: Path, keep: int) -> None:
    os.truncate(kept, keep)
    with pytest.raises(Damaged):
        onward.restore(kept, tmp_path / "back")
    assert {path.name for path in tmp_path.iterdir()} == {"kept", "ws"}


def test_what_would_leave_the_folder_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as archive:
        archive.add(__file__, "../outside.py")
    with pytest.raises(Damaged):
        onward.restore(tmp_path / "evil.tar.gz", tmp_path / "back")
    assert not (tmp_path / "outside.py").exists()


def test_an_archive_of_something_else_is_no_workspace(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "other.tar.gz", "w:gz") as archive:
        archive.add(__file__, "file.py")
    with pytest.raises(NotFound):
        onward.restore(tmp_path / "other.tar.gz", tmp_path / "back")


def test_nowhere_to_write_is_told(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable):
        workspace.back_up(tmp_path / "file" / "all.tar.gz")
    with pytest.raises(NotFound):
        onward.restore(tmp_path / "none.tar.gz", tmp_path / "back")
