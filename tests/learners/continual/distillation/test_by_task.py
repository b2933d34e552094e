"""Smaller networks of those that answer by task."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Experience, PackNet, Progressive, ProgressiveNetwork
from onward.learners.continual.distillation import Compressed, Lessons, compress, prune, quantize_int8


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 2))


def task(number: int) -> Experience:
    """Tasks that contradict each other."""
    x = torch.randn(300, 3, generator=torch.Generator().manual_seed(1))
    return Experience(x, ((x[:, 0] > 0) ^ bool(number)).long(), number)


@cache
def learned(packed: bool) -> nn.Module:
    network, method = (net(), PackNet(0.5)) if packed else (ProgressiveNetwork(net()), Progressive())
    learner = ContinualLearner(network, [method], scenario="task", batch_size=20, rate=0.01)
    for number in (0, 1):
        learner.learn(task(number), epochs=10)
    return learner.serving


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("number", [0, 1])
def test_each_task_is_distilled_from_what_answers_for_it(packed: bool, number: int) -> None:
    lessons = Lessons(epochs=30, rate=0.01)
    found = compress(learned(packed), task(number), net(), alpha=1.0, lessons=lessons)
    assert found.teacher_accuracy > 0.95
    assert found.student_accuracy > 0.9


@pytest.mark.parametrize("remedy", [quantize_int8, lambda model, data: prune(model, 0.1, data)])
def test_columns_are_measured_on_their_own_tasks(remedy: Callable[[nn.Module, Experience], Compressed]) -> None:
    network = learned(False)
    for number in (0, 1):
        found = remedy(network, task(number))
        assert min(found.teacher_accuracy, found.student_accuracy) > 0.9
    with pytest.raises(InvalidInput, match="No column is of task 2"):
        remedy(network, task(2))


@pytest.mark.parametrize("remedy", [quantize_int8, lambda model, data: prune(model, 0.1, data)])
def test_weights_that_tasks_share_are_left_alone(remedy: Callable[[nn.Module, Experience], Compressed]) -> None:
    with pytest.raises(InvalidInput, match="weights of several tasks"):
        remedy(learned(True), task(0))
