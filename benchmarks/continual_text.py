"""BANKING77 in seven groups of eleven intents, one group after the other, without being told the group (class-IL).

Every method learns the same hashed rows (4,096 columns) with one linear layer, Adam, batches of 32 and as many steps;
those that remember may remember as many examples. "onward" is what the learner `continual` does. Figures: accuracy on
all test texts at the end, and forgetting (Chaudhry et al. 2018): how far each group's accuracy is below the best it
ever was. The latter is not 0 for joint training: among 11 intents a text is easier to place than among 77.

    nice python benchmarks/continual_text.py --seeds 5 --write

With --write it goes on from what the results file holds of the same memory.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch
from torch import Tensor, nn

from benchmarks.machine import RESULTS, write_results
from benchmarks.real_data import banking77
from onward.learners.continual import (
    EWC,
    SLDA,
    ContinualLearner,
    DarkExperienceReplay,
    Experience,
    ExperienceReplay,
    FineTuning,
    Joint,
    Retention,
    StreamingRidge,
    recommended,
)
from onward.learners.continual.memory import Buffer
from onward.learners.text.continual._rows import WIDTH, counted
from onward.learners.text.continual._teaching import BATCH, EPOCHS, RATE, inputs

GROUPS, A_GROUP = 7, 11
NAME = "continual_text"
Rows = tuple[Tensor, Tensor]

METHODS: dict[str, Callable[[int], Any]] = {
    "onward": lambda memory: recommended(memory, batch_size=BATCH),
    "replay": lambda memory: ExperienceReplay(memory, "class_balanced", batch_size=BATCH),
    "replay, reservoir": lambda memory: ExperienceReplay(memory, "reservoir", batch_size=BATCH),
    "DER++": lambda memory: DarkExperienceReplay(Buffer(memory), alpha=0.1, beta=0.5, batch_size=BATCH),
    "EWC": lambda _: EWC(100.0),
    "fine-tuning": lambda _: FineTuning(),
    "joint": lambda _: Joint(),
    "SLDA": lambda _: SLDA(),
    "ridge": lambda _: StreamingRidge(1.0),
}


def rows(device: str = "cpu") -> tuple[Rows, Rows]:
    """Inputs and intents, by number, of training and test texts."""
    train, test = banking77()
    place = {name: number for number, name in enumerate(sorted({text.label for text in train}))}

    def of(texts: list[Any]) -> Rows:
        x = inputs(torch.from_numpy(counted([t.text for t in texts]).toarray()))
        return x.to(device), torch.tensor([place[t.label] for t in texts], device=device)

    return of(train), of(test)


def one(name: str, memory: int, train: Rows, test: Rows, seed: int) -> dict[str, Any]:
    """One method, all seven groups."""
    (x, y), (test_x, test_y) = train, test
    order = torch.randperm(GROUPS * A_GROUP, generator=torch.Generator().manual_seed(seed)).view(GROUPS, A_GROUP)
    network = nn.Linear(WIDTH, GROUPS * A_GROUP)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    learner = ContinualLearner(network, [METHODS[name](memory)], rate=RATE, batch_size=BATCH, seed=seed)
    asked = [torch.isin(test_y, group) for group in order]
    scores: list[tuple[float, ...]] = []
    began = time.process_time()
    for group in order:
        some = torch.isin(y, group)
        steps = EPOCHS * math.ceil(int(some.sum()) / BATCH)
        learner.learn(Experience(x[some], y[some]), steps=steps)
        right = learner.predict(test_x) == test_y
        scores.append(tuple(float(right[mine].double().mean()) for mine in asked))
    retention = Retention(tuple(scores))
    return {
        "accuracy": round(float(right.double().mean()), 4),
        "forgetting": round(retention.forgetting, 4),
        "right after learning": round(retention.learning_accuracy, 4),
        "cpu": round(time.process_time() - began, 1),
    }


def summary(runs: list[dict[str, dict[str, Any]]]) -> dict[str, Any]:
    """Mean over the seeds, and half the 95 % interval (normal) where there are several."""
    found: dict[str, Any] = {}
    for name in METHODS:
        for figure in ("accuracy", "forgetting"):
            values = [run[name][figure] for run in runs if name in run]
            if values:
                spread = statistics.stdev(values) if len(values) > 1 else 0.0
                said = round(statistics.mean(values), 4), round(1.96 * spread / math.sqrt(len(values)), 4)
                found.setdefault(name, {})[figure] = said
    return found


def known(memory: int) -> list[dict[str, dict[str, Any]]]:
    """What the results file holds of an earlier call that was cut off."""
    file = RESULTS / f"{NAME}.json"
    found = json.loads(file.read_text(encoding="utf8")) if file.exists() else {}
    return list(found["runs"]) if found.get("memory") == memory else []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--memory", type=int, default=5000)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    train, test = rows()
    runs: list[dict[str, dict[str, Any]]] = known(arguments.memory) if arguments.write else []
    runs += [{} for _ in range(len(runs), arguments.seeds)]
    for seed, run in enumerate(runs[: arguments.seeds]):
        for name in METHODS:
            if name in run:
                continue
            run[name] = one(name, arguments.memory, train, test, seed)
            print(seed, name, run[name], flush=True)
            if arguments.write:
                write_results(
                    NAME, {"memory": arguments.memory, "methods": summary(runs), "runs": [r for r in runs if r]}
                )
    print(summary(runs))


if __name__ == "__main__":
    main()
