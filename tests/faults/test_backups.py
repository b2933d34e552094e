"""Back-ups and restores that are killed, or run out of space: the last snapshot stands, and nothing appears by halves."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import onward
from tests.conversations import lines

ROOT = Path(__file__).resolve().parents[2]
LINEAR = {"training": {"learners": ["linear"]}}
FORKS = """
import os, random, sys, time
import onward
what, folder, kept, seed = sys.argv[1:]
print("ready", flush=True)
for number in range(10_000):
    if what == "back-up":
        with onward.open(folder) as ws:
            ws.record("more " * 200, id=f"more {seed} {number}")
            print("kept", ws.back_up(kept).id, flush=True)
    else:
        onward.restore(kept, f"{folder}/{seed}-{number}").close()
        print("restored", number, flush=True)
"""
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
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("prepared")
    with onward.open(folder / "ws", settings=LINEAR) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
        ws.write_settings()
        ws.back_up(folder / "kept")
    return folder


def killed(what: str, folder: Path, kept: Path, seed: int) -> list[list[str]]:
    """Run until a random instant; return all that was acknowledged."""
    command = [sys.executable, "-c", FORKS, what, str(folder), str(kept), str(seed)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(random.Random(seed).uniform(0, 1.0))
    process.kill()
    said, _ = process.communicate()
    assert process.returncode == -signal.SIGKILL
    return [line.split() for line in said.splitlines(keepends=True) if line.endswith("\n")]


def test_killed_while_backing_up(prepared: Path, tmp_path: Path) -> None:
    kept, told = prepared / "kept", set[str]()
    for seed in range(6):
        told |= {words[1] for words in killed("back-up", prepared / "ws", kept, seed) if words[0] == "kept"}
        with onward.open(prepared / "ws", settings=LINEAR) as ws:
            found = {one.id for one in ws.snapshots(kept)}
            assert told <= found
            assert [one for one in ws.doctor(source=kept) if one.grave] == []
            ws.back_up(kept)
            before = ws.status().interactions
        with onward.restore(kept, tmp_path / f"back{seed}") as back:
            assert back.status().interactions == before
            assert back.champion() == 1
    with onward.open(prepared / "ws") as ws:
        ws.prune(kept, keep=1)
        assert list((kept / "unfinished").rglob("*")) == []
        assert len(ws.snapshots(kept)) == 1


def test_killed_while_restoring(prepared: Path, tmp_path: Path) -> None:
    for seed in range(6):
        killed("restore", tmp_path, prepared / "kept", seed)
    whole = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
    for path in whole:
        assert [one for one in onward.doctor(path) if one.grave] == []
        with onward.open(path, create=False) as back:
            assert back.champion() == 1
    for left in tmp_path.glob(".*"):
        name = left.name[1:].rpartition("-unfinished-")[0]
        assert not (tmp_path / name).exists()
        onward.restore(prepared / "kept", tmp_path / name).close()
        assert not left.exists()


@pytest.mark.parametrize("limit", [10, 300, 2_000, 20_000, 60_000])
def test_on_a_full_disk(prepared: Path, tmp_path: Path, limit: int) -> None:
    def run(*arguments: object) -> str:
        command = [sys.executable, "-c", CRAMPED, *map(str, arguments)]
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60).stdout.strip()

    new = tmp_path / "kept"
    said = run("back-up", prepared / "ws", new, limit)
    if said == "full":
        with pytest.raises(onward.OnwardError):
            onward.restore(new, tmp_path / "nothing")
    with onward.open(prepared / "ws") as ws:
        ws.back_up(new)
        assert [one for one in ws.doctor(source=new) if one.grave] == []
    said = run("restore", tmp_path / "back", prepared / "kept", limit)
    assert said == "full" or limit > 50_000
    if said == "full":
        assert not [path for path in tmp_path.iterdir() if "back" in path.name]
        onward.restore(new, tmp_path / "back").close()
    assert onward.doctor(tmp_path / "back") == ()
