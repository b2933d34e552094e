r"""What a step of continual learning costs: ourselves beside Avalanche 0.6 and the loop that one writes by hand.

    pip install --target /tmp/avalanche --no-deps avalanche-lib==0.6.0 torchvision==0.28.0 torchmetrics pytorchcv \
        gputil lightning-utilities gdown dill qpsolvers quadprog tensorboard wandb psutil beautifulsoup4 soupsieve \
        absl-py werkzeug markdown protobuf grpcio
    PYTHONPATH=/tmp/avalanche OMP_NUM_THREADS=1 python -m benchmarks.continual_speed [--only PART ...] [--rounds 5]
        [--write]

60,000 x 784 (MNIST), a network 784-256-256-10, SGD, batches of 128, one thread. All take turns in one process; times
are CPU milliseconds of a step, medians of the rounds, and ratios medians of each round's ratio to the loop by hand,
which measures nothing, while the others tell loss and accuracy. Before anything is timed, the losses of every step are
held against those of the loop by hand from the same weights in the same order; not those of replay, which draws.
Avalanche squares the mean gradient of a batch for its Fisher, so that its EWC is held only to be the same without a
penalty. Where it is not installed it is left out. Then what else is asked: the Fisher information of every example by
itself, and the memory.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from benchmarks.continual_peers import Run, by_avalanche, by_hand, by_onward
from benchmarks.continual_peers.work import BATCH, MEMORY, Work
from benchmarks.continual_workloads.mnist import digits
from benchmarks.machine import RESULTS, write_results
from onward.learners.continual.importance import fisher
from onward.learners.continual.memory import Buffer

Found = dict[str, Any]
Contenders = dict[str, Callable[..., Run]]
WORKS = {
    "naive": ("naive", 0),
    "EWC, 2nd experience": ("EWC", 1),
    "EWC, 10th experience": ("EWC", 9),
    "replay": ("replay", 1),
    "replay, reservoir": ("replay", 1),
}
LOOPED = 2_000
WANTED = 1.05


def contenders() -> Contenders:
    """Who takes part; Avalanche where it is there."""
    found: Contenders = {"by hand": by_hand.run, "onward": by_onward.run}
    try:
        by_avalanche.declared()
        __import__("avalanche")
    except ImportError as missing:
        print(f"Avalanche is left out: {missing}")
        return found
    return found | {"Avalanche": by_avalanche.run}


def same(work: Work, who: Contenders) -> Found:
    """How far apart the losses of each step are from those by hand, at most, relative to the loss."""
    if work.kind == "replay":
        return {}
    ours = who["onward"](work, [])
    exact = torch.tensor(who["by hand"](work, ours.orders).losses)
    told = {"onward": ours.losses}
    if "Avalanche" in who and work.kind == "naive":
        told["Avalanche"] = who["Avalanche"](work, ours.orders).losses
    found = {name: float(((torch.tensor(losses) - exact) / exact).abs().max()) for name, losses in told.items()}
    assert max(found.values()) < 1e-2, found  # float32: a sum in another order, over 469 steps
    return {name: float(f"{gap:.1e}") for name, gap in found.items()}


def compare(who: Contenders, works: dict[str, Work], rounds: int) -> Found:
    """Milliseconds of a step of every contender in every work, and the ratios."""
    took: dict[str, dict[str, list[float]]] = {name: {} for name in works}
    for turn in range(rounds):
        for name, work in works.items():
            those = taking_part(who, name)
            order = [*those][turn % len(those) :] + [*those][: turn % len(those)]
            for each in order:
                took[name].setdefault(each, []).append(those[each](work).milliseconds)
    return {
        name: {each: summary(times, rows["by hand"]) for each, times in rows.items()} for name, rows in took.items()
    }


def taking_part(who: Contenders, name: str) -> Contenders:
    """Who does the same: fills a reservoir in every step, or a memory after the experience, as Avalanche does."""
    match name:
        case "replay":
            return who | {"onward": partial(by_onward.run, policy="random")}
        case "replay, reservoir":
            return {"by hand": partial(by_hand.run, stream=True), "onward": by_onward.run}
        case _:
            return who


def summary(times: list[float], by_hand: list[float]) -> Found:
    ratios = [one / other for one, other in zip(times, by_hand, strict=True)]
    return {
        "CPU ms a step": round(statistics.median(times), 3),
        "over by hand": round(statistics.median(ratios), 3),
        "of each round": [round(ratio, 3) for ratio in ratios],
    }


def importance(x: torch.Tensor, y: torch.Tensor, rounds: int) -> Found:
    """The Fisher information of every example by itself, beside one after the other."""
    network = Work("naive", x, y).network()
    took, few = [], (x[:LOOPED], y[:LOOPED])
    for _ in range(rounds):
        began = time.process_time()
        fisher(network, x, y, kind="empirical")
        took.append(time.process_time() - began)
    began = time.process_time()
    looped = by_hand.fisher(network, *few)
    slow = time.process_time() - began
    quick = fisher(network, *few, kind="empirical").values.values()
    off = sum(float((one - other).square().sum()) for one, other in zip(quick, looped, strict=True))
    size = sum(float(other.square().sum()) for other in looped)
    return {
        "examples": len(x),
        "CPU s": round(statistics.median(took), 3),
        "CPU s of the loop, from a part": round(slow * len(x) / LOOPED, 1),
        "relative error": float(f"{(off / size) ** 0.5:.1e}"),
    }


def memory(x: torch.Tensor, y: torch.Tensor, rounds: int) -> Found:
    """How quickly examples are taken in, in batches and all at once, and drawn; beside the bare copy."""
    random, took = torch.Generator().manual_seed(0), {}

    def clocked(name: str, work: Callable[[], Any]) -> None:
        began = time.process_time()
        work()
        took.setdefault(name, []).append(time.process_time() - began)

    def filled(parts: list[tuple[torch.Tensor, torch.Tensor]]) -> Buffer:
        buffer = Buffer(MEMORY)
        for part, targets in parts:
            buffer.add(part, targets, 0, random, check=False)
        return buffer

    parts, whole = list(zip(x.split(BATCH), y.split(BATCH), strict=True)), filled([(x, y)])
    rows = [torch.randint(MEMORY, (BATCH,)) for _ in range(1_000)]
    for _ in range(rounds):
        clocked("all at once", lambda: filled([(x, y)]))
        clocked("in batches", lambda: filled(parts))
        clocked("drawn", lambda: [whole.sample(BATCH, random) for _ in rows])
        clocked("copied", lambda: [x[:MEMORY].index_select(0, each) for each in rows])
    ratio = statistics.median(one / other for one, other in zip(took["drawn"], took["copied"], strict=True))
    return {
        "million examples a s, all at once": round(len(x) / statistics.median(took["all at once"]) / 1e6, 2),
        "million examples a s, in batches": round(len(x) / statistics.median(took["in batches"]) / 1e6, 2),
        "us a draw of 128": round(1e3 * statistics.median(took["drawn"]), 1),
        "us a bare index_select": round(1e3 * statistics.median(took["copied"]), 1),
        "draw over index_select": round(ratio, 2),
    }


def tenth(steps: Found) -> Found:
    """What a step of EWC in the 10th experience costs over a plain one, of each contender."""
    late, plain = steps.get("EWC, 10th experience", {}), steps.get("naive", {})
    return {
        name: round(row["CPU ms a step"] / plain[name]["CPU ms a step"], 3)
        for name, row in late.items()
        if name in plain
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=("steps", "fisher", "memory"), default=["steps", "fisher", "memory"]
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/continual_speed.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # Avalanche's own deprecations
    (images, y), _ = digits()
    x = images.flatten(1).contiguous()
    stored = RESULTS / "continual_speed.json"
    results: Found = json.loads(stored.read_text(encoding="utf8")) if asked.write and stored.exists() else {}
    results.pop("machine", None)
    if "steps" in asked.only:
        who, works = contenders(), {name: Work(kind, x, y, before) for name, (kind, before) in WORKS.items()}
        results["losses apart"] = {name: same(work, who) for name, work in works.items()}
        print(results["losses apart"], flush=True)
        results["steps"] = compare(who, works, asked.rounds)
        results["EWC, 10th experience, over a plain step"] = tenth(results["steps"])
    if "fisher" in asked.only:
        results["fisher"] = importance(x, y, asked.rounds)
    if "memory" in asked.only:
        results["memory"] = memory(x, y, asked.rounds)
    results["load"] = round(os.getloadavg()[0], 2)
    print(json.dumps(results, indent=1))
    if asked.write:
        write_results("continual_speed", results)


if __name__ == "__main__":
    main()
