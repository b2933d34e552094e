"""Which methods are run in which scenario with which settings, and one run."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from benchmarks.continual_workloads.mnist import Plan, together
from onward.learners.continual import (
    EWC,
    ContinualLearner,
    DarkExperienceReplay,
    Experience,
    ExperienceReplay,
    FineTuning,
    Heads,
    Joint,
    LearningWithoutForgetting,
    Method,
    Retention,
    SynapticIntelligence,
    recommended,
)
from onward.learners.continual.memory import Buffer

Told = Callable[[dict[str, Any]], None]
MEMORY = 2_000
PLANS = {
    "split, task": Plan("task", True, 400, 1e-3, 2_000),
    "split, domain": Plan("domain", True, 400, 1e-3, 2_000),
    "split, class": Plan("class", True, 400, 1e-3, 2_000),
    "split, class, one pass": Plan("class", True, 400, 1e-3, None, 10),
    "permuted, domain": Plan("domain", False, 1_000, 1e-4, 5_000),
}


class Strengths(NamedTuple):
    """Of the penalties on parameters, and what online EWC keeps of the past."""

    ewc: float
    online: float
    decay: float
    si: float


# Those that the source's code sets by default for each scenario, found there by a grid search.
STRENGTHS = {
    "split, task": Strengths(1e7, 1e8, 0.8, 50.0),
    "split, domain": Strengths(1e6, 1e8, 0.7, 500.0),
    "split, class": Strengths(1e8, 1e9, 0.8, 0.5),
    "split, class, one pass": Strengths(1e8, 1e9, 0.8, 0.5),
    "permuted, domain": Strengths(500.0, 1000.0, 0.9, 5.0),
}
NAMES = (
    "onward", "fine-tuning", "EWC", "EWC, a fifth", "EWC, predicted", "online EWC", "online EWC, a tenth",
    "online EWC, predicted", "SI", "LwF", "replay", "replay, 1/t", "DER++", "joint",
)  # fmt: skip


def method(name: str, strengths: Strengths) -> Method:
    """A method with its settings."""
    settings: dict[str, Callable[[], Method]] = {
        "onward": lambda: recommended(MEMORY),
        "fine-tuning": FineTuning,
        "EWC": lambda: EWC(strengths.ewc),
        "EWC, a fifth": lambda: EWC(strengths.ewc / 5),
        "EWC, predicted": lambda: EWC(strengths.ewc, kind="predicted"),
        "online EWC": lambda: EWC(strengths.online, online=True, decay=strengths.decay),
        "online EWC, a tenth": lambda: EWC(strengths.online / 10, online=True, decay=strengths.decay),
        "online EWC, predicted": lambda: EWC(strengths.online, online=True, decay=strengths.decay, kind="predicted"),
        "SI": lambda: SynapticIntelligence(strengths.si),
        "LwF": lambda: LearningWithoutForgetting(squared=False),
        "replay": lambda: ExperienceReplay(MEMORY),
        "replay, 1/t": lambda: ExperienceReplay(MEMORY, weight="tasks", balanced="class"),
        "DER++": lambda: DarkExperienceReplay(Buffer(MEMORY)),
        "joint": Joint,
    }
    return settings[name]()


def within_pairs(pairs: Sequence[tuple[int, ...]]) -> Callable[[Tensor, Tensor], Tensor]:
    """Cross entropy among the classes of each example's own task: all tasks of the scenario "task" in one batch."""
    own = torch.zeros(len(pairs) * 2, len(pairs) * 2, dtype=torch.bool)
    for pair in pairs:
        own[torch.tensor(pair)[:, None], torch.tensor(pair)] = True

    def loss(scores: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(scores.masked_fill(~own[y], -torch.inf), y)

    return loss


@dataclass(frozen=True)
class Course:
    """A learner, what it learns, and how it is judged."""

    learner: ContinualLearner
    experiences: Sequence[Experience]
    test: Sequence[Experience]
    told: bool

    def row(self, met: int) -> tuple[float, ...]:
        """The share right on each test, of those that can be asked after so many tasks."""
        right = [self.right(one) for one in (self.test[:met] if self.told else self.test)]
        return (*right, *[math.nan] * (len(self.test) - len(right)))

    def right(self, one: Experience) -> float:
        """Among the classes of its own task where the task is told."""
        scores = self.learner.scores(one.x, one.task if self.learner.heads.kind == "task" else None)
        if self.told:
            other = torch.ones(scores.shape[1], dtype=torch.bool)
            other[list(one.classes)] = False
            scores = scores.masked_fill(other, -torch.inf)
        return float((scores.argmax(1) == one.y).double().mean())


def course(workload: str, name: str, seed: int, strengths: Strengths | None = None, held_out: int = 0) -> Course:
    """A new learner for a method and a seed; `held_out` as in `Plan.stream`."""
    plan = PLANS[workload]
    stream = plan.stream(seed, held_out=held_out)
    told, apart = plan.kind == "task", plan.kind == "task" and name == "joint"
    torch.manual_seed(seed)
    learner = ContinualLearner(
        plan.network(),
        [FineTuning() if apart else method(name, strengths or STRENGTHS[workload])],
        scenario=Heads("domain" if apart else stream.kind).kind,
        loss=within_pairs([one.classes for one in stream.test]) if apart else "cross_entropy",
        rate=plan.rate,
        batch_size=plan.batch_size,
        seed=seed,
    )
    experiences: Sequence[Experience] = stream.train
    if apart:
        experiences = [together(list(stream.train[: at + 1])) for at in range(len(stream))]
    return Course(learner, experiences, stream.test, told)


def measure(plan: Plan, own: Course, folder: Path, tell: Told) -> dict[str, Any]:
    """Learn all tasks and judge after each; go on from the checkpoint in `folder` where there is one.

    Args:
        tell: is told after every task what it has come to.
    """
    done = own.learner.resume(folder)
    record = folder / "rows.json"
    rows = json.loads(record.read_text(encoding="utf8")) if done and record.exists() else []
    said: dict[str, Any] = {}
    for at, experience in enumerate(own.experiences):
        if at < done and at < len(rows):
            continue
        began = time.process_time()
        if at >= done:
            own.learner.learn(experience, steps=plan.steps, checkpoints=folder, checkpoint_every=1_000)
        rows.append([*own.row(at + 1), time.process_time() - began])
        record.write_text(json.dumps(rows), encoding="utf8")
        said = figures(rows, plan, at + 1 == len(own.experiences))
        tell(said)
    return said


def plan_of(workload: str, steps: int | None) -> Plan:
    """Its plan, or that with so many steps on each task."""
    return replace(PLANS[workload], steps=steps or PLANS[workload].steps)


def figures(rows: Sequence[Sequence[float]], plan: Plan, whole: bool) -> dict[str, Any]:
    """What a run has come to."""
    scores = [[None if math.isnan(right) else round(right, 4) for right in row[:-1]] for row in rows]
    said: dict[str, Any] = {"steps": plan.steps or "one pass", "CPU s": round(sum(row[-1] for row in rows), 1)}
    if whole:
        retention = Retention(tuple(tuple(row[:-1]) for row in rows))
        said |= {"average": retention.average, "forgetting": retention.forgetting}
    return said | {"scores": scores}
