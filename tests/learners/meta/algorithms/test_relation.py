"""Relation networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.meta import MetaLearner, MetaLearningTask, Relation
from onward.learners.meta.tasks import GaussianBlobs

from .plain import ENGINES, Asked, agrees, grads, learner, tasks

WIDTH = 5


def plainly(asked: Asked, meta: Mapping[str, Tensor], one: MetaLearningTask) -> Mapping[str, Tensor]:
    """Pair by pair, through a module of PyTorch's own layers."""
    (sx, sy), (qx, qy) = one.support_set, one.query_set
    module = nn.Sequential(nn.Linear(2 * WIDTH, 7), nn.ReLU(), nn.Linear(7, 1), nn.Sigmoid())
    own = {name.removeprefix("relation:"): value for name, value in meta.items() if name.startswith("relation:")}
    embedded = asked(meta, torch.cat([sx, qx]))
    support, query = embedded[: len(sx)], embedded[len(sx) :]
    loss, ways = torch.zeros((), dtype=torch.float64), int(sy.max()) + 1
    for q, y in zip(query, qy, strict=True):
        for way in range(ways):
            pair = torch.cat([support[sy == way].mean(0), q])
            loss = loss + (torch.func.functional_call(module, own, (pair,))[0] - float(y == way)).square()
    return grads(loss / (len(qy) * ways), meta)


@pytest.mark.parametrize("engine", ENGINES)
def test_meta_gradient(engine: str) -> None:
    agrees(learner(Relation(features=WIDTH, hidden=7), engine, width=WIDTH), plainly, engine)


def test_learns_blobs() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 8))
    of, stream = MetaLearner(net, Relation(features=8), outer_rate=1e-2), GaussianBlobs(3, 2, 6, dimensions=3)
    held = stream.split("test").sample_batch(200)
    for _ in range(80):
        figures = of.meta_train_step(stream.sample_batch(16))
    assert figures["meta_loss"] < 2 / 9  # what saying 1/3 of every class gives
    assert sum(of.evaluate_tasks(held)["accuracy"]) / 200 > 0.75


@pytest.mark.parametrize("seed", [2**70, -(2**70), 2**64 - 1])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    one, again = (Relation(features=4, seed=seed).start({"w": torch.zeros(1)}) for _ in range(2))
    assert all(torch.equal(value, again[name]) for name, value in one.items())


def test_relations_are_between_0_and_1_and_the_least_possible_for_an_absent_class() -> None:
    of, x = learner(Relation(features=WIDTH), "rules", width=WIDTH), tasks(1).support_x[0]
    said = of.adapt(MetaLearningTask((x, torch.tensor([0, 0, 2, 2, 0, 2])), (x, torch.zeros(6, dtype=torch.long))))(x)
    assert said.shape == (6, 3)
    assert bool(((said[:, ::2] > 0) & (said[:, ::2] < 1)).all())
    assert said[:, 1].tolist() == [torch.finfo(said.dtype).min] * 6


def test_stacked_tasks_may_differ_in_classes() -> None:
    """Two classes beside three, in one batch: neither learns nor is judged otherwise for it."""
    of, x = learner(Relation(features=WIDTH), "rules", width=WIDTH), tasks(1).support_x[0]
    both = [MetaLearningTask((x, y), (x, y)) for y in (torch.arange(6) % 2, torch.arange(6) % 3)]
    apart = [of.meta_gradient([one]) for one in both]
    for name, value in of.meta_gradient(both).items():
        torch.testing.assert_close(value, (apart[0][name] + apart[1][name]) / 2)
    assert of.evaluate_tasks(both)["loss"] == pytest.approx([of.evaluate_tasks([one])["loss"][0] for one in both])


def test_width_is_said() -> None:
    with pytest.raises(InvalidInput, match=r"Set Relation\(features=5\)"):
        learner(Relation(), "rules", width=5).meta_gradient(tasks(1))


@pytest.mark.parametrize("wrong", [{"features": 0}, {"hidden": 0}])
def test_bad_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Relation(**wrong)
