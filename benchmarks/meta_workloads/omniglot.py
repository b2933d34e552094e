"""Omniglot: characters that were never seen, from one drawing or five of each.

Characters are split at random: 1,200 to train on, of which some are for validation, and 423 to test. Characters
turned by 90, 180 and 270 degrees are classes of their own in every split, but for Reptile, whose paper turns training
characters only. Networks are the papers': four 3 x 3 convolutions of 64 channels, batch norm, ReLU. For MAML and
Reptile they have stride 2, the mean over places and a linear layer follow; to compare embeddings they have max-pool,
all 64 numbers count, and products are in bfloat16 where the processor has it. Batch norms see the examples of one
task together, support and queries of a metric learner, queries of the others: transduction, as in MAML, unlike
prototypical networks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.meta_workloads.training import Clock, Plan, Told, train
from onward.learners.meta import (
    MAML,
    Algorithm,
    MAMLPlusPlus,
    Matching,
    MetaLearner,
    Prototypical,
    Reptile,
)
from onward.learners.meta.tasks import Episodes, omniglot

TESTED, VALIDATED, STEPS = 600, 100, 10
LENGTHS = {  # ways and shots: tasks in a meta-iteration, meta-iterations of MAML and of MAML++, fewer of larger tasks
    (5, 1): (8, 1200, 400),
    (5, 5): (4, 600, 240),
    (20, 1): (4, 360, 240),
    (20, 5): (2, 300, 120),
}
SHAPES = tuple(LENGTHS)
Schedule = Callable[[Plan], Callable[[int], float]]


@dataclass(frozen=True)
class Method:
    """How to train for a shape of tasks.

    Args:
        algorithm: of the learner.
        ways: of the tasks to train on; `None`: those of the test.
        queries: of each class in training, validation and test.
        outer_rate: at first; it falls to 0, by a cosine or, `linear`, in a straight line.
        rotations: in which splits turned characters are classes.
        validation: characters for it.
        shapes: of the test tasks; of all, those with the shots of the training.
        steps: inner steps in the test; `None`: the algorithm compares embeddings.
    """

    algorithm: Algorithm
    plan: Plan
    ways: int
    shots: int
    queries: int = 5
    outer_rate: float = 1e-3
    linear: bool = False
    rotations: bool | Collection[str] = True
    validation: int = 100
    shapes: tuple[tuple[int, int], ...] = ((5, 1),)
    steps: int | None = None


NORMS = r"^(1|4|7|10)\."


def methods() -> dict[str, Method]:
    """All of them, the cheapest to learn first."""
    found: dict[str, Method] = {}
    for shots, plan in ((1, Plan(1500, 1, 300)), (5, Plan(600, 1, 100))):
        found[f"prototypical, {shots}-shot"] = Method(Prototypical(), plan, 20, shots, outer_rate=2e-3, shapes=SHAPES)
        found[f"matching, {shots}-shot"] = Method(
            Matching(fce=False, scale=10), plan, 20, shots, outer_rate=2e-3, shapes=SHAPES
        )
    for (ways, shots), (tasks, long, short) in LENGTHS.items():
        shape = f"{ways}-way {shots}-shot"
        found[f"MAML++, {shape}"] = Method(
            MAMLPlusPlus(3, 0.4, multi_step=short // 2, norms=NORMS), Plan(short, tasks, short // 8), ways, shots,
            outer_rate=2e-3, validation=50, shapes=((ways, shots),), steps=3,
        )  # fmt: skip
        found[f"MAML, {shape}"] = Method(
            MAML(1, 0.4), Plan(long, tasks, long // 12), ways, shots, outer_rate=2e-3, shapes=((ways, shots),), steps=3
        )
        found[f"Reptile, {shape}"] = Method(
            Reptile(inner_steps=5, batch_size=10, adapt_steps=50, adapt_batch_size=5), Plan(1000, 5, 250), ways, shots,
            queries=9, outer_rate=1.0, linear=True, rotations=("train",), shapes=((ways, shots),), steps=50,
        )  # fmt: skip
    for name in ("MAML, 5-way 1-shot", "MAML++, 5-way 1-shot"):
        plan = found[name].plan
        long = Plan(10 * plan.steps, plan.batch_size, 10 * plan.every)
        found[f"{name}, ten times as long"] = replace(found[name], plan=long)
    return found


METHODS = methods()
PROTOCOL = {
    "characters": "1,200 at random to train on, of which 100 (MAML++: 50) for validation; 423 to test; 28 x 28",
    "rotations": "by 90, 180, 270 degrees new classes, in every split; Reptile: in training only",
    "network": "4 x (conv-64, 3 x 3; batch norm; ReLU), MAML and Reptile with stride 2, the others with max-pool",
    "precision": "float32; prototypical and matching: products in bfloat16",
    "transduction": "through batch statistics of the task",
    "outer": "Adam, 2e-3 falling to 0 by a cosine; Reptile: plain steps of 1 falling to 0 in a line",
    "queries of each class": "5, in training and in the test; Reptile: 9",
    "test tasks a seed": TESTED,
    "chosen": "the point of the curve that is best on 100 validation tasks",
}


def network(classes: int | None, seed: int) -> nn.Sequential:
    """For so many classes; `None`: gives embeddings."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = []
    for channels in (1, 64, 64, 64):
        layers += [
            nn.Conv2d(channels, 64, 3, stride=1 if classes is None else 2, padding=1),
            nn.BatchNorm2d(64),
            nn.ReLU(),
        ]
        layers += [nn.MaxPool2d(2)] if classes is None else []
    if classes is None:
        return nn.Sequential(*layers, nn.Flatten())
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def tasks_of(method: Method, seed: int) -> Episodes:
    return omniglot(
        method.ways, method.shots, method.queries,
        validation=method.validation, rotations=method.rotations, seed=seed,
    )  # fmt: skip


def measure(name: str, seed: int, folder: Path, clock: Clock, told: Told) -> dict[str, Any]:
    """Train and judge one method once."""
    method = METHODS[name]
    tasks, plan = tasks_of(method, seed), method.plan
    torch.set_float32_matmul_precision("medium" if method.steps is None else "highest")
    learner = MetaLearner(
        network(None if method.steps is None else method.ways, seed), method.algorithm,
        outer_rate=method.outer_rate, outer_schedule=plan.linear if method.linear else plan.cosine, seed=seed,
    )  # fmt: skip
    ways, shots = method.shapes[0] if method.steps is not None else (20, method.shots)
    judges = tasks.split("validation", ways=ways, shots=shots).sample_batch(VALIDATED)
    said = train(learner, tasks, judges, plan, folder, clock, told)
    tests: dict[str, list[float]] = {}
    for ways, shots in method.shapes:
        test = tasks.split("test", ways=ways, shots=shots).sample_batch(TESTED)
        tests[f"{ways}-way {shots}-shot"] = learner.evaluate_tasks(test, method.steps)["accuracy"]
        if method.steps is not None:
            some = test[: TESTED // 6]
            tests |= {f"{k} steps": learner.evaluate_tasks(some, k)["accuracy"] for k in _counts(method.steps)}
    return said | {"tests": tests}


def _counts(steps: int) -> list[int]:
    """Numbers of inner steps to judge after, on a sixth of the tasks."""
    return [k for k in (0, 1, 2, 3, 5, 10, 20, 50) if k <= max(steps, STEPS)]
