"""Reptile goes where its inner loop leads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.meta import MetaLearner, MetaLearningTask, Reptile
from onward.learners.meta.tasks import Sinusoid

from .plain import ENGINES, Asked, agrees, grads, learner, same, tasks


def plainly(settings: Reptile) -> Any:
    """Torch's own optimisers, example by example; minibatches as `Reptile` draws them at the first step."""

    def task(asked: Asked, meta: Mapping[str, Tensor], one: MetaLearningTask) -> Mapping[str, Tensor]:
        params = {n: v.detach().clone().requires_grad_() for n, v in meta.items()}
        x = torch.cat([one.support_set.x, one.query_set.x])
        y = torch.cat([one.support_set.y, one.query_set.y])
        if settings.inner_optimizer == "adam":
            optimizer: torch.optim.Optimizer = torch.optim.Adam(
                params.values(), lr=settings.inner_rate, betas=(0.0, 0.999)
            )
        else:
            optimizer = torch.optim.SGD(params.values(), lr=settings.inner_rate)
        for part in settings._minibatches(len(x), settings.inner_steps, settings.batch_size, 0):
            loss = (
                F.cross_entropy(asked(params, x[part]), y[part])
                if part is not None
                else F.cross_entropy(asked(params, x), y)
            )
            for name, value in grads(loss, params).items():
                params[name].grad = value
            optimizer.step()
        return {n: meta[n] - value for n, value in params.items()}

    return task


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", [
    Reptile(4, 0.1, "sgd", batch_size=0),
    Reptile(5, 0.1, "sgd", batch_size=7),
    Reptile(6, 0.01, "adam", batch_size=5, seed=3),
])  # fmt: skip
def test_meta_gradient(engine: str, settings: Reptile) -> None:
    agrees(learner(settings, engine), plainly(settings), engine)


def test_minibatches_go_round() -> None:
    """Every example comes once before any comes again, in another order at another step."""
    parts = list(Reptile()._minibatches(12, 7, 5, 0))
    seen = torch.cat([part for part in parts if part is not None])
    assert len(seen) == 35
    assert sorted(seen[:12].tolist()) == sorted(seen[12:24].tolist()) == list(range(12))
    other = next(iter(Reptile()._minibatches(12, 7, 5, 1)))
    assert other is not None
    assert parts[0] is not None
    assert other.tolist() != parts[0].tolist()


def test_whole_set_where_it_is_no_larger() -> None:
    assert list(Reptile()._minibatches(10, 2, 10, 0)) == [None, None]
    assert list(Reptile()._minibatches(30, 0, 10, 0)) == []


def test_one_outer_step_of_rate_one_is_the_mean_of_where_tasks_came_to() -> None:
    settings = Reptile(3, 0.1, "sgd", batch_size=0)
    of, batch = learner(settings, "rules", outer_rate=1.0), tasks(2)
    begun, way = of.meta_parameters(), of.meta_gradient(batch)
    of.meta_train_step(batch)
    same(of.meta_parameters(), {name: value - way[name] for name, value in begun.items()}, 1e-12)


def test_adapting_has_steps_of_its_own() -> None:
    of, task = (
        learner(Reptile(adapt_steps=4, adapt_batch_size=0, inner_optimizer="sgd", inner_rate=0.1), "rules"),
        tasks(1)[0],
    )
    adapted = of.adapt(task)
    assert len(adapted.losses) == 5
    assert adapted.losses == sorted(adapted.losses, reverse=True)
    assert len(of.adapt(task, num_steps=2).losses) == 3
    assert of.adapt(task, num_steps=0).losses[0] == pytest.approx(adapted.losses[0])
    assert of.adapt(task, learning_rate=0.01).losses[-1] > adapted.losses[-1]


def test_learns_sinusoids() -> None:
    """After meta-training, a few steps leave far less than they did before."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 40), nn.Tanh(), nn.Linear(40, 1))
    of = MetaLearner(
        net,
        Reptile(8, 0.02, "sgd", adapt_steps=16),
        loss="mse",
        outer_rate=1.0,
        outer_schedule=lambda step: 1 - step / 150,
    )
    stream = Sinusoid(seed=0)
    held = stream.split("test").sample_batch(60)
    before = sum(of.evaluate_tasks(held)["loss"]) / 60
    for _ in range(150):
        of.meta_train_step(stream.sample_batch(10))
    after = sum(of.evaluate_tasks(held)["loss"]) / 60
    assert after < before / 2


@pytest.mark.parametrize("seed", [2**50, -(2**50), 2**70])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    one, again = (learner(Reptile(2, batch_size=3, seed=seed), "rules").meta_gradient(tasks()) for _ in range(2))
    assert all(torch.equal(value, again[name]) for name, value in one.items())


@pytest.mark.parametrize("wrong", [
    {"inner_steps": 0}, {"inner_rate": 0.0}, {"inner_rate": float("nan")}, {"batch_size": -1}, {"adapt_steps": -1},
    {"adapt_batch_size": -2}, {"inner_optimizer": "lion"},
])  # fmt: skip
def test_bad_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Reptile(**wrong)
