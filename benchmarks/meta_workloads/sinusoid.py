"""Sinusoids, 10-shot: a network 1-40-40-1 that has to fit a wave from ten of its points.

Amplitudes 0.1..5, phases 0..pi, inputs -5..5 (Finn, Abbeel and Levine 2017, section 5.1); with "frequency" also
those, 0.8..1.2, which is what the table of Li, Zhou, Chen and Li 2017 (Meta-SGD) is of. Mean squared error on 100
other points of each of 600 tasks, before and after 1..10 gradient steps on the ten. Beside MAML and Meta-SGD: a
network trained on the points of all tasks together, which is what "pre-trained" means in that paper, as it is and
fine-tuned with the inner rate that does best, after ten steps, on the validation tasks. Meta-SGD learns rates for one
step, and more of them diverge: it is judged after one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.meta_workloads.training import Clock, Plan, Told, train
from onward.learners.meta import (
    MAML,
    Algorithm,
    FineTuning,
    MetaLearner,
    MetaLearningTask,
    MetaSGD,
    TaskBatch,
    TaskDistribution,
)
from onward.learners.meta.tasks import Sinusoid

SHOTS, QUERIES, VALIDATED, TESTED, STEPS = 10, 100, 200, 600, 10
RATES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
RATE, LONG, ANY_FREQUENCY = 3e-3, Plan(10_000, 25, 500), ", frequency 0.8..1.2"
METHODS: dict[str, tuple[Algorithm, Plan]] = {
    "MAML": (MAML(inner_steps=1, inner_rate=0.01), LONG),
    "Meta-SGD": (MetaSGD(inner_steps=1, inner_rate=0.02), LONG),
    "pre-trained": (FineTuning(inner_steps=STEPS), Plan(3_000, 25, 500)),
    "MAML" + ANY_FREQUENCY: (MAML(inner_steps=1, inner_rate=0.01), LONG),
    "Meta-SGD" + ANY_FREQUENCY: (MetaSGD(inner_steps=1, inner_rate=0.02), LONG),
}
PROTOCOL = {
    "tasks": "amplitude 0.1..5, phase 0..pi, x -5..5, no noise, where it says so frequency 0.8..1.2; endless: no split",
    "network": "1-40-40-1, ReLU, PyTorch's initialisation",
    "shots": SHOTS,
    "queries in training": SHOTS,
    "queries in the test": QUERIES,
    "test tasks a seed": TESTED,
    "inner steps in training": 1,
    "outer": "Adam, 3e-3 falling to 0 by a cosine; 25 tasks a step",
    "chosen": "the step of the curve that is best on 200 validation tasks",
}


@dataclass
class Waves:
    """`Sinusoid` with frequencies of 0.8..1.2."""

    queries: int
    seed: int
    draw: torch.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.draw = torch.Generator().manual_seed(self.seed)

    def sample_batch(self, batch_size: int) -> TaskBatch:
        amplitude, frequency, phase = (
            self._uniform(low, high, batch_size, 1) for low, high in ((0.1, 5), (0.8, 1.2), (0, torch.pi))
        )
        x = self._uniform(-5, 5, batch_size, SHOTS + self.queries)
        y = amplitude * torch.sin(frequency * x + phase)
        x, y = x.unsqueeze(-1), y.unsqueeze(-1)
        return TaskBatch(x[:, :SHOTS], y[:, :SHOTS], x[:, SHOTS:], y[:, SHOTS:])

    def _uniform(self, low: float, high: float, *size: int) -> Tensor:
        return torch.empty(size).uniform_(low, high, generator=self.draw)

    def state_dict(self) -> dict[str, Any]:
        return {"draw": self.draw.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.draw.set_state(state["draw"])


def streams(method: str, seed: int) -> tuple[TaskDistribution, TaskBatch, TaskBatch]:
    """Tasks to learn from, to validate with and to test."""
    learn, judge, test = (
        [Waves(queries, 1000 * seed + part) for part, queries in enumerate((SHOTS, QUERIES, QUERIES))]
        if method.endswith(ANY_FREQUENCY)
        else [Sinusoid(SHOTS, SHOTS, seed=seed)]
        + [Sinusoid(SHOTS, QUERIES, seed=seed).split(name) for name in ("validation", "test")]
    )
    return learn, judge.sample_batch(VALIDATED), test.sample_batch(TESTED)


def measure(method: str, seed: int, folder: Path, clock: Clock, told: Told) -> dict[str, Any]:
    """Train and judge one method once."""
    algorithm, plan = METHODS[method]
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    learner = MetaLearner(net, algorithm, loss="mse", outer_rate=RATE, outer_schedule=plan.cosine, seed=seed)
    tasks, judges, test = streams(method, seed)
    said = train(learner, tasks, judges, plan, folder, clock, told)
    if method != "pre-trained":
        return said | {"tests": errors(learner, test, 1 if method.startswith("Meta-SGD") else STEPS)}
    chosen = min(RATES, key=lambda inner: sum(learner.evaluate_tasks(judges, STEPS, inner)["loss"]))
    return said | {"tests": errors(learner, test, STEPS, chosen), "inner rate": chosen}


def errors(
    learner: MetaLearner, test: Sequence[MetaLearningTask], most: int, rate: float | None = None
) -> dict[str, list[float]]:
    """Number of gradient steps -> mean squared error of each task."""
    return {f"{steps} steps": learner.evaluate_tasks(test, steps, rate)["loss"] for steps in range(most + 1)}
