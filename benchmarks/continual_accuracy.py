"""What the methods of continual learning reach on MNIST, beside the figures of the papers, by their protocol.

    OMP_NUM_THREADS=1 python -m benchmarks.continual_accuracy [--only "split, class" ...] [--methods SI ...]
        [--seeds 0 1 2 3 4] [--steps 2000] [--minutes 60] [--folder CHECKPOINTS] [--again]

Average accuracy over all tasks after the last one, and average forgetting (Chaudhry et al. 2018), for each scenario,
method and seed. benchmarks/results/continual_accuracy.json is written after every task, and merged: a run that is cut
off goes on from its checkpoint. With `--steps` tasks are learned for fewer steps than in the source, which the file
says of each run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.continual_workloads.record import run_of, store
from benchmarks.continual_workloads.runs import MEMORY, NAMES, PLANS, STRENGTHS, course, measure, plan_of


def once(workload: str, method: str, seed: int, folder: Path, steps: int | None) -> dict[str, Any]:
    """One run, stored on the way."""
    protocol = {**PLANS[workload].told(), "memory of replay": MEMORY, "strengths": STRENGTHS[workload]}

    def tell(said: dict[str, Any]) -> None:
        store(workload, protocol, method, seed, said)

    return measure(plan_of(workload, steps), course(workload, method, seed), folder, tell)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=PLANS, default=list(PLANS))
    parser.add_argument("--methods", nargs="+", choices=NAMES, default=list(NAMES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, help="on each task, instead of the source's")
    parser.add_argument("--minutes", type=float, help="after which no further run is begun")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "onward-continual-accuracy")
    parser.add_argument("--again", action="store_true", help="what is there already, too")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    for seed in asked.seeds:
        for workload in asked.only:
            for method in asked.methods:
                if "average" in run_of(workload, method, seed) and not asked.again:
                    continue
                if asked.minutes and time.monotonic() - began > 60 * asked.minutes:
                    return
                folder = asked.folder / workload.replace(", ", "-") / method / str(seed)
                said = once(workload, method, seed, folder, asked.steps)
                shutil.rmtree(folder, ignore_errors=True)
                told = {name: round(said[name], 4) for name in ("average", "forgetting", "CPU s")}
                print(f"{workload}, {method}, seed {seed}: {told}", flush=True)


if __name__ == "__main__":
    main()
