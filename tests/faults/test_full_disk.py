"""A disk that is full at every single write: the error is ours, nothing is half done, and it works when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import onward
from onward.core import OnwardError, Unavailable
from onward.workspace import Workspace
from tests.conversations import lines
from tests.faults.harness import (
    FAULTS,
    ROOT,
    Ground,
    Memory,
    Tally,
    check_answers,
    check_health,
    check_records,
    reopened,
    thorough,
)
from tests.faults.operations import FOUR, SETTINGS

PAGE = 4096
DISK = "24m"
CRAMPED = """
import resource, sys
import onward
from onward.core import Unavailable
what, folder, kept, limit = sys.argv[1:]
limit = int(limit)
ws = onward.open(folder) if what == "back-up" else None
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))  # as on a full disk, whoever asks
try:
    ws.back_up(kept) if ws else onward.restore(kept, folder)
    print("done")
except Unavailable as error:
    print("full")
"""


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A small disk of its own, that can really be filled."""
    place = tmp_path_factory.mktemp("disk")
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(place)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (subprocess.CalledProcessError, OSError) as error:
        pytest.skip(f"no disk to fill: mounting one needs root ({error})")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


class Ballast:
    """Fills a disk up to so many pages."""

    def __init__(self, disk: Path) -> None:
        self._disk, self._file = disk, disk / "ballast"

    def leave(self, pages: int) -> None:
        free = os.statvfs(self._disk).f_bavail * PAGE
        with self._file.open("wb") as opened:
            os.posix_fallocate(opened.fileno(), 0, max(PAGE, free - pages * PAGE))

    def lift(self) -> None:
        self._file.unlink(missing_ok=True)


def record(ws: Workspace) -> None:
    ws.record_many([{"id": f"full {number}", "text": "where is my parcel " * 9} for number in range(60)])


def feedback(ws: Workspace) -> None:
    ws.feedback("chat-0-0", score=1.0, id="full")


def cycle(ws: Workspace) -> None:
    assert ws.cycle(force=True).status == "promoted"


def promote(ws: Workspace) -> None:
    ws.promote(2, force=True, reason="again")


def back_up(ws: Workspace) -> None:
    ws.back_up(ws.folder.parent / "kept")


def restore(ws: Workspace) -> None:
    onward.restore(ws.folder.parent / "kept", ws.folder.parent / "back").close()


def prepare_cycle(ws: Workspace) -> None:
    ws.record_many(lines(300, intents=FOUR, seed=5))


def prepare_promote(ws: Workspace) -> None:
    ws.rollback(to=1)


def nothing(ws: Workspace) -> None:
    del ws


WORK: dict[str, tuple[str, Callable[[Workspace], None], Callable[[Workspace], None], int]] = {
    "record": ("two", nothing, record, 8),
    "feedback": ("two", nothing, feedback, 5),
    "cycle": ("one", prepare_cycle, cycle, 40),
    "promote": ("two", prepare_promote, promote, 5),
    "back up": ("two", nothing, back_up, 48),
    "restore": ("two", back_up, restore, 120),
}
"""Which workspace, what comes before, the work, and by how many pages the room grows in every check."""


@pytest.mark.parametrize("work", WORK)
def test_full_at_every_write(ground: Ground, disk: Path, tally: Tally, work: str) -> None:
    kind, prepare, do, stride = WORK[work]
    ballast, pages, refused = Ballast(disk), 0, 0
    here = Ground(ground.name, disk, ground.prepared, ground.server)
    for _ in range(2000):
        site, memory = here.site(kind), Memory()
        with reopened(site) as ws:
            prepare(ws)
            memory.remember(ws)
            before = facts(ws)
            ballast.leave(pages)
            try:
                do(ws)
            except Unavailable:
                full = True
            else:
                full = False
            finally:
                ballast.lift()
            if full:
                refused += 1
                if work != "cycle":
                    assert facts(ws) == before
                check_answers(ws, memory)
                check_records(ws, memory, tally)
                do(ws)
            memory.remember(ws)
            check_health(ws, tally)
        with reopened(site) as ws:
            check_answers(ws, memory)
            check_records(ws, memory, tally)
        site.remove()
        if not full:
            break
        pages += thorough(stride, 1)
    tally.counts[f"disk full in {work}"] += refused
    assert not full
    assert refused or (ground.server and work in ("record", "feedback", "promote"))


def facts(ws: Workspace) -> object:
    return [ws.champion(), ws.history(), ws.versions(), ws.status().interactions, ws.status().feedback]


@pytest.mark.parametrize("limit", [10, 300, 2_000, 20_000, 60_000] if FAULTS else [20_000])
def test_where_no_file_may_grow(prepared: Path, tmp_path: Path, limit: int) -> None:
    """As on a full disk, but for processes that may not mount one."""

    def run(*arguments: object) -> str:
        command = [sys.executable, "-c", CRAMPED, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    shutil.copytree(prepared / "two", tmp_path / "ws")
    new = tmp_path / "kept"
    said = run("back-up", tmp_path / "ws", new, limit)
    if said == "full":
        with pytest.raises(OnwardError):
            onward.restore(new, tmp_path / "nothing")
    with onward.open(tmp_path / "ws", settings=SETTINGS) as ws:
        ws.back_up(new)
        assert [one for one in ws.doctor(source=new) if one.grave] == []
    said = run("restore", tmp_path / "back", prepared / "kept", limit)
    assert said == "full" or limit > 50_000
    if said == "full":
        assert not [path for path in tmp_path.iterdir() if "back" in path.name]
        onward.restore(new, tmp_path / "back").close()
    assert onward.doctor(tmp_path / "back") == ()
