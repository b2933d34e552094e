"""Small versions of benchmarks/continual_accuracy.py: what is kept in seconds is a clear part of what there is to keep."""

from __future__ import annotations

import pytest
import torch
from benchmarks.continual_workloads.mnist import Plan, digits
from benchmarks.real_data import folder

from onward.learners.continual import (
    EWC,
    ContinualLearner,
    ExperienceReplay,
    FineTuning,
    Heads,
    Joint,
    LearningWithoutForgetting,
    Method,
    Retention,
    SynapticIntelligence,
    follow,
)

HERE = folder()
pytestmark = pytest.mark.skipif(HERE is None or not (HERE / "mnist").is_dir(), reason="ONWARD_DATA has no MNIST")
EXAMPLES, STEPS = 6_000, 60


def split(kind: str, method: Method) -> Retention:
    """Split MNIST, 60 steps a task on every tenth image, 100 hidden units."""
    plan = Plan(kind, True, 100, 1e-3, STEPS)
    stream = plan.stream(0, EXAMPLES)
    torch.manual_seed(0)
    learner = ContinualLearner(plan.network(), [method], scenario=Heads(kind).kind, batch_size=64, rate=2e-3)
    return follow(learner, stream, lambda one: learner.learn(one, steps=STEPS), before=False)


def test_the_data_are_those_of_the_source() -> None:
    (x, y), (held, labels) = digits()
    assert x.shape == (60_000, 28, 28)
    assert held.shape == (10_000, 28, 28)
    assert (x.min(), x.max()) == (0, 1)
    assert y.bincount().tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]


def test_new_classes_are_kept_by_replay_alone() -> None:
    """Regularisation cannot (van de Ven and Tolias 2019)."""
    freely, kept = split("class", FineTuning()), split("class", ExperienceReplay(1_000))
    assert freely.average < 0.25
    assert freely.forgetting > 0.9
    assert kept.average > 0.8
    assert split("class", SynapticIntelligence(0.5)).average < 0.3
    assert split("class", Joint()).average > kept.average


@pytest.mark.parametrize("method", [LearningWithoutForgetting(), SynapticIntelligence(50.0), EWC(1e4)])
def test_told_tasks_are_kept_without_old_examples(method: Method) -> None:
    freely, kept = split("task", FineTuning()), split("task", method)
    assert kept.average > max(0.9, freely.average)
    assert kept.forgetting < freely.forgetting


def test_penalties_keep_permuted_pixels() -> None:
    plan = Plan("domain", False, 100, 1e-3, STEPS)
    found = []
    for method in (FineTuning(), EWC(100.0, online=True), SynapticIntelligence(5.0)):
        stream = plan.stream(0, EXAMPLES)
        torch.manual_seed(0)
        learner = ContinualLearner(plan.network(), [method], scenario="domain", batch_size=64, rate=2e-3)
        for one in stream.train[:3]:
            learner.learn(one, steps=150)
        found.append(sum(learner.evaluate(one)["accuracy"] for one in stream.test[:3]) / 3)
    freely, ewc, si = found
    assert ewc > freely + 0.01
    assert si > freely + 0.01
