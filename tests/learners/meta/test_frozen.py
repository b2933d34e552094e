"""Parameters with `requires_grad` off, and buffers, stay as they are: in the inner and outer loop, and when kept."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from tests.learners.meta.algorithms.plain import ENGINES, WAYS, Asked, agrees, expected, grads, net, same, tasks
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.meta import (
    IMAML,
    MAML,
    Algorithm,
    FineTuning,
    MAMLPlusPlus,
    Matching,
    MetaLearner,
    MetaLearningTask,
    MetaSGD,
    Prototypical,
    Relation,
    Reptile,
)

PARTS = {"first": "^[01]", "last": "^4", "norm": "^1", "weights": "weight", "a bias": r"^4\.bias"}
ALGORITHMS: list[Algorithm] = [
    MAML(2, 0.3),
    MAML(2, 0.3, first_order=True),
    MetaSGD(2, 0.3),
    MAMLPlusPlus(2, 0.3, multi_step=5),
    Reptile(2, 0.1, "sgd", batch_size=0),
    IMAML(2, 0.1, cg_steps=2),
    FineTuning(2, 0.3),
    Prototypical(),
    Matching(features=WAYS),
    Relation(features=WAYS),
]
kinds = pytest.mark.parametrize("engine", ENGINES)


def frozen(engine: str, part: str = "first", seed: int = 0) -> nn.Module:
    network = net(engine, WAYS, seed)
    for name, value in network.named_parameters():
        value.requires_grad_(not re.search(PARTS[part], name))
    return network


def values(network: nn.Module, *, learned: bool) -> dict[str, Tensor]:
    return {n: v.detach().clone() for n, v in network.named_parameters() if v.requires_grad == learned}


def unrolled(asked: Asked, meta: Mapping[str, Tensor], task: MetaLearningTask) -> Mapping[str, Tensor]:
    params = dict(meta)
    for _ in range(2):
        slope = grads(F.cross_entropy(asked(params, task.support_set.x), task.support_set.y), params, graph=True)
        params = {name: value - 0.3 * slope[name] for name, value in params.items()}
    return grads(F.cross_entropy(asked(params, task.query_set.x), task.query_set.y), dict(meta))


class Stream:
    def sample_batch(self, batch_size: int) -> list[MetaLearningTask]:
        return list(tasks(batch_size))

    def __repr__(self) -> str:
        return "pictures"


@kinds
@pytest.mark.parametrize("part", PARTS)
def test_gradients_are_those_of_the_others_alone(engine: str, part: str) -> None:
    network = frozen(engine, part)
    of = MetaLearner(network, MAML(2, 0.3))
    assert of.meta_parameters().keys() == values(network, learned=True).keys()
    agrees(of, unrolled, engine)


@kinds
@pytest.mark.parametrize("algorithm", ALGORITHMS, ids=lambda algorithm: type(algorithm).__name__)
def test_nothing_moves_them(engine: str, algorithm: Algorithm) -> None:
    network = frozen(engine)
    before = values(network, learned=False)
    of = MetaLearner(network, algorithm, outer_rate=0.1)
    learned = of.meta_parameters()
    for seed in range(2):
        of.meta_train_step(tasks(seed=seed))
    of.evaluate_tasks(tasks(2))
    adapted = of.adapt(tasks(1)[0])
    assert not before.keys() & {*of.meta_parameters(), *of.state_dict()["meta"], *adapted._adapted.params}
    assert any(not torch.equal(value, of.meta_parameters()[name]) for name, value in learned.items())
    after = dict(of.model().named_parameters())
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert all(
        torch.equal(value, of.meta_parameters()[name]) for name, value in values(of.model(), learned=True).items()
    )


@kinds
def test_adapting_answers_with_them(engine: str) -> None:
    network, task = frozen(engine), tasks(1)[0]
    of = MetaLearner(network, MAML(2, 0.3))
    module = copy.deepcopy(network).train()
    for _ in range(2):
        learns = [value for value in module.parameters() if value.requires_grad]
        loss = F.cross_entropy(module(task.support_set.x), task.support_set.y)
        for value, slope in zip(learns, torch.autograd.grad(loss, learns), strict=True):
            value.data -= 0.3 * slope
    torch.testing.assert_close(of.adapt(task)(task.query_set.x), module(task.query_set.x).detach())


@kinds
def test_they_are_saved_and_come_back(engine: str, tmp_path: Path) -> None:
    of, task = MetaLearner(frozen(engine), MAML(2, 0.3)), tasks(1)[0]
    of.meta_train_step(tasks())
    of.save(tmp_path)
    other = frozen(engine, seed=5)
    again = MetaLearner.load(tmp_path, other)
    assert torch.equal(again.adapt(task)(task.query_set.x), of.adapt(task)(task.query_set.x))
    assert values(again.model(), learned=False).keys() == values(other, learned=False).keys()
    whole = MetaLearner.load(tmp_path, net(engine, WAYS, seed=6))
    assert whole.meta_parameters().keys() == dict(other.named_parameters()).keys()
    assert torch.equal(whole.adapt(task, num_steps=0)(task.query_set.x), of.adapt(task, num_steps=0)(task.query_set.x))


@kinds
def test_a_training_goes_on_with_the_same_ones_only(engine: str, tmp_path: Path) -> None:
    MetaLearner(frozen(engine), MAML(1, 0.3)).fit(Stream(), steps=1, batch_size=2, checkpoints=tmp_path)
    same_ones = MetaLearner(frozen(engine), MAML(1, 0.3))
    assert same_ones.fit(Stream(), steps=2, batch_size=2, checkpoints=tmp_path).steps == 2
    with pytest.raises(InvalidInput, match=r"belongs to another training: frozen [01]"):
        MetaLearner(frozen(engine, seed=5), MAML(1, 0.3)).fit(Stream(), steps=2, batch_size=2, checkpoints=tmp_path)


class Waves(nn.Module):
    """Features that are drawn once and kept in a buffer; the others hold what is never kept, or nothing of use."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("drawn", torch.randn(1, 36, generator=generator, dtype=torch.float64))
        self.register_buffer("seen", torch.zeros(1, dtype=torch.long).expand(3))
        self.register_buffer("passing", torch.full((1,), float(seed)), persistent=False)
        self.norm, self.head = nn.BatchNorm1d(36).double(), nn.Linear(36, WAYS).double()
        assert self.norm.running_mean is not None
        self.norm.running_mean.fill_(seed)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.norm(torch.cos(x.flatten(1) * self.drawn)))
        return out


def test_buffers_are_saved_and_come_back(tmp_path: Path) -> None:
    of, task = MetaLearner(Waves(0), MAML(2, 0.3)), tasks(1)[0]
    of.meta_train_step(tasks())
    of.save(tmp_path)
    other = Waves(1)
    again = MetaLearner.load(tmp_path, other)
    assert torch.equal(again.adapt(task)(task.query_set.x), of.adapt(task)(task.query_set.x))
    found = dict(again.model().named_buffers())
    assert torch.equal(found["drawn"], Waves(0).get_buffer("drawn"))
    assert torch.equal(found["passing"], torch.ones(1))
    assert torch.equal(other.get_buffer("drawn"), Waves(1).get_buffer("drawn"))


def test_a_training_goes_on_with_the_same_buffers_only(tmp_path: Path) -> None:
    settings = {"batch_size": 2, "checkpoints": tmp_path}
    MetaLearner(Waves(0), MAML(1, 0.3)).fit(Stream(), steps=1, **settings)
    same_ones = Waves(0)
    assert same_ones.norm.running_var is not None
    same_ones.norm.running_var.fill_(3)  # nothing uses it
    assert MetaLearner(same_ones, MAML(1, 0.3)).fit(Stream(), steps=2, **settings).steps == 2
    with pytest.raises(InvalidInput, match=r"belongs to another training: frozen drawn differs"):
        MetaLearner(Waves(1), MAML(1, 0.3)).fit(Stream(), steps=2, **settings)


def test_what_is_frozen_below_what_learns_is_worked_on_once() -> None:
    """Of a frozen body there is one forward pass, and no backward pass at all."""
    of = MetaLearner(frozen("rules"), MAML(2, 0.3))
    of.meta_gradient(tasks())
    split = of._choice.engine._splits[of._choice.engine.names]  # type: ignore[union-attr, attr-defined]
    assert split.learned.order == ()
    assert len(split.upper.order) == 1
    same(of.meta_gradient(tasks()), expected(of, tasks(), unrolled, "rules"))


def test_a_network_that_is_all_frozen_has_nothing_to_learn() -> None:
    with pytest.raises(InvalidInput, match="no parameters to learn"):
        MetaLearner(nn.Linear(2, 3).requires_grad_(False))
