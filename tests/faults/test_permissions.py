"""Folders that cannot be written, or not even read: the error is ours, and nothing changes."""

from __future__ import annotations

import hashlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import onward
from tests.faults.harness import Memory, Nursery, Tally, check_answers, check_health, check_records
from tests.faults.operations import SETTINGS

READS = ("predict", "status")
FORBIDDEN = ("record", "cycle", "rollback", "forget")


@pytest.fixture
def nobody() -> int:
    """Who the child is: root may do everything, so then it is somebody else."""
    if os.geteuid() != 0:
        return os.geteuid()
    try:
        return pwd.getpwnam("nobody").pw_uid
    except KeyError:
        pytest.skip("run as root, and there is no user `nobody`: root may do everything")


@pytest.fixture
def open_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder that others than root can get to."""
    place = Path("/tmp") / f"onward-faults-{os.getpid()}"
    place.mkdir(mode=0o755)
    yield place
    for path in place.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(place)


def given(place: Path, owner: int, folders: int, files: int) -> None:
    """Hand a folder over to an owner, with these permissions."""
    paths = [place, *place.rglob("*")]
    for path in paths:
        if os.geteuid() == 0:
            os.chown(path, owner, owner)
    for path in reversed(paths):
        path.chmod(folders if path.is_dir() else files)


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.name.endswith("-shm")
    }


def tried(nursery: Nursery, place: Path, user: int) -> dict[str, str]:
    """What came of everything that was tried."""
    said = place.parent / "said"
    said.touch(mode=0o666)
    said.chmod(0o666)
    child = nursery.bear("try all", place, said, user=user, kept=str(place.parent / "kept"), turns=1)
    child.await_line("done")
    child.kill()
    lines = [words for words in child.lines() if words[0] not in ("begin", "done")]
    odd = "\n".join(" ".join(words[-60:]) for words in lines if words[1] == "!")
    assert not odd, odd
    return {words[0]: words[1] for words in lines}


def read_only(place: Path, user: int) -> None:
    given(place, user, 0o500, 0o400)


def foreign(place: Path, user: int) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder to somebody else")
    given(place, 0, 0o700, 0o600)


def closed(place: Path, user: int) -> None:
    given(place, user, 0o700, 0o600)
    place.chmod(0)


def without(name: str, mode: int = 0) -> Callable[[Path, int], None]:
    """Take rights on one thing of the place away."""

    def take(place: Path, user: int) -> None:
        given(place, user, 0o700, 0o600)
        (place / name).chmod(mode)

    return take


def no_records(place: Path, user: int) -> None:
    given(place, user, 0o700, 0o600)
    for folder in (place / "records").iterdir():
        folder.chmod(0o500)


def no_blob(place: Path, user: int) -> None:
    given(place, user, 0o700, 0o600)
    for path in (place / "blobs").rglob("*"):
        if path.is_file():
            path.chmod(0)


PLACES: dict[str, tuple[Callable[[Path, int], None], tuple[str, ...]]] = {
    "read-only": (read_only, FORBIDDEN),
    "foreign": (foreign, (*FORBIDDEN, *READS, "doctor")),
    "closed": (closed, (*FORBIDDEN, *READS, "doctor")),
    "only the database": (without("onward.db", 0o400), FORBIDDEN),
    "no database": (without("onward.db"), (*FORBIDDEN, *READS)),
    "no artifacts": (without("artifacts"), ("predict", "cycle", "rollback")),
    "no scratch": (without("scratch", 0o500), ("cycle",)),
    "no settings": (without("onward.toml"), ()),
    "no records": (no_records, ()),
    "no blobs": (no_blob, ("cycle",)),
}
"""What is taken away, and what then cannot work."""


@pytest.mark.parametrize("place", PLACES)
def test_without_permission(
    prepared: Path, nursery: Nursery, tally: Tally, nobody: int, open_place: Path, place: str
) -> None:
    take_away, fails = PLACES[place]
    folder = open_place / "ws"
    shutil.copytree(prepared / "two", folder)
    shutil.copytree(prepared / "kept", open_place / "kept")
    given(open_place / "kept", nobody, 0o700, 0o600)
    memory = Memory()
    with onward.open(folder, settings=SETTINGS) as ws:
        memory.remember(ws)
    before = fingerprint(folder)
    take_away(folder, nobody)
    outcome = tried(nursery, folder, nobody)
    assert {name: outcome[name] for name in fails if outcome[name] not in ("unavailable", "damaged", "not_found")} == {}
    given(folder, os.geteuid(), 0o700, 0o600)
    if place in ("read-only", "foreign", "closed"):
        assert fingerprint(folder) == before
    with onward.open(folder, settings=SETTINGS, create=False) as ws:
        memory.answers.setdefault(1, ws._model(1).predict([]))
        check_works(ws, memory, tally)


def check_works(ws: onward.Workspace, memory: Memory, tally: Tally) -> None:
    memory.answers.pop(1)
    check_answers(ws, memory)
    check_records(ws, memory, tally, slack=2)
    check_health(ws, tally)
    assert ws.record("and now")


def test_a_disk_that_became_read_only(prepared: Path, tmp_path: Path, tally: Tally) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], check=True, capture_output=True)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"no disk to turn read-only: mounting one needs root ({error})")
    try:
        shutil.copytree(prepared / "two", disk / "ws")
        memory = Memory()
        with onward.open(disk / "ws", settings=SETTINGS) as ws:
            memory.remember(ws)
        before = fingerprint(disk)
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        check_refused(disk / "ws", tmp_path / "kept")
        assert fingerprint(disk) == before
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        with onward.open(disk / "ws", settings=SETTINGS, create=False) as ws:
            check_answers(ws, memory)
            check_records(ws, memory, tally)
            check_health(ws, tally)
            assert ws.record("and now")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def check_refused(place: Path, kept: Path) -> None:
    works: list[Callable[[onward.Workspace], object]] = [
        lambda ws: ws.record("hello"),
        lambda ws: ws.cycle(force=True),
        lambda ws: ws.rollback(to=1),
        lambda ws: ws.doctor(),
        lambda ws: ws.back_up(kept),
    ]
    for work in works:
        try:
            with onward.open(place, settings=SETTINGS, create=False) as ws:
                work(ws)
        except onward.OnwardError as error:
            assert error.mend  # noqa: PT017
