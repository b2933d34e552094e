"""How strongly the penalties on parameters should hold on, searched for without the test.

    OMP_NUM_THREADS=1 python -m benchmarks.continual_strength EWC 10 20 50 [--on "permuted, domain"] [--steps 1000]

The tasks of benchmarks/continual_accuracy.py, of a seed of their own, learned without the last 10,000 training
examples and judged on these. benchmarks/results/continual_strength.json is merged.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.continual_workloads.record import alone, stored
from benchmarks.continual_workloads.runs import PLANS, STRENGTHS, course, measure, plan_of
from benchmarks.machine import write_results

NAME = "continual_strength"
SEED, HELD_OUT = 100, 10_000
FIELDS = {"EWC": "ewc", "online EWC": "online", "SI": "si"}


def once(workload: str, method: str, strength: float, steps: int | None) -> None:
    """One strength, measured and stored."""
    plan, strengths = plan_of(workload, steps), STRENGTHS[workload]._replace(**{FIELDS[method]: strength})
    own = course(workload, method, SEED, strengths, HELD_OUT)
    with tempfile.TemporaryDirectory() as folder:
        said = measure(plan, own, Path(folder), lambda _: None)
    with alone():
        found = stored(NAME)
        found.pop("machine", None)
        mine = found.setdefault(workload, {}).setdefault(method, {}).setdefault(str(plan.steps), {})
        mine[f"{strength:g}"] = {name: said[name] for name in ("average", "forgetting", "CPU s")}
        write_results(NAME, found | {"protocol": {"seed": SEED, "held out of the training set": HELD_OUT}})
    print(f"{workload}, {method}, {plan.steps} steps a task, {strength:g}: {said['average']:.4f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=FIELDS)
    parser.add_argument("strengths", nargs="+", type=float)
    parser.add_argument("--on", choices=PLANS, default="permuted, domain")
    parser.add_argument("--steps", type=int, help="on each task, instead of the source's")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    for strength in asked.strengths:
        once(asked.on, asked.method, strength, asked.steps)


if __name__ == "__main__":
    main()
