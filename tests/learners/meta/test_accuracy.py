"""Small versions of benchmarks/meta_accuracy.py: what is learned in seconds is a clear part of what there is to learn."""

from __future__ import annotations

import statistics
from collections.abc import Callable

import pytest
import torch
from benchmarks.real_data import folder
from torch import nn

from onward.learners.meta import (
    MAML,
    Algorithm,
    FineTuning,
    MAMLPlusPlus,
    Matching,
    MetaLearner,
    MetaSGD,
    Prototypical,
    Reptile,
)
from onward.learners.meta.tasks import Episodes, Sinusoid, from_arrays, omniglot


def falling(steps: int) -> Callable[[int], float]:
    """From 1 to 0 in a straight line."""
    return lambda step: 1 - step / steps


# Regression --------------------------------------------------------------------------------------------------------


def waves(algorithm: Algorithm, steps: int, rate: float = 5e-3, queries: int = 10) -> list[float]:
    """Mean squared error of new waves after 0, 1 and 10 steps on ten points, of a network that was trained so long."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    learner = MetaLearner(net, algorithm, loss="mse", outer_rate=rate, outer_schedule=falling(steps))
    tasks = Sinusoid(queries=queries, seed=0)
    for _ in range(steps):
        learner.meta_train_step(tasks.sample_batch(25))
    test = Sinusoid(queries=100, seed=0).split("test").sample_batch(200)
    return [statistics.fmean(learner.evaluate_tasks(test, k)["loss"]) for k in (0, 1, 10)]


def test_maml_fits_a_wave_from_ten_points() -> None:
    before, one, ten = waves(MAML(inner_steps=1, inner_rate=0.01), 1000)
    assert before > 2.5
    assert one < 1.0
    assert ten < 0.6 * one


def test_reptile_fits_a_wave_in_ten_steps() -> None:
    walk = Reptile(inner_steps=8, inner_rate=0.02, inner_optimizer="sgd", batch_size=10, adapt_batch_size=0)
    before, _, ten = waves(walk, 400, rate=1.0, queries=30)
    assert before > 2.5
    assert ten < 1.0


def test_a_network_trained_on_all_waves_together_does_not() -> None:
    before, one, ten = waves(FineTuning(inner_rate=0.01), 500)
    assert min(before, one) > 2.0
    assert ten > 1.2


def test_learned_rates_do_better_in_one_step() -> None:
    _, one, _ = waves(MetaSGD(inner_rate=0.02), 1000)
    assert one < 0.5


# Classification ----------------------------------------------------------------------------------------------------


def needles() -> Episodes:
    """100 classes of points around centres in 3 dimensions, among 17 more dimensions of louder noise."""
    draw = torch.Generator().manual_seed(0)
    centres = torch.randn(100, 1, 3, generator=draw)
    signal = centres + 0.2 * torch.randn(100, 40, 3, generator=draw)
    x = torch.cat([signal, 2 * torch.randn(100, 40, 17, generator=draw)], 2).flatten(0, 1)
    return from_arrays(x, torch.arange(100).repeat_interleave(40), ways=5, shots=1, queries=5, split=(70, 30))


@pytest.mark.parametrize(
    ("algorithm", "outputs", "rate", "enough"),
    [
        (MAML(inner_steps=3, inner_rate=0.3), 5, 3e-3, 0.6),
        (MAMLPlusPlus(inner_steps=3, inner_rate=0.3, multi_step=100), 5, 3e-3, 0.6),
        (Prototypical(), 32, 3e-3, 0.6),
        (Matching(fce=False, scale=10), 32, 3e-3, 0.6),
    ],
    ids=["MAML", "MAML++", "prototypical", "matching"],
)
def test_unseen_classes_are_found_in_noise(algorithm: Algorithm, outputs: int, rate: float, enough: float) -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, outputs))
    learner = MetaLearner(net, algorithm, outer_rate=rate, outer_schedule=falling(400))
    tasks = needles()
    test = tasks.split("test").sample_batch(200)
    before = statistics.fmean(learner.evaluate_tasks(test)["accuracy"])
    for _ in range(400):
        learner.meta_train_step(tasks.sample_batch(16))
    after = statistics.fmean(learner.evaluate_tasks(test)["accuracy"])
    assert before < 0.4
    assert after > enough


@pytest.mark.skipif(folder() is None, reason="ONWARD_DATA names no folder of data sets")
def test_unseen_characters_are_told_apart() -> None:
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for channels in (1, 32, 32, 32):
        layers += [nn.Conv2d(channels, 32, 3, stride=2, padding=1), nn.BatchNorm2d(32), nn.ReLU()]
    net = nn.Sequential(*layers, nn.Flatten())
    learner = MetaLearner(net, Prototypical(scale=0.1), outer_rate=5e-3, outer_schedule=falling(250))
    tasks = omniglot(ways=10, shots=1, queries=5, folder=folder())
    test = tasks.split("test", ways=5).sample_batch(100)
    before = statistics.fmean(learner.evaluate_tasks(test)["accuracy"])
    for _ in range(250):
        learner.meta_train_step(tasks.sample_batch(1))
    after = statistics.fmean(learner.evaluate_tasks(test)["accuracy"])
    assert before < 0.5
    assert after > 0.75
