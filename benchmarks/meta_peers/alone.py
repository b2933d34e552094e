"""What needs a process of its own; each prints one line of JSON.

    python -m benchmarks.meta_peers.alone peak FOLDER CONTENDER     MiB that one step adds
    python -m benchmarks.meta_peers.alone growing FOLDER            tasks a second of ours, of 8 to 1,024 tasks
    python -m benchmarks.meta_peers.alone sampling FOLDER           the share of sampling in a step of ours
    torchrun ... -m benchmarks.meta_peers.alone spread FOLDER       ours over the processes there are

FOLDER holds the work (`work.save`).
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.meta_peers import CONTENDERS
from benchmarks.meta_peers.work import Data, Work, load

SIZES = (8, 32, 128, 1_024)
LEAST = 0.4  # seconds of a measurement


def seconds(call: Callable[[], Any]) -> float:
    """Of a call: the median of as many as fit."""
    took: list[float] = []
    while sum(took) < LEAST:
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def memory(line: str) -> float:
    """MiB, by a line of /proc/self/status."""
    told = Path("/proc/self/status").read_text(encoding="utf8").splitlines()
    return int(next(each for each in told if each.startswith(line)).split()[1]) / 1024


def peak(work: Work, data: Data, contender: str) -> dict[str, float]:
    gradient = CONTENDERS[contender].prepare(work, data)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf8")  # forget the peak so far
    before = memory("VmRSS")
    gradient(work.tasks)
    return {"MiB": round(memory("VmHWM") - before, 1)}


def growing(work: Work, data: Data) -> dict[str, dict[str, float]]:
    """The same tasks again and again, so that the mean gradient stays what it is."""
    told: dict[str, dict[str, float]] = {}
    few = {name: part if name.startswith("net.") else part[: SIZES[0]] for name, part in data.items()}
    reference = CONTENDERS["onward"].prepare(work, few)(SIZES[0])
    length = float(np.sqrt(sum(float((each**2).sum()) for each in reference.values())))
    for size in SIZES:
        many = {name: part if name.startswith("net.") else again(part, size) for name, part in few.items()}
        gradient = CONTENDERS["onward"].prepare(work, many)
        gradient(SIZES[0])
        found: dict[str, Any] = {}
        took = seconds(lambda: found.update(gradient(size)))  # noqa: B023 - called at once
        gap = float(np.sqrt(sum(float(((found[name] - each) ** 2).sum()) for name, each in reference.items())))
        row = {"tasks a second": round(size / took, 1)}
        told[f"{size:,}"] = row | {"relative error": float(f"{gap / length:.2g}")}
    return told


def again(part: Any, size: int) -> Any:
    return np.concatenate([part] * (size // len(part)))


def sampling(work: Work, data: Data) -> dict[str, float]:
    from benchmarks.meta_peers import by_onward
    from onward.learners.meta.tasks import Sinusoid, from_arrays

    learner = by_onward.learner(work, data)
    if work.regression:
        distribution: Any = Sinusoid(shots=work.shots, queries=work.queries, seed=0)
    else:  # as large as Omniglot's background set
        images = np.random.default_rng(0).integers(0, 256, (964 * 20, 1, 28, 28), dtype=np.uint8)
        labels = np.repeat(np.arange(964), 20)
        distribution = from_arrays(images, labels, work.ways, work.shots, work.queries, seed=0)
    tasks = distribution.sample_batch(work.tasks)
    learner.meta_train_step(tasks)
    step = seconds(lambda: learner.meta_train_step(tasks))
    drawn = seconds(lambda: distribution.sample_batch(work.tasks))
    return {
        "step ms": round(1e3 * step, 2),
        "sampling ms": round(1e3 * drawn, 3),
        "share": round(drawn / (step + drawn), 4),
    }


def spread(work: Work, data: Data) -> dict[str, Any] | None:
    import torch
    import torch.distributed as dist

    torch.set_num_threads(1)
    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    gradient = CONTENDERS["onward"].prepare(work, data)
    found = gradient(work.tasks)
    took = []
    for _ in range(3):  # as many calls in every process
        began = time.perf_counter()
        gradient(work.tasks)
        took.append(time.perf_counter() - began)
    first = not dist.is_initialized() or dist.get_rank() == 0
    if dist.is_initialized():
        dist.destroy_process_group()
    whole = torch.cat([each.flatten() for each in found.values()])
    return {"seconds": statistics.median(took), "gradient": whole.tolist()} if first else None


def main(what: str, folder: str, *more: str) -> None:
    warnings.simplefilter("ignore")
    work, data = load(Path(folder))
    calls: dict[str, Callable[..., Any]] = {"peak": peak, "growing": growing, "sampling": sampling, "spread": spread}
    told = calls[what](work, data, *more)
    if told is not None:
        print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
