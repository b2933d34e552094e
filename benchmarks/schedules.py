"""Schedules of a learning rate, beside fixed rates and a rate drawn by chance: on digits, and on a noisy quadratic.

Digits of scikit-learn: a network 64-64-10, plain gradient descent, batches of 30, 40 epochs; 900 digits to learn from,
300 to validate, 597 to test; another split, start and order for each seed. One step of a schedule is one epoch, and,
where it says so, five batches; those that go by performance see the loss on the validation part. None is tuned: fixed
rates half a decade apart, the bandit picks among the same, the others start at (or climb to) 0.3. Loss and accuracy are
those of the last epoch on the test part, with 95 % intervals of the mean over the seeds (Student's).

Quadratic: 50 weights from 3, curvatures 0.05 to 4, noise of 0.3 in each gradient; 200 steps of five updates each, after
which a schedule sees the loss. Of the rates to choose from the highest, 0.6, diverges. The figure is log10 of the last
loss, at most 300, its interval as above, and its worst.

    OMP_NUM_THREADS=1 python benchmarks/schedules.py --seeds 20 --write
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from scipy.stats import t as student
from sklearn.datasets import load_digits
from torch import Tensor, nn

from benchmarks.machine import write_results
from onward.schedules import (
    Bandit,
    Curve,
    Plateau,
    Schedule,
    cosine_restarts,
    cyclical,
    drive,
    exponential_decay,
    one_cycle,
    step_decay,
)

EPOCHS, BATCH, LEARNED, VALIDATED = 40, 30, 900, 300
EPOCH = LEARNED // BATCH  # batches of it
RATES = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)


def by_chance(seed: int, rates: tuple[float, ...] = RATES) -> Curve:
    return Curve(lambda step: random.Random(f"{seed} {step}").choice(rates), "by chance")


SCHEDULES: dict[str, Callable[[int], Schedule]] = {
    **{f"fixed at {rate:g}": lambda _, rate=rate: Curve(lambda _: rate) for rate in RATES},
    "by chance": by_chance,
    "`exponential_decay`": lambda _: exponential_decay(0.3, rate=0.5, steps=10, floor=0.003),
    "`step_decay`": lambda _: step_decay(0.3, factor=0.3, every=10),
    "`cosine_restarts`": lambda _: cosine_restarts(0.3, period=6, multiply=2),
    "`cyclical`": lambda _: cyclical(0.003, 0.3, up=5, mode="triangular2"),
    "`one_cycle`": lambda _: one_cycle(0.3, steps=EPOCHS),
    "`Plateau`": lambda _: Plateau(0.3, factor=0.3, patience=2),
    "`Plateau` with growth": lambda _: Plateau(0.03, factor=0.5, patience=1, growth=1.1, highest=1.0),
    "`Bandit`": lambda seed: Bandit(RATES, seed=seed),
    "`Bandit`, every 5 batches": lambda seed: Bandit(RATES, seed=seed),
}

ROUNDS, HARMFUL = 200, (*RATES[:-1], 0.6)
FOR_QUADRATIC: dict[str, Callable[[int], Schedule]] = {
    **{f"fixed at {rate:g}": lambda _, rate=rate: Curve(lambda _: rate) for rate in HARMFUL},
    "by chance": lambda seed: by_chance(seed, HARMFUL),
    "`cosine_restarts`, one period": lambda _: cosine_restarts(0.3, period=ROUNDS),
    "`one_cycle`": lambda _: one_cycle(0.3, steps=ROUNDS),
    "`Plateau`": lambda _: Plateau(0.3, factor=0.3, patience=2),
    "`Bandit`": lambda seed: Bandit(HARMFUL, seed=seed),
    "`Bandit`, discount 1": lambda seed: Bandit(HARMFUL, seed=seed, discount=1),
}


def parts(seed: int) -> list[tuple[Tensor, Tensor]]:
    """Learn, validate, test."""
    x, y = load_digits(return_X_y=True)
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    inputs, targets = torch.tensor(x / 16, dtype=torch.float32)[order], torch.tensor(y)[order]
    edges = [0, LEARNED, LEARNED + VALIDATED, len(x)]
    return [(inputs[a:b], targets[a:b]) for a, b in pairwise(edges)]


def train(make: Callable[[int], Schedule], seed: int, every: int) -> dict[str, float]:
    """Train with a step of the schedule after `every` batches."""
    (x, y), validation, test = parts(seed)
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    rate = drive(optimizer, make(seed))
    for _ in range(EPOCHS):
        for at, batch in enumerate(torch.randperm(len(x)).split(BATCH), 1):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[batch]), y[batch]).backward()
            optimizer.step()
            if at % every == 0:
                rate.step(judged(net, *validation)["loss"])
    return judged(net, *test)


@torch.no_grad()
def judged(net: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
    outputs = net(x)
    loss = nn.functional.cross_entropy(outputs, y).item()
    return {"loss": loss, "accuracy": (outputs.argmax(1) == y).float().mean().item()}


def mean_and_half_width(values: list[float]) -> tuple[float, float]:
    error = statistics.stdev(values) / math.sqrt(len(values))
    return statistics.fmean(values), float(student.ppf(0.975, len(values) - 1)) * error


def descend(schedule: Schedule, seed: int) -> float:
    """Log10 of the last loss on the quadratic."""
    noise, curvature, weights, loss = np.random.default_rng(seed), np.geomspace(0.05, 4, 50), np.full(50, 3.0), 0.0
    for _ in range(ROUNDS):
        for _ in range(5):
            weights = weights - schedule.value * (curvature * weights + 0.3 * noise.normal(size=50))
        loss = 0.5 * float(curvature @ weights**2)
        schedule.step(loss)
    return min(300.0, math.log10(loss))


def measure_quadratic(seeds: int) -> list[dict[str, Any]]:
    rows = []
    for name, make in FOR_QUADRATIC.items():
        found = [descend(make(seed), seed) for seed in range(seeds)]
        mean, half_width = mean_and_half_width(found)
        rows.append({"schedule": name, "log10 loss": mean, "half width": half_width, "worst": max(found)})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def measure(seeds: int) -> list[dict[str, Any]]:
    rows = []
    for name, make in SCHEDULES.items():
        every = 5 if name.endswith("every 5 batches") else EPOCH
        found = [train(make, seed, every) for seed in range(seeds)]
        row: dict[str, Any] = {"schedule": name}
        for key in ("loss", "accuracy"):
            row[key], row[f"{key} half width"] = mean_and_half_width([one[key] for one in found])
        rows.append(row)
        print(json.dumps(row), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--write", action="store_true", help="to benchmarks/results/schedules.json")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    rows, quadratic = measure(chosen.seeds), measure_quadratic(chosen.seeds)
    if chosen.write:
        write_results("schedules", {"seeds": chosen.seeds, "epochs": EPOCHS, "digits": rows, "quadratic": quadratic})


if __name__ == "__main__":
    main()
