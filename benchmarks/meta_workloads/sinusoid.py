"""Sinusoids, 10-shot: a network 1-40-40-1 that has to fit a wave from ten of its points.

Amplitudes 0.1..5, phases 0..pi, inputs -5..5 (Finn, Abbeel and Levine 2017, section 5.1). Mean squared error on 100
other points of each of 600 tasks, before and after 1..10 gradient steps on the ten. Beside MAML and Meta-SGD: a network
trained on the points of all tasks together, which is what "pre-trained" means in that paper, as it is and fine-tuned
with the inner rate that does best, after ten steps, on the validation tasks. Meta-SGD learns rates for one step, and
more of them diverge: it is judged after one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks.meta_workloads.training import Clock, Plan, Told, train
from onward.learners.meta import MAML, Algorithm, FineTuning, MetaLearner, MetaLearningTask, MetaSGD
from onward.learners.meta.tasks import Sinusoid

SHOTS, QUERIES, TESTED, STEPS = 10, 100, 600, 10
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
METHODS: dict[str, tuple[Algorithm, float, Plan]] = {
    "MAML": (MAML(inner_steps=1, inner_rate=0.01), 3e-3, Plan(10_000, 25, 500)),
    "Meta-SGD": (MetaSGD(inner_steps=1, inner_rate=0.02), 3e-3, Plan(10_000, 25, 500)),
    "pre-trained": (FineTuning(inner_steps=STEPS), 3e-3, Plan(3_000, 25, 500)),
}
PROTOCOL = {
    "tasks": "amplitude 0.1..5, phase 0..pi, x -5..5, no noise; endless, so no split of classes",
    "network": "1-40-40-1, ReLU, PyTorch's initialisation",
    "shots": SHOTS,
    "queries in training": SHOTS,
    "queries in the test": QUERIES,
    "test tasks a seed": TESTED,
    "inner steps in training": 1,
    "outer": "Adam, 3e-3 falling to 0 by a cosine; 25 tasks a step",
    "chosen": "the step of the curve that is best on 200 validation tasks",
}


def measure(method: str, seed: int, folder: Path, clock: Clock, told: Told) -> dict[str, Any]:
    """Train and judge one method once."""
    algorithm, rate, plan = METHODS[method]
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    learner = MetaLearner(net, algorithm, loss="mse", outer_rate=rate, outer_schedule=plan.cosine, seed=seed)
    tasks = Sinusoid(SHOTS, SHOTS, seed=seed)
    judges = Sinusoid(SHOTS, QUERIES, seed=seed).split("validation").sample_batch(200)
    said = train(learner, tasks, judges, plan, folder, clock, told)
    test = Sinusoid(SHOTS, QUERIES, seed=seed).split("test").sample_batch(TESTED)
    if method != "pre-trained":
        return said | {"tests": errors(learner, test, 1 if method == "Meta-SGD" else STEPS)}
    chosen = min(RATES, key=lambda inner: sum(learner.evaluate_tasks(judges, STEPS, inner)["loss"]))
    return said | {"tests": errors(learner, test, STEPS, chosen), "inner rate": chosen}


def errors(
    learner: MetaLearner, test: Sequence[MetaLearningTask], most: int, rate: float | None = None
) -> dict[str, list[float]]:
    """Number of gradient steps -> mean squared error of each task."""
    return {f"{steps} steps": learner.evaluate_tasks(test, steps, rate)["loss"] for steps in range(most + 1)}
