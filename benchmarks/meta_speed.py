"""Meta-gradients: ourselves beside the libraries and idioms that one would use otherwise; same weights, same tasks.

    pip install --target /tmp/peers --no-deps higher==0.2.1 torchopt==0.7.3 optree graphviz
    pip download --no-deps --no-binary :all: --dest /tmp learn2learn==0.2.0
    tar xzf /tmp/learn2learn-0.2.0.tar.gz -C /tmp
    python -m venv /tmp/jax && /tmp/jax/bin/pip install jax==0.10.2
    PYTHONPATH=/tmp/peers LEARN2LEARN=/tmp/learn2learn-0.2.0 JAX_PYTHON=/tmp/jax/bin/python \
        python -m benchmarks.meta_speed [--only PART ...] [--rounds 5] [--threads 1 2] [--write]

A peer that is missing is left out, and said. Every contender's gradient is first held against a plain nested loop in
float64, and is not timed if it is more than 5e-2 away: in float32, in one task of ten or so, some ReLU's input rounds
to the other side of 0, which is worth up to a tenth of that task's gradient, and so do maxima (in float64 the tests
hold ours to 1e-12). Then they take turns, on one thread and on two, in processes that stay alive. Those that loop over
tasks are timed on a few of the tasks. Times are medians of rounds, in wall time and in CPU time of the process; ratios
are medians of each round's ratio. Compilation is in the first call, which is reported apart. Two threads need both
cores for themselves: on a busy machine OpenMP's threads wait for each other without end.
Then what else a step costs: memory, sampling, more tasks, two processes.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

from benchmarks.machine import RESULTS, write_results
from benchmarks.meta_peers import costs
from benchmarks.meta_peers.rounds import compare
from benchmarks.meta_peers.work import Work

LOOPS = ("learn2learn", "higher", "torchopt", "nested loop")
ALL = ("onward", *LOOPS, "vmap(grad)", "JAX")
CONV = Work("strided", 32, 5, 1, 15, few=8, inner_rate=0.1)
SINUSOID = Work("mlp", 25, 1, 10, 10, few=25, inner_rate=0.01)
Found = dict[str, Any]
WORKLOADS: dict[str, tuple[Work, tuple[str, ...]]] = {
    "conv, second order": (CONV, ALL),
    "conv, 20-way": (Work("strided", 32, 20, 1, 5, few=4, inner_rate=0.1), ("onward", *LOOPS)),
    "conv, first order": (
        Work("strided", 32, 5, 1, 15, few=8, inner_rate=0.1, first_order=True),
        ("onward", "learn2learn", "higher", "nested loop", "vmap(grad)", "JAX"),  # torchopt has none
    ),
    "conv, max-pool": (Work("pooled", 32, 5, 1, 15, few=4, inner_rate=0.1), ("onward", "learn2learn", "nested loop")),
    "sinusoid": (SINUSOID, (*ALL, "onward, compiled")),
    "prototypical": (Work("embedding", 32, 5, 5, 15, few=8, inner_rate=0.1), ("onward", "learn2learn", "nested loop")),
}
COSTS: dict[str, Callable[[], Found]] = {
    "memory": lambda: costs.memory(CONV),
    "sampling": lambda: costs.sampling({"conv, second order": CONV, "sinusoid": SINUSOID}),
    "more tasks": lambda: costs.growing({"conv, second order": CONV, "sinusoid": SINUSOID}),
    "two processes": lambda: costs.processes(CONV),
}
WANTED = (  # workload, threads, than whom, times as fast at least
    ("conv, second order", 2, "learn2learn", 2.5),
    ("conv, second order", 2, "JAX", 1.6),
    ("conv, second order", 1, "learn2learn", 2.2),
    ("conv, 20-way", 2, "learn2learn", 2.1),
    ("conv, first order", 1, "learn2learn", 1.8),
    ("conv, max-pool", 1, "learn2learn", 1.25),
    ("conv, max-pool", 2, "learn2learn", 1.25),
    ("sinusoid", 1, "learn2learn", 30),
    ("sinusoid", 1, "JAX", 1),
    ("prototypical", 1, "learn2learn", 2),
)


def shown(workload: str, found: dict[str, Found]) -> None:
    for threads, rows in found.items():
        print(f"\n{workload}, threads: {threads}. Tasks a second (a CPU-second), and how many times as fast we are")
        for name, row in rows.items():
            if "error" in row:
                print(f"  {name:12s} {row['error']}")
                continue
            rates = f"{row['tasks a second']:9,.1f} ({row['tasks a CPU-second']:9,.1f})"
            ratio = f"{row.get('ours over it', '-')} ({row.get('ours over it, CPU', '-')})"
            print(
                f"  {name:12s} {rates}  {ratio:15s}  error {row['relative error']}, first call {row['first call s']} s"
            )
    print(f"  load {os.getloadavg()[0]:.2f}", flush=True)


def scaling(workloads: Found) -> Found:
    """Tasks a second on two threads over those on one."""
    return {
        workload: {
            name: round(found["2"][name]["tasks a second"] / row["tasks a second"], 2)
            for name, row in found["1"].items()
            if "error" not in row and "error" not in found["2"][name]
        }
        for workload, found in workloads.items()
        if {"1", "2"} <= found.keys()
    }


def missed(workloads: Found) -> list[str]:
    """What is wanted and was measured, and is not reached."""
    told = []
    for workload, threads, peer, factor in WANTED:
        row = workloads.get(workload, {}).get(str(threads), {}).get(peer, {})
        if row.get("ours over it", factor) < factor:
            told.append(f"{workload}, threads: {threads}: {row['ours over it']} x {peer}, wanted {factor}")
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[*WORKLOADS, *COSTS], default=[*WORKLOADS, *COSTS])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/meta_speed.json")
    asked = parser.parse_args()
    stored = RESULTS / "meta_speed.json"
    kept = json.loads(stored.read_text(encoding="utf8")) if asked.write and stored.exists() else {}
    workloads, loads = kept.get("workloads", {}), kept.get("load", {})
    further = {name: kept[name] for name in COSTS if name in kept}
    began = time.perf_counter()
    for name in asked.only:
        if name in WORKLOADS:
            workloads[name] = compare(*WORKLOADS[name], asked.threads, asked.rounds)
            shown(name, workloads[name])
        else:
            further[name] = COSTS[name]()
            print(f"\n{name}: {json.dumps(further[name])}", flush=True)
        loads[name] = round(os.getloadavg()[0], 2)
    results = {"load": loads, "workloads": workloads, "thread scaling": scaling(workloads), **further}
    results["missed"] = missed(workloads)
    print(f"\nthread scaling: {json.dumps(results['thread scaling'])}\nmissed: {results['missed']}")
    print(f"{time.perf_counter() - began:.0f} s")
    if asked.write:
        write_results("meta_speed", results)


if __name__ == "__main__":
    main()
