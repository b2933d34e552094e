"""The learning tracker: recording and reading, beside MLflow.

- In memory: `record_learning_event`, and bytes an event.
- In a workspace (SQLite, synchronous=FULL): one call is one acknowledged event, of one producer and of 64 and 256
  threads; batches of 1,000; the buffered mode, which may lose the last second.
- MLflow beside it (`--mlflow PYTHON`): log_metric, and log_batch of 1,000.
- Reading at 10 thousand to 10 million events: real-time metrics, trend, summary, report and curve.

CPU is that of the whole process. Rounds are interleaved; medians of rounds.

    python benchmarks/tracker.py --rounds 3 --mlflow /tmp/mlflow/bin/python --write
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np

import onward
from benchmarks.machine import write_results
from onward import LearningProgressTracker

SIZES = (10_000, 100_000, 1_000_000, 10_000_000)
WANTED = {
    "in memory": 300_000,
    "256 producers": 4_000,
    "batches of 1,000": 20_000,
    "buffered": 100_000,
}
WANTED_BYTES = 100
WANTED_MS = {"real-time metrics": 10, "trend": 10, "summary": 10, "learning curve": 200}


# Recording -----------------------------------------------------------------------------------------------------------


def one_by_one(tracker: LearningProgressTracker, count: int) -> dict[str, float]:
    began, cpu = time.perf_counter(), time.process_time()
    for number in range(count):
        tracker.record_learning_event("classification", 0.85, 0.01, number, 0.05)
    tracker.flush()
    return rates(count, time.perf_counter() - began, time.process_time() - cpu)


def rates(count: int, seconds: float, cpu: float) -> dict[str, float]:
    return {"a second": round(count / seconds, 1), "a CPU-second": round(count / cpu, 1)}


def producers(tracker: LearningProgressTracker, threads: int, each: int) -> dict[str, float]:
    took: list[float] = []

    def produce() -> None:
        for number in range(each):
            began = time.perf_counter()
            tracker.record_learning_event("classification", 0.85, 0.01, number, 0.05)
            took.append(time.perf_counter() - began)

    workers = [threading.Thread(target=produce) for _ in range(threads)]
    began, cpu = time.perf_counter(), time.process_time()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.perf_counter() - began
    took.sort()
    tail = {"p50 ms": round(took[len(took) // 2] * 1e3, 2), "p99 ms": round(took[int(len(took) * 0.99)] * 1e3, 2)}
    return rates(threads * each, seconds, time.process_time() - cpu) | tail


def batches(tracker: LearningProgressTracker, count: int) -> dict[str, float]:
    rng = np.random.default_rng(0)
    events = [
        {"task_type": "classification", "performance_score": float(score), "learning_rate": 0.01, "episode_count": n}
        for n, score in enumerate(rng.random(1_000))
    ]
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(count):
        tracker.record_learning_events(events)
    return rates(count * 1_000, time.perf_counter() - began, time.process_time() - cpu)


def memory_bytes(count: int) -> float:
    """Bytes an event in memory, of a full history, in a process of its own."""
    code = (
        "import resource, onward\n"
        "from onward import LearningProgressTracker\n"
        "peak = lambda: int(next(l for l in open('/proc/self/status') if l.startswith('VmRSS')).split()[1])\n"
        f"tracker = LearningProgressTracker(max_history={count})\n"
        "tracker.record_learning_event('a', 0.5, 0.01); tracker.generate_learning_report()\n"
        "before = peak()\n"
        f"for n in range({2 * count}): tracker.record_learning_event('a', 0.5, 0.01, n, 0.05)\n"
        f"print((peak() - before) * 1024 / {count})\n"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    return round(float(said), 1)


MLFLOW = """
import json, sys, time, tempfile
import mlflow
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
folder = tempfile.mkdtemp(dir=sys.argv[1])
client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
run = client.create_run(client.create_experiment("bench")).info.run_id
client.log_metric(run, "m", 0.5)
began = time.perf_counter()
for n in range(150):
    client.log_metric(run, "m", 0.85, step=n)
one = 150 / (time.perf_counter() - began)
began = time.perf_counter()
for k in range(4):
    client.log_batch(run, metrics=[Metric("b", 0.85, n, n) for n in range(k * 1000, k * 1000 + 1000)])
print(json.dumps({"MLflow: log_metric": one, "MLflow: log_batch of 1,000": 4000 / (time.perf_counter() - began)}))
"""


def mlflow(python: str, folder: Path) -> dict[str, dict[str, float]]:
    quiet = {**os.environ, "MLFLOW_TRACKING_URI": "", "GIT_PYTHON_REFRESH": "quiet"}
    said = subprocess.run(
        [python, "-c", MLFLOW, str(folder)], capture_output=True, text=True, check=True, env=quiet, cwd=folder
    ).stdout
    return {name: {"a second": round(rate, 1)} for name, rate in json.loads(said.splitlines()[-1]).items()}


def recording(folder: Path, python: str | None) -> dict[str, dict[str, float]]:
    """One round of everything."""
    found = {"in memory": one_by_one(LearningProgressTracker(), 300_000)}
    with onward.open(Path(tempfile.mkdtemp(dir=folder)) / "shop") as workspace:
        durable = LearningProgressTracker(workspace=workspace)
        found["1 producer"] = producers(durable, 1, 500)
        found["64 producers"] = producers(durable, 64, 100)
        found["256 producers"] = producers(durable, 256, 50)
        found["batches of 1,000"] = batches(durable, 50)
        found["buffered"] = one_by_one(LearningProgressTracker(workspace=workspace, durable=False), 200_000)
    return found | (mlflow(python, folder) if python else {})


def medians(rounds: list[dict[str, dict[str, float]]]) -> dict[str, dict[str, float]]:
    return {
        name: {figure: round(statistics.median(one[name][figure] for one in rounds), 2) for figure in rounds[0][name]}
        for name in rounds[0]
    }


# Reading -------------------------------------------------------------------------------------------------------------


def reading(folder: Path, sizes: list[int], *, lasting: bool) -> list[dict[str, Any]]:
    """Milliseconds of each call as one task's history grows; a second task has as many events as will be asked for."""
    rows = []
    rng = np.random.default_rng(1)
    with onward.open(Path(tempfile.mkdtemp(dir=folder)) / "shop") as workspace:
        tracker = (
            LearningProgressTracker(workspace=workspace, durable=False)
            if lasting
            else LearningProgressTracker(max_history=max(sizes))
        )
        tracker.create_goal("accuracy", target_performance=0.99)
        have = 0
        for size in sizes:
            began = time.perf_counter()
            scores = np.clip(
                1 - np.exp(-np.arange(have, size) / max(sizes) * 4) + rng.normal(0, 0.02, size - have), 0, 1
            )
            for number, score in enumerate(scores.tolist(), have):
                tracker.record_learning_event("classification", score, 0.01, number, 0.05, timestamp=1.7e9 + number)
            tracker.flush()
            have = size
            rows.append({"events": size, "fill seconds": round(time.perf_counter() - began, 1), "ms": ask(tracker)})
            print(json.dumps(rows[-1]), flush=True)
    return rows


def ask(tracker: LearningProgressTracker) -> dict[str, float]:
    asked: dict[str, Callable[[], Any]] = {
        "real-time metrics": tracker.get_real_time_metrics,
        "trend": lambda: tracker.get_performance_trend("classification"),
        "summary": tracker.get_goal_summary,
        "report": tracker.generate_learning_report,
        "learning curve": lambda: tracker.get_learning_curve("classification", bands=True),
    }
    return {name: median_ms(call) for name, call in asked.items()}


def median_ms(call: Callable[[], Any], times: int = 9) -> float:
    took = []
    for _ in range(times):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return round(statistics.median(took) * 1e3, 3)


# All of it -----------------------------------------------------------------------------------------------------------


def missed(report: dict[str, Any]) -> list[str]:
    said = [
        f"{name}: {report['recording'][name]['a second']:,} a second, {wanted:,} wanted"
        for name, wanted in WANTED.items()
        if report["recording"][name]["a second"] < wanted
    ]
    if report["bytes an event"] > WANTED_BYTES:
        said.append(f"{report['bytes an event']} bytes an event")
    for kind in ("in memory", "in a workspace"):
        for row in report["reading"][kind]:
            said += [
                f"{kind}, {row['events']:,} events: {name} takes {row['ms'][name]} ms, {wanted} wanted"
                for name, wanted in WANTED_MS.items()
                if row["ms"][name] > wanted
            ]
    return said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="with room for 2 GB")
    parser.add_argument("--mlflow", help="the Python of an environment with mlflow")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/tracker.json")
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="onward-tracker-", dir=arguments.folder))
    try:
        rounds = [recording(folder, arguments.mlflow) for _ in range(arguments.rounds)]
        report: dict[str, Any] = {
            "load": round(os.getloadavg()[0], 2),
            "recording": medians(rounds),
            "bytes an event": memory_bytes(1_000_000),
        }
        print(json.dumps(report, indent=1))
        report["reading"] = {
            "in memory": reading(folder, arguments.sizes, lasting=False),
            "in a workspace": reading(folder, arguments.sizes, lasting=True),
        }
    finally:
        shutil.rmtree(folder)
    report["missed"] = missed(report)
    print(json.dumps(report["missed"], indent=1))
    if arguments.write:
        print(write_results("tracker", report))


if __name__ == "__main__":
    main()
