"""Onward: a `ContinualLearner`, its metrics on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from benchmarks.continual_peers import Run
from benchmarks.continual_peers.work import BATCH, MEMORY, RATE, STRENGTH, Work
from onward.learners.continual import (
    EWC,
    ContinualLearner,
    Course,
    Experience,
    ExperienceReplay,
    FineTuning,
    Hooks,
    Method,
    Step,
)


@dataclass
class Watch:
    """A method that stops the time, and asks for losses where it is told to."""

    tell: bool = False
    times: list[float] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    rows: list[Tensor] = field(default_factory=list)

    def start(self, course: Course) -> Hooks:  # noqa: ARG002
        return Hooks(begin=self.begin, stepped=self.stepped)

    def begin(self, experience: Experience) -> None:  # noqa: ARG002
        self.times, self.losses, self.rows = [], [], []

    def stepped(self, step: Step) -> None:
        self.times.append(time.process_time())
        if self.tell:
            self.losses.append(float(step.loss.detach()))
            self.rows.append(step.index)


def method(work: Work, policy: str) -> Method:
    match work.kind:
        case "EWC":
            return EWC(STRENGTH, kind="empirical")
        case "replay":
            return ExperienceReplay(MEMORY, policy)
        case _:
            return FineTuning()


def run(work: Work, orders: Sequence[Tensor] | None = None, *, policy: str = "reservoir") -> Run:
    """Orders are not followed but told: they are the learner's own."""
    watch, told = Watch(orders is not None), []
    learner = ContinualLearner(
        work.network(),
        [method(work, policy), watch],
        scenario="domain",
        optimizer=lambda parameters: torch.optim.SGD(parameters, lr=RATE),
        batch_size=BATCH,
    )
    for x, y in (*work.experiences, (work.x, work.y)):
        learner.learn(Experience(x, y))
        told += [torch.cat(watch.rows)] if watch.rows else []
    taken = watch.times[-1] - watch.times[0]
    return Run(1e3 * taken / (len(watch.times) - 1), watch.losses, told)
