"""An endless stream that drifts: Elec2, half-hours of the electricity market of New South Wales, in order.

    OMP_NUM_THREADS=1 python -m benchmarks.continual_stream [--methods replay ...] [--seeds 0 1 2 3 4] [--days 944]
        [--write]

Each day, 48 half-hours, is predicted first and learned then: prequential accuracy over all days but the first, on which
nobody has learned anything. Whether the price will go up or down (Harries 1999), from the six numbers of the stream;
nobody is told the answer before. All are given the six numbers, their squares and their products. The streaming heads
are linear; the others train the same network, 27-64-64-2, with Adam, for so many passes over each day; rate and passes
were chosen on the first 200 days, where they suit fine-tuning as well as replay. "no change" says what was true half
an hour before, which nobody else is told. Beside them river's adaptive Hoeffding tree, half-hour by half-hour.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from river.tree import HoeffdingAdaptiveTreeClassifier
from torch import Tensor, nn

from benchmarks.continual_workloads.record import interval
from benchmarks.machine import RESULTS, write_results
from benchmarks.real_data import folder
from onward.core import NotFound
from onward.learners.continual import (
    EWC,
    SLDA,
    ContinualLearner,
    DarkExperienceReplay,
    Experience,
    ExperienceReplay,
    FineTuning,
    Joint,
    Method,
    NoLearning,
    StreamingRidge,
    recommended,
)
from onward.learners.continual.memory import Buffer

DAY, PASSES, BATCH, RATE, MEMORY, FIRST = 48, 16, 16, 3e-3, 5_000, 94
METHODS: dict[str, Callable[[], Sequence[Method]]] = {
    "onward": lambda: [recommended(MEMORY)],
    "onward, drifting": lambda: [recommended(MEMORY, drifting=True)],
    "replay": lambda: [ExperienceReplay(MEMORY)],
    "DER++": lambda: [DarkExperienceReplay(Buffer(MEMORY))],
    "replay and EWC": lambda: [EWC(10.0, online=True, decay=0.9), ExperienceReplay(MEMORY)],
    "joint": lambda: [Joint()],
    "fine-tuning": lambda: [FineTuning()],
    "EWC": lambda: [EWC(10.0, online=True, decay=0.9)],
    "no learning after a tenth": lambda: [NoLearning(after=FIRST)],
    "SLDA": lambda: [SLDA()],
    "streaming ridge": lambda: [StreamingRidge()],
}
CLOSED = ("SLDA", "streaming ridge")


def stream() -> tuple[Tensor, Tensor]:
    """(45,312, 6) numbers of 0..1 and (45,312,) whether the price goes up.

    Raises:
        NotFound: ONWARD_DATA names no folder that has it.
    """
    found = folder()
    if found is None or not (found / "streams" / "elec.csv.gz").exists():
        raise NotFound("There is no Elec2.", mend="Let ONWARD_DATA name the folder of data sets.")
    with gzip.open(found / "streams" / "elec.csv.gz", "rt", encoding="utf8") as file:
        rows = torch.from_numpy(np.loadtxt(file, delimiter=",", skiprows=1))
    return rows[:, :-1].float(), rows[:, -1].long()


def products(x: Tensor) -> Tensor:
    """(n, 6) -> (n, 27): the numbers, their squares and products."""
    left, right = torch.triu_indices(x.shape[1], x.shape[1]).unbind()
    return torch.cat([x, x[:, left] * x[:, right]], 1)


def network(name: str) -> nn.Module:
    if name in CLOSED:
        return nn.Linear(27, 2)
    return nn.Sequential(nn.Linear(27, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))


def prequential(name: str, seed: int, x: Tensor, y: Tensor) -> dict[str, float]:
    """Predict each day, then learn it."""
    torch.manual_seed(seed)
    learner = ContinualLearner(
        network(name),
        METHODS[name](),
        scenario="domain",
        rate=RATE,
        batch_size=BATCH,
        prepare=products,
        seed=seed,
    )
    began, right, steps = time.process_time(), [], PASSES * (DAY // BATCH)
    for at, (day, said) in enumerate(zip(x.split(DAY), y.split(DAY), strict=True)):
        if at:
            right.append((learner.predict(day) == said).float().mean())
        learner.learn(Experience(day, said), steps=steps)
    return {"accuracy": float(torch.stack(right).mean()), "CPU s": round(time.process_time() - began, 1)}


def tree(x: Tensor, y: Tensor) -> dict[str, float]:
    """River's, which learns each half-hour before the next."""
    model, right, began = HoeffdingAdaptiveTreeClassifier(seed=0), [], time.process_time()
    for row, said in zip(x.tolist(), y.tolist(), strict=True):
        named = dict(enumerate(row))
        right.append(model.predict_one(named) == said)
        model.learn_one(named, said)
    return {"accuracy": float(np.mean(right[DAY:])), "CPU s": round(time.process_time() - began, 1)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--days", type=int, default=944)
    parser.add_argument("--write", action="store_true", help="into benchmarks/results/continual_stream.json")
    asked = parser.parse_args()
    torch.set_num_threads(1)
    x, y = (part[: DAY * asked.days] for part in stream())
    stored = RESULTS / "continual_stream.json"
    results: dict[str, Any] = json.loads(stored.read_text(encoding="utf8")) if asked.write and stored.exists() else {}
    results.pop("machine", None)
    rows = results.setdefault("rows", {})
    rows["no change"] = {"accuracy": interval([float((y[1:] == y[:-1]).double().mean())])}
    rows["Hoeffding adaptive tree (river)"] = {key: interval([value]) for key, value in tree(x, y).items()}
    for name in asked.methods:
        found = [prequential(name, seed, x, y) for seed in (asked.seeds[:1] if name in CLOSED else asked.seeds)]
        rows[name] = {key: interval([one[key] for one in found]) for key in ("accuracy", "CPU s")}
        print(name, rows[name], flush=True)
        if asked.write:
            settings = {"days": asked.days, "passes": PASSES, "batch": BATCH, "rate": RATE, "memory": MEMORY}
            write_results("continual_stream", results | {"protocol": settings})


if __name__ == "__main__":
    main()
