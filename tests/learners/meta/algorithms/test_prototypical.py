"""Prototypical networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.meta import MetaLearner, MetaLearningTask, Prototypical
from onward.learners.meta.tasks import digits

from .plain import ENGINES, WAYS, Asked, agrees, grads, learner, tasks


def plainly(settings: Prototypical) -> Any:
    """Class by class, query by query."""

    def task(asked: Asked, meta: Mapping[str, Tensor], one: MetaLearningTask) -> Mapping[str, Tensor]:
        (sx, sy), (qx, qy) = one.support_set, one.query_set
        embedded = asked(meta, torch.cat([sx, qx]))
        support, query = embedded[: len(sx)], embedded[len(sx) :]
        centres = torch.stack([support[sy == way].mean(0) for way in range(int(sy.max()) + 1)])
        if settings.distance == "cosine":
            near = torch.stack([torch.stack([F.cosine_similarity(q, c, dim=0) for c in centres]) for q in query])
        else:
            near = -torch.stack([torch.stack([(q - c).square().sum() for c in centres]) for q in query])
        return grads(F.cross_entropy(near * settings.scale, qy), meta)

    return task


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", [Prototypical(), Prototypical("cosine", scale=3.0)])
def test_meta_gradient(engine: str, settings: Prototypical) -> None:
    agrees(learner(settings, engine, width=5), plainly(settings), engine)


def test_learns_digits() -> None:
    """Better on the digits that it meets, and on others far above chance."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, 2, 1), nn.Flatten()
    )
    of, train = MetaLearner(net, Prototypical(), outer_rate=5e-3), digits(ways=3, shots=1, queries=5, split=(7, 3))
    met, new = train.split("train", seed=1).sample_batch(100), train.split("test").sample_batch(100)
    before = sum(of.evaluate_tasks(met)["accuracy"]) / 100
    for _ in range(40):
        of.meta_train_step(train.sample_batch(8))
    assert sum(of.evaluate_tasks(met)["accuracy"]) / 100 > before + 0.05
    assert sum(of.evaluate_tasks(new)["accuracy"]) / 100 > 0.75


def test_scores_of_one_task() -> None:
    """A network that gives its input back: the nearest mean wins, by minus its squared distance."""
    of = MetaLearner(eye(2), Prototypical())
    support = torch.tensor([[0.0, 0], [0, 2], [4, 4]]), torch.tensor([0, 0, 1])
    query = torch.tensor([[0.0, 0], [4, 4], [4, 3]]), torch.tensor([0, 1, 0])
    task = MetaLearningTask(support, query)
    adapted = of.adapt(task)
    torch.testing.assert_close(adapted(query[0]), torch.tensor([[-1.0, -32], [-25, 0], [-20, -1]]))
    assert adapted.predict(query[0]).tolist() == [0, 1, 1]
    assert of.evaluate(adapted, task)["accuracy"] == pytest.approx(2 / 3)
    assert adapted.losses == []


def eye(width: int) -> nn.Module:
    net = nn.Linear(width, width)
    nn.init.eye_(net.weight)
    nn.init.zeros_(net.bias)
    return nn.Sequential(net)


def test_stacked_tasks_may_differ_in_classes() -> None:
    """Two classes beside three, in one batch: the third scores nothing where it is not."""
    of, x = learner(Prototypical(), "rules", width=5), tasks(1).support_x[0]
    two, three = torch.tensor([0, 0, 1, 1, 0, 1]), torch.tensor([0, 1, 2, 0, 1, 2])
    both = [MetaLearningTask((x, y), (x, y)) for y in (two, three)]
    stacked = of.meta_gradient(both)
    apart = [of.meta_gradient([one]) for one in both]
    for name, value in stacked.items():
        torch.testing.assert_close(value, (apart[0][name] + apart[1][name]) / 2)
    assert of.evaluate_tasks(both)["loss"] == pytest.approx([of.evaluate(of.adapt(one), one)["loss"] for one in both])


def test_what_it_cannot_learn_from() -> None:
    of, x = learner(Prototypical(), "rules"), tasks(1).support_x[0]
    real, classes = torch.rand(6, dtype=torch.float64), torch.tensor([0, 1, 0, 1, 0, 1])
    with pytest.raises(InvalidInput, match="no classes"):
        of.meta_gradient([MetaLearningTask((x, real), (x, real))])
    with pytest.raises(InvalidInput, match="no example in the support set"):
        of.meta_gradient([MetaLearningTask((x, classes), (x, classes + 1))])
    with pytest.raises(InvalidInput, match="no example in the support set"):
        of.meta_gradient([MetaLearningTask((x, classes * 2), (x, classes))])
    for asked in ({"num_steps": 3}, {"learning_rate": 0.1}):
        with pytest.raises(InvalidInput, match="no gradient steps"):
            of.adapt(tasks(1)[0], **asked)


def test_batch_norm_sees_a_task_and_no_other() -> None:
    """What another task of the batch holds changes nothing."""
    of, batch = learner(Prototypical(), "rules", width=5), tasks(2)
    wild = batch[1:2]
    wild.support_x.mul_(1000)
    one = of.evaluate_tasks(batch)["loss"][0]
    wild.support_x.div_(500)
    assert of.evaluate_tasks(batch)["loss"][0] == pytest.approx(one, rel=1e-9)


@pytest.mark.parametrize("wrong", [{"distance": "far"}, {"scale": 0.0}, {"scale": float("inf")}])
def test_bad_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Prototypical(**wrong)


def test_ways_of_the_tasks() -> None:
    assert learner(Prototypical(), "rules", width=5).adapt(tasks(1)[0])(tasks(1).query_x[0]).shape == (WAYS * 4, WAYS)
