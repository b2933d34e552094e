"""kill -9 at random instants: the champion loads, nothing acknowledged is missing, and work goes on."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import pytest

import onward
from onward.workspace import Workspace
from tests.conversations import lines
from tests.faults.worker import FOUR, SETTINGS

ROOT = Path(__file__).resolve().parents[2]


def killed(folder: Path, what: str, *, after: str, seconds: float) -> list[list[str]]:
    """Run the worker, kill it a random while after it first said `after`; return all it said."""
    command = [sys.executable, "-m", "tests.faults.worker", str(folder), what]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    timer = threading.Timer(seconds, process.kill)
    said = []
    for line in process.stdout:
        if line.endswith("\n"):  # the kill may tear the last one
            said.append(line.split())
        if line.startswith(after) and not timer.is_alive() and timer.ident is None:
            timer.start()
    errors = process.stderr.read()
    assert process.wait() == -signal.SIGKILL, errors
    process.stdout.close()
    process.stderr.close()
    return said


def all_ids(ws: Workspace) -> list[str]:
    return [i.id for i in ws.house.experience.interactions("default")]


def check_whole(ws: Workspace) -> None:
    """The database is sound, the champion is what the trail says, and it loads and answers."""
    with ws.house.storage.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
        assert connection.exec_driver_sql("PRAGMA foreign_key_check").all() == []
    history = ws.history()
    assert ws.champion() == (history[-1].version if history else None)
    for before, after in pairwise(history):
        assert after.previous == before.version
    if ws.champion() is not None:
        assert ws.predict("hello team today", record=False).labels.intent is not None


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two promoted versions."""
    folder = tmp_path_factory.mktemp("prepared") / "ws"
    with onward.open(folder, settings=SETTINGS) as ws:
        ws.record_many(lines(300))
        assert ws.cycle().status == "promoted"
        ws.record_many(lines(300, intents=FOUR, seed=1))
        assert ws.cycle().status == "promoted"
    return folder


@pytest.mark.parametrize("attempt", range(4))
def test_killed_while_recording(tmp_path: Path, attempt: int) -> None:
    said = killed(tmp_path / "ws", "record", after="recorded", seconds=random.Random(attempt).uniform(0, 0.3))
    acknowledged = [words[1] for words in said if words[0] == "recorded"]
    with onward.open(tmp_path / "ws", create=False) as ws:
        check_whole(ws)
        ids = all_ids(ws)
        assert len(ids) == len(set(ids))
        assert set(acknowledged) <= set(ids)
        assert len(ids) <= len(acknowledged) + 1
        assert ws.record("still here")


@pytest.mark.parametrize("attempt", range(6))
def test_killed_while_cycling(prepared: Path, tmp_path: Path, attempt: int) -> None:
    folder = tmp_path / "ws"
    shutil.copytree(prepared, folder)
    said = killed(folder, "cycle", after="stage curate", seconds=random.Random(attempt).uniform(0, 1.5))
    with onward.open(folder, settings=SETTINGS, create=False) as ws:
        check_whole(ws)
        acknowledged = {name for words in said if words[0] == "recorded" for name in words[1:]}
        assert acknowledged <= set(all_ids(ws))
        last = next((words for words in reversed(said) if words[0] == "cycle"), None)
        assert ws.champion() >= int(last[2] if last else 2)
        left = ws.status().running_cycle
        result = ws.cycle(force=True)
        assert left in (None, result.id)
        assert result.status in {"promoted", "kept", "refused"}
        assert ws.status().running_cycle is None
        check_whole(ws)


@pytest.mark.parametrize("attempt", range(4))
def test_killed_while_promoting_and_rolling_back(prepared: Path, tmp_path: Path, attempt: int) -> None:
    folder = tmp_path / "ws"
    shutil.copytree(prepared, folder)
    said = killed(folder, "promote", after="champion", seconds=random.Random(attempt).uniform(0, 0.3))
    told = [int(words[1]) for words in said if words[0] == "champion"]
    with onward.open(folder, settings=SETTINGS, create=False) as ws:
        check_whole(ws)
        served = [move.version for move in ws.history()][2:]
        assert served[: len(told)] == told
        assert len(served) <= len(told) + 1
