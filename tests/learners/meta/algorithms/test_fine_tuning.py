"""The baseline: pooled examples, then plain steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.meta import FineTuning, MetaLearner, MetaLearningTask
from onward.learners.meta.tasks import Sinusoid

from .plain import ENGINES, Asked, agrees, grads, learner, tasks


def plainly(asked: Asked, meta: Mapping[str, Tensor], one: MetaLearningTask) -> Mapping[str, Tensor]:
    x = torch.cat([one.support_set.x, one.query_set.x])
    y = torch.cat([one.support_set.y, one.query_set.y])
    return grads(F.cross_entropy(asked(meta, x), y), meta)


@pytest.mark.parametrize("engine", ENGINES)
def test_meta_gradient(engine: str) -> None:
    agrees(learner(FineTuning(), engine), plainly, engine)


def test_adapting_is_gradient_descent() -> None:
    of, task = learner(FineTuning(inner_steps=3, inner_rate=0.1), "rules"), tasks(1)[0]
    net = of.model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    losses = []
    for _ in range(3):
        loss = F.cross_entropy(net(task.support_set.x), task.support_set.y)
        optimizer.zero_grad()
        loss.backward()
        losses.append(float(loss.detach()))
        optimizer.step()
    adapted = of.adapt(task)
    assert adapted.losses[:3] == pytest.approx(losses)
    torch.testing.assert_close(adapted(task.query_set.x), net(task.query_set.x).detach())


def test_only_what_matches_moves() -> None:
    of, task = learner(FineTuning(inner_rate=0.1, adapt="^4"), "rules"), tasks(1)[0]
    moved = {n for n, v in of.adapt(task)._adapted.params.items() if not torch.equal(v, of._packed()[n])}
    assert moved == {"4.weight", "4.bias"}


def test_learns_what_tasks_share() -> None:
    """Sinusoids share little but their range: pooled training comes near their mean, and a few steps help."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(1, 40), nn.Tanh(), nn.Linear(40, 1))
    of, stream = (
        MetaLearner(net, FineTuning(inner_steps=30, inner_rate=0.02), loss="mse", outer_rate=1e-2),
        Sinusoid(seed=0),
    )
    for _ in range(60):
        of.meta_train_step(stream.sample_batch(25))
    held = stream.split("test").sample_batch(100)
    fresh, tuned = (sum(of.evaluate_tasks(held, num_steps=steps)["loss"]) / 100 for steps in (0, 30))
    assert tuned < 0.8 * fresh


def test_what_matches_nothing_is_refused_before_anything_is_learned() -> None:
    with pytest.raises(InvalidInput, match=r"adapt is '\^haed', which matches no parameter.*Known: bias, weight"):
        MetaLearner(nn.Linear(2, 3), FineTuning(adapt="^haed"))


@pytest.mark.parametrize("wrong", [{"inner_steps": 0}, {"inner_rate": 0.0}, {"adapt": "["}])
def test_bad_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        FineTuning(**wrong)
