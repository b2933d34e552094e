"""A process that computes meta-gradients on demand: `python -m benchmarks.meta_peers.worker FOLDER CORES`.

FOLDER holds the work (`work.save`). One JSON request a line comes in, one JSON answer a line goes out:

    {"contender": NAME, "tasks": N, "keep": FILE}   -> {"first": seconds of the first call}; its gradients go to FILE
    {"contender": NAME, "tasks": N, "seconds": S}   -> {"wall": ..., "cpu": ...}: of a call, over S seconds or one call
    anything that fails                             -> {"error": ...}
"""

from __future__ import annotations

import json
import os
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.meta_peers import CONTENDERS, Gradient
from benchmarks.meta_peers.work import Data, Work, load


def first(gradient: Gradient, tasks: int, file: str) -> dict[str, float]:
    """The first call, in which some compile."""
    began = time.perf_counter()
    found = gradient(tasks)
    took = time.perf_counter() - began
    kept: dict[str, Any] = {
        name: np.asarray(each.detach() if hasattr(each, "detach") else each) for name, each in found.items()
    }
    np.savez(file, **kept)
    return {"first": took}


def timed(gradient: Gradient, tasks: int, seconds: float) -> dict[str, float]:
    calls, began, cpu = 0, time.perf_counter(), time.process_time()
    while not calls or time.perf_counter() - began < seconds:
        gradient(tasks)
        calls += 1
    return {"wall": (time.perf_counter() - began) / calls, "cpu": (time.process_time() - cpu) / calls}


def answer(request: dict[str, Any], ready: dict[str, Gradient], work: Work, data: Data) -> dict[str, float]:
    name, tasks = request["contender"], request["tasks"]
    if name not in ready:
        ready[name] = CONTENDERS[name].prepare(work, data)
    if "keep" in request:
        return first(ready[name], tasks, request["keep"])
    return timed(ready[name], tasks, request["seconds"])


def main(folder: str, cores: str) -> None:
    warnings.simplefilter("ignore")
    out, sys.stdout = sys.stdout, sys.stderr  # what libraries print is no answer
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: int(cores)])
    work, data = load(Path(folder))
    ready: dict[str, Gradient] = {}
    for line in sys.stdin:
        try:
            told: dict[str, Any] = answer(json.loads(line), ready, work, data)
        except (ImportError, RuntimeError) as problem:
            told = {"error": f"{type(problem).__name__}: {problem}".splitlines()[0]}
        print(json.dumps(told), file=out, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
