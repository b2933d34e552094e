"""How long it takes to draw a batch of few-shot tasks; and the same, one example at a time, as data loaders do.

Omniglot with rotations (4,400 training classes, images of 28 x 28), digits, sinusoids, blobs, and a table of tasks, 32
tasks a batch; one thread. Milliseconds of processor time and by the clock, medians of so many batches after a warm-up,
and the fastest by the clock: on a shared machine the clock also counts others' work. Needs ONWARD_DATA for Omniglot.

    OMP_NUM_THREADS=1 python benchmarks/task_sampling.py --write
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch

from benchmarks.machine import write_results
from onward.core import NotFound
from onward.learners.meta.tasks import GaussianBlobs, Sinusoid, digits, from_frame, omniglot

SHAPES = ((5, 1, 15), (5, 5, 15), (20, 1, 5), (20, 1, 15), (20, 5, 15))
TASKS = 32


def timed(draw: Callable[[], Any], batches: int, device: str) -> dict[str, float]:
    took, worked = [], []
    for _ in range(batches + 5):
        start, at_work = time.perf_counter(), time.process_time()
        draw()
        if device != "cpu":
            torch.cuda.synchronize()
        worked.append(1000 * (time.process_time() - at_work))
        took.append(1000 * (time.perf_counter() - start))
    figures = {"CPU ms": statistics.median(worked[5:]), "ms": statistics.median(took[5:]), "least ms": min(took[5:])}
    return {name: round(figure, 2) for name, figure in figures.items()}


def one_by_one(images: list[torch.Tensor], ways: int, shots: int, queries: int) -> Callable[[], Any]:
    """The same tasks, item by item: pick classes, pick examples, stack them."""
    draw = random.Random(0)

    def task() -> tuple[torch.Tensor, torch.Tensor]:
        support, query = [], []
        for drawn in draw.sample(images, ways):
            places = draw.sample(range(len(drawn)), shots + queries)
            items = [drawn[place].float() / 255 for place in places]
            support += items[:shots]
            query += items[shots:]
        return torch.stack(support), torch.stack(query)

    return lambda: [torch.stack(parts) for parts in zip(*(task() for _ in range(TASKS)), strict=True)]


def table(projects: int = 40, rows: int = 500, features: int = 20) -> dict[str, Any]:
    made = np.random.default_rng(0)
    columns = {f"f{number}": made.normal(size=projects * rows) for number in range(features)}
    return {"project": np.repeat(np.arange(projects), rows), "bug": made.random(projects * rows) < 0.3, **columns}


def measure(batches: int, device: str) -> dict[str, Any]:
    rows: dict[str, Any] = {}
    try:
        data = omniglot(device=device)
    except NotFound as error:
        print(f"Omniglot is left out: {error}")
    else:
        images = list(torch.randint(0, 256, (4400, 20, 1, 28, 28), dtype=torch.uint8))
        for ways, shots, queries in SHAPES:
            name = f"Omniglot, {ways}-way {shots}-shot, {queries} queries"
            rows[name] = timed(_drawn(data.split("train", ways=ways, shots=shots, queries=queries)), batches, device)
            if device == "cpu":
                rows[name]["one by one CPU ms"] = timed(one_by_one(images, ways, shots, queries), 5, device)["CPU ms"]
    frame = from_frame(table(), task_column="project", target_column="bug", shots=5, queries=15, device=device)
    others = {
        "digits, 3-way 1-shot, 15 queries": digits(device=device),
        "sinusoids, 10-shot, 10 queries": Sinusoid(device=device),
        "blobs, 5-way 1-shot, 15 queries": GaussianBlobs(device=device),
        "table, 5 + 5 shots, 15 + 15 queries": frame,
    }
    return rows | {name: timed(_drawn(one), batches, device) for name, one in others.items()}


def _drawn(distribution: Any) -> Callable[[], Any]:
    return lambda: distribution.sample_batch(TASKS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=200)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = {"tasks": TASKS, "threads": 1, "device": _name(given.device), "torch": torch.__version__}
    found["batches"] = measure(given.batches, given.device)
    for name, row in found["batches"].items():
        print(f"{name:<45}", row)
    if given.write:
        print(write_results("task_sampling" if given.device == "cpu" else "task_sampling_gpu", found))


def _name(device: str) -> str:
    return "cpu" if device == "cpu" else torch.cuda.get_device_name()


if __name__ == "__main__":
    main()
