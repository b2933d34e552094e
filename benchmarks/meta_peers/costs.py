"""What else a step costs: memory, sampling, more tasks, two processes. Measured in fresh processes (`alone.py`)."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.meta_peers.rounds import ROOT, environment
from benchmarks.meta_peers.work import Work, make, save

Row = dict[str, Any]
TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@contextmanager
def prepared(work: Work) -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="meta_speed_") as folder:
        save(Path(folder), work, make(work))
        yield folder


def alone(threads: int, *arguments: str, run: tuple[str, ...] = ()) -> Row:
    command = [sys.executable, *run, "-m", "benchmarks.meta_peers.alone", *arguments]
    said = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment(threads), check=False)
    if said.returncode:
        return {"error": said.stderr.strip()[-2000:]}
    told: Row = json.loads(said.stdout.splitlines()[-1])
    return told


def memory(work: Work) -> Row:
    """MiB that one step adds to a process, by threads."""
    found: dict[str, Row] = {}
    for threads in (1, 2):
        with prepared(work) as folder:
            names = ("onward", "onward, a task at once", "learn2learn")
            row = {name: alone(threads, "peak", folder, name) for name in names}
        mib: Row = {name: told.get("MiB", told.get("error")) for name, told in row.items()}
        found[str(threads)] = mib
        if not any("error" in told for told in row.values()):
            mib["of learn2learn's"] = round(mib["onward"] / mib["learn2learn"], 2)
            mib["of it, a task at once"] = round(mib["onward, a task at once"] / mib["learn2learn"], 2)
    return found


def growing(works: dict[str, Work]) -> Row:
    """Tasks a second, by the number of tasks in a step; one thread."""
    return over(works, "growing")


def sampling(works: dict[str, Work]) -> Row:
    return over(works, "sampling")


def over(works: dict[str, Work], what: str) -> Row:
    found: Row = {}
    for name, work in works.items():
        with prepared(work) as folder:
            found[name] = alone(1, what, folder)
    return found


def processes(work: Work, rounds: int = 3) -> Row:
    """One process of one thread, and two under torchrun, in turn."""
    one, two = [], []
    with prepared(work) as folder:
        for _ in range(rounds):
            one.append(alone(1, "spread", folder))
            two.append(alone(1, "spread", folder, run=TORCHRUN))
    for told in (*one, *two):
        if "error" in told:
            return told
    single, double = np.array(one[0]["gradient"]), np.array(two[0]["gradient"])
    ratios = [alike["seconds"] / apart["seconds"] for alike, apart in zip(one, two, strict=True)]
    return {
        "tasks a second, one": round(work.tasks / statistics.median(told["seconds"] for told in one), 2),
        "tasks a second, two": round(work.tasks / statistics.median(told["seconds"] for told in two), 2),
        "times as fast": round(statistics.median(ratios), 2),
        "relative error": float(f"{np.linalg.norm(single - double) / np.linalg.norm(single):.2g}"),
    }
