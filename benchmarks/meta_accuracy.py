"""What the meta-learners reach, beside the figures of the papers, each by its stated protocol.

    OMP_NUM_THREADS=1 python -m benchmarks.meta_accuracy [--only sinusoid ...] [--methods MAML ...] [--seeds 0 1 2]
        [--minutes 60] [--each 10] [--folder CHECKPOINTS] [--again]

For each workload, seed and method: train, keep the parameters that are best on validation tasks, judge them on 600 test
tasks. benchmarks/results/meta_accuracy.json is written at every point of a curve, and merged: a run that is cut off
leaves what it got, and the next one goes on from its checkpoint. Where time ends before a training does, what it has
come to is judged, with the steps it took and the steps it was to take. Workloads whose data are missing are left out.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path
from types import ModuleType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.meta_workloads import omniglot, sinusoid, tabular
from benchmarks.meta_workloads.record import run_of, store
from benchmarks.meta_workloads.training import Clock
from onward.core import NotFound

WORKLOADS: dict[str, ModuleType] = {"sinusoid": sinusoid, "omniglot": omniglot, "tabular": tabular}


def measure(workload: str, method: str, seed: int, folder: Path, clock: Clock) -> dict[str, Any]:
    """Train and judge, and store it on the way."""
    module = WORKLOADS[workload]

    def told(said: dict[str, Any]) -> None:
        store(workload, module.PROTOCOL, method, seed, said)
        print(f"{workload}, {method}, seed {seed}: {said['steps']:,} of {said['of']:,}", said["curve"][-1:], flush=True)

    said: dict[str, Any] = module.measure(method, seed, folder / workload / method / str(seed), clock, told)
    store(workload, module.PROTOCOL, method, seed, said)
    return run_of(workload, method, seed)


def done(workload: str, method: str, seed: int) -> bool:
    """Whether it was trained to the end, and judged."""
    said = run_of(workload, method, seed)
    return "tests" in said and said.get("steps") == said.get("of")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--methods", nargs="+", help="of the workloads; all if not said")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, help="for all trainings together")
    parser.add_argument("--each", type=float, help="minutes for each training")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "onward-meta-accuracy")
    parser.add_argument("--again", action="store_true", help="what is there already, too")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    whole = Clock().within(asked.minutes and asked.minutes * 60)
    for workload in asked.only:
        for seed in asked.seeds:
            for method in WORKLOADS[workload].METHODS:
                if asked.methods and method not in asked.methods:
                    continue
                if whole.over() or (done(workload, method, seed) and not asked.again):
                    continue
                began = time.process_time()
                try:
                    said = measure(workload, method, seed, asked.folder, whole.within(asked.each and asked.each * 60))
                except NotFound as missing:
                    print(f"{workload} is left out: {missing}")
                    break
                means = {name: round(part["mean"], 4) for name, part in said["tests"].items()}
                print(
                    f"{workload}, {method}, seed {seed}:", means, f"{time.process_time() - began:.0f} CPU s", flush=True
                )


if __name__ == "__main__":
    main()
