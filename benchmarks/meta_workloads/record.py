"""benchmarks/results/meta_accuracy.json, written after every piece of work, workload by workload."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.machine import RESULTS, write_results
from benchmarks.meta_workloads.papers import PAPERS

NAME = "meta_accuracy"
Found = dict[str, Any]


def stored() -> Found:
    """What has been measured so far."""
    file = RESULTS / f"{NAME}.json"
    return json.loads(file.read_text(encoding="utf8")) if file.exists() else {}


def run_of(workload: str, method: str, seed: int) -> Found:
    """What is stored of one training; nothing where there was none."""
    found: Found = stored().get("workloads", {}).get(workload, {}).get("runs", {}).get(method, {}).get(str(seed), {})
    return found


def store(workload: str, protocol: Mapping[str, Any], method: str, seed: int, said: Mapping[str, Any]) -> None:
    """Put one training into the file, over what is there of it, and leave everything else."""
    found = stored()
    found.pop("machine", None)
    mine = found.setdefault("workloads", {}).setdefault(workload, {"runs": {}})
    tests = {name: reduced(values) for name, values in said.get("tests", {}).items()}
    mine["protocol"] = dict(protocol)
    mine["runs"].setdefault(method, {})[str(seed)] = {**said, "tests": tests} if tests else dict(said)
    mine["rows"] = {name: together(list(runs.values())) for name, runs in mine["runs"].items()}
    write_results(NAME, found | {"papers": PAPERS})


def reduced(values: Sequence[float]) -> Found:
    """Mean and standard deviation over test tasks."""
    return {"mean": statistics.fmean(values), "deviation": statistics.stdev(values), "tasks": len(values)}


def together(runs: Sequence[Found]) -> Found:
    """Of the trainings that were judged: mean over all test tasks, its 95 % interval, and the seeds' own means.

    >>> one = {"steps": 5, "of": 5, "tests": {"a": {"mean": 1.0, "deviation": 2.0, "tasks": 100}}}
    >>> together([one, one])["a"]["half width"]
    0.276...
    """
    judged = [run for run in runs if "tests" in run]
    row: Found = {name: _pooled([run["tests"][name] for run in judged if name in run["tests"]])
                  for name in dict.fromkeys(name for run in judged for name in run["tests"])}  # fmt: skip
    if judged and "steps" in judged[0]:
        row["steps"] = [run["steps"] for run in judged]
    if "0 steps" in row:
        row["steps to 90 %"] = steps_to(row)
    return row


def steps_to(row: Found, share: float = 0.9) -> int:
    """After how many inner steps so much is gained of what the most of them gain.

    >>> steps_to({"0 steps": {"mean": 3.0}, "1 steps": {"mean": 0.5}, "10 steps": {"mean": 0.1}, "AUC": {"mean": 1.0}})
    10
    """
    means = {int(name.split()[0]): part["mean"] for name, part in row.items() if name.endswith(" steps")}
    whole = means[max(means)] - means[0]
    return min((steps for steps, mean in means.items() if whole and (mean - means[0]) / whole >= share), default=0)


def _pooled(parts: Sequence[Found]) -> Found:
    tasks = sum(part["tasks"] for part in parts)
    mean = sum(part["mean"] * part["tasks"] for part in parts) / tasks
    squares = sum(part["deviation"] ** 2 * (part["tasks"] - 1) + (part["mean"] - mean) ** 2 * part["tasks"]
                  for part in parts)  # fmt: skip
    half = 1.96 * math.sqrt(squares / (tasks - 1) / tasks)
    return {"mean": mean, "half width": half, "tasks": tasks, "seeds": [part["mean"] for part in parts]}
