"""benchmarks/results/continual_accuracy.json, written after every task of a run, and merged."""

from __future__ import annotations

import fcntl
import json
import math
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.continual_workloads.published import PUBLISHED
from benchmarks.machine import RESULTS, write_results

NAME = "continual_accuracy"
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
Found = dict[str, Any]


def stored(name: str = NAME) -> Found:
    """What has been measured so far."""
    file = RESULTS / f"{name}.json"
    return json.loads(file.read_text(encoding="utf8")) if file.exists() else {}


@contextmanager
def alone() -> Iterator[None]:
    """Only one process at a time reads the file and writes it."""
    with (Path(tempfile.gettempdir()) / f"onward-{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def run_of(workload: str, method: str, seed: int) -> Found:
    """What is stored of one run; nothing where there was none."""
    found: Found = stored().get("workloads", {}).get(workload, {}).get("runs", {}).get(method, {}).get(str(seed), {})
    return found


def store(workload: str, protocol: Mapping[str, Any], method: str, seed: int, said: Mapping[str, Any]) -> None:
    """Put one run into the file, over what is there of it, and leave everything else."""
    with alone():
        found = stored()
        found.pop("machine", None)
        mine = found.setdefault("workloads", {}).setdefault(workload, {"runs": {}})
        mine["protocol"] = dict(protocol)
        mine["runs"].setdefault(method, {})[str(seed)] = dict(said)
        whole = {name: [run for run in runs.values() if "average" in run] for name, runs in mine["runs"].items()}
        mine["rows"] = {name: row(runs) for name, runs in whole.items() if runs}
        write_results(NAME, found | {"published": PUBLISHED})


def row(runs: Sequence[Found]) -> Found:
    """Means over the seeds, each with the half width of its 95 % interval (Student's t).

    >>> row([{"average": 0.9, "forgetting": 0.1}, {"average": 0.92, "forgetting": 0.1}])["average"]
    {'mean': 0.91, 'half width': 0.127..., 'seeds': 2}
    """
    return {name: interval([run[name] for run in runs]) for name in ("average", "forgetting")} | {
        "steps": sorted({str(run.get("steps")) for run in runs}),
    }


def interval(values: Sequence[float]) -> Found:
    """Mean, half width of its 95 % interval (`None` of one value), and how many there are."""
    count = len(values)
    half = None if count < 2 else T_95[min(count, 10) - 2] * statistics.stdev(values) / math.sqrt(count)
    return {"mean": statistics.fmean(values), "half width": half, "seeds": count}
