"""Contenders side by side: their gradients compared, then their times taken in turn."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.meta_peers import CONTENDERS, by_nested_loop
from benchmarks.meta_peers.work import Data, Work, make, save

ROOT = Path(__file__).resolve().parents[2]
EQUAL = 5e-2  # relative error; a ReLU whose input rounds to the other side of 0 is worth up to 0.1 of a task's gradient
SECONDS = 0.4  # of one measurement, at least
Row = dict[str, Any]


def python(contender: str) -> str:
    """The interpreter of a contender: JAX may live in another environment."""
    return os.environ.get("JAX_PYTHON", sys.executable) if contender == "JAX" else sys.executable


def environment(threads: int, interpreter: str = sys.executable) -> dict[str, str]:
    """So many threads; in another environment without the packages of this one."""
    told = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    if interpreter != sys.executable:
        told.pop("PYTHONPATH", None)
    return told


class Worker:
    """A process of `worker.py`, and what it said."""

    def __init__(self, interpreter: str, folder: Path, threads: int) -> None:
        self.process = subprocess.Popen(
            [interpreter, "-m", "benchmarks.meta_peers.worker", str(folder), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env=environment(threads, interpreter),
        )

    def ask(self, **request: Any) -> Row:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps(request), file=self.process.stdin, flush=True)
        line = self.process.stdout.readline()
        answer: Row = json.loads(line) if line else {"error": f"ended with {self.process.wait()}"}
        return answer

    def close(self) -> None:
        self.process.communicate()


@contextmanager
def workers(names: Sequence[str], folder: Path, threads: int) -> Iterator[dict[str, Worker]]:
    """The process that each contender runs in: one for all that share an interpreter."""
    with ExitStack() as stack:
        started: dict[str, Worker] = {}
        for interpreter in dict.fromkeys(map(python, names)):
            started[interpreter] = Worker(interpreter, folder, threads)
            stack.callback(started[interpreter].close)
        yield {name: started[python(name)] for name in names}


def apart(found: Path, reference: Data) -> float:
    """|found - reference| / |reference| over all parameters together."""
    with np.load(found) as file:
        gap = sum(float(((file[name] - true) ** 2).sum()) for name, true in reference.items())
    return float(np.sqrt(gap / sum(float((true**2).sum()) for true in reference.values())))


def compare(work: Work, names: Sequence[str], threads: Sequence[int], rounds: int) -> dict[str, dict[str, Row]]:
    """threads -> contender -> its figures; "error" where it cannot take part."""
    data = make(work)
    torch.set_num_threads(1)
    exact = by_nested_loop.prepare(work, data, torch.float64)
    counts = {name: work.few if CONTENDERS[name].loops else work.tasks for name in names}
    references = {count: {name: each.numpy() for name, each in exact(count).items()} for count in set(counts.values())}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="meta_speed_")))
        save(folder, work, data)
        running = {count: stack.enter_context(workers(names, folder, count)) for count in threads}
        found = {
            str(count): {name: checked(name, running[count][name], counts[name], references, folder) for name in names}
            for count in threads
        }
        for turn in range(rounds):
            order = [(count, name) for name in names for count in threads if "error" not in found[str(count)][name]]
            for count, name in [*order[turn % len(order) :], *order[: turn % len(order)]]:
                row = found[str(count)][name]
                took = running[count][name].ask(contender=name, tasks=counts[name], seconds=SECONDS)
                for clock in ("wall", "cpu"):
                    row.setdefault(f"{clock} ms a task", []).append(1e3 * took[clock] / counts[name])
    return {count: {name: summary(row, rows) for name, row in rows.items()} for count, rows in found.items()}


def checked(name: str, worker: Worker, count: int, references: dict[int, Data], folder: Path) -> Row:
    told = worker.ask(contender=name, tasks=count, keep=str(folder / "gradient.npz"))
    if "error" in told:
        return told
    error = apart(folder / "gradient.npz", references[count])
    row = {"tasks": count, "first call s": round(told["first"], 2), "relative error": float(f"{error:.2g}")}
    return row | ({} if error < EQUAL else {"error": f"its gradients are {error:.2g} away"})


def summary(row: Row, rows: dict[str, Row]) -> Row:
    """Medians; and how many times as fast the first contender was, as the median over rounds."""
    if "error" in row:
        return row
    ours = next(iter(rows.values()))
    told = {name: value for name, value in row.items() if not isinstance(value, list)}
    for clock, rate in {"wall": "tasks a second", "cpu": "tasks a CPU-second"}.items():
        mine = row[f"{clock} ms a task"]
        told[rate] = round(1e3 / statistics.median(mine), 2)
        told[f"{rate}, of each round"] = [round(1e3 / each, 2) for each in mine]
        if "error" not in ours:
            ratios = [his / our for his, our in zip(mine, ours[f"{clock} ms a task"], strict=True)]
            told["ours over it" if clock == "wall" else "ours over it, CPU"] = round(statistics.median(ratios), 2)
    return told
