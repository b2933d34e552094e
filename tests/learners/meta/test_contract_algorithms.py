"""What every algorithm keeps to."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.meta import (
    ANIL,
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
    algorithms,
)
from onward.learners.meta.tasks import GaussianBlobs

WAYS, WIDTH = 3, 6
INNER: Mapping[str, Algorithm] = {
    "MAML": MAML(3, 0.1),
    "FOMAML": MAML(3, 0.1, first_order=True),
    "ANIL": ANIL("^4", inner_steps=3, inner_rate=0.1),
    "MetaSGD": MetaSGD(2, 0.1),
    "MAMLPlusPlus": MAMLPlusPlus(3, 0.1, multi_step=4, norms="^1"),
    "Reptile": Reptile(4, 0.02, batch_size=5, adapt_steps=5),
    "Reptile, SGD": Reptile(4, 0.1, "sgd", batch_size=0, adapt_steps=5),
    "IMAML": IMAML(4, 0.1, cg_steps=2),
    "FineTuning": FineTuning(4, 0.1),
}
METRIC: Mapping[str, Algorithm] = {
    "Prototypical": Prototypical(),
    "Prototypical, cosine": Prototypical("cosine", scale=5.0),
    "Matching": Matching(fce=False, scale=5.0),
    "Matching, FCE": Matching(features=WIDTH, unrolls=2, scale=5.0),
    "Relation": Relation(features=WIDTH, hidden=16),
}
EVERY = [pytest.param(algorithm, id=name) for name, algorithm in (INNER | METRIC).items()]
every = pytest.mark.parametrize("algorithm", EVERY)


def net(algorithm: Algorithm, *, dropout: float = 0.0) -> nn.Module:
    """Scores of classes, or embeddings where they are compared."""
    torch.manual_seed(0)
    width = WIDTH if algorithm in METRIC.values() else WAYS
    norm, drop = nn.BatchNorm1d(12), nn.Dropout(dropout) if dropout else nn.Identity()
    return nn.Sequential(nn.Linear(4, 12), norm, nn.Tanh(), drop, nn.Linear(12, width)).double()


def learner(algorithm: Algorithm, dropout: float = 0.0, **settings: Any) -> MetaLearner:
    return MetaLearner(net(algorithm, dropout=dropout), algorithm, **settings)


def tasks(count: int = 6, shots: int = 2, queries: int = 3, seed: int = 0) -> list[MetaLearningTask]:
    batch = GaussianBlobs(WAYS, shots, queries, dimensions=4, seed=seed).sample_batch(count)
    return [
        MetaLearningTask(
            (one.support_set.x.double(), one.support_set.y), (one.query_set.x.double(), one.query_set.y), f"t{at}"
        )
        for at, one in enumerate(batch)
    ]


def equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor], tolerance: float = 0.0) -> bool:
    size = max(float(value.abs().max()) for value in other.values())
    return one.keys() == other.keys() and all(
        float((one[name] - value).abs().max()) <= tolerance * size for name, value in other.items()
    )


def test_every_algorithm_is_here() -> None:
    door = {name for name in vars(algorithms) if name[0].isupper()}
    described = {"Adapted", "Algorithm", "MetaGradient", "Setting"}
    assert door - described == {name.split(",")[0] for name in INNER | METRIC} - {"FOMAML"}


@every
def test_a_seed_decides_everything(algorithm: Algorithm) -> None:
    found = []
    for seed in (1, 1, 2):
        torch.manual_seed(len(found))  # torch's own random numbers play no part
        of = learner(algorithm, dropout=0.3, seed=seed, outer_rate=0.01)
        torch.manual_seed(len(found))
        figures = [of.meta_train_step(tasks(4, seed=step)) for step in range(3)]
        found.append((of.meta_parameters(), figures))
    assert equal(found[0][0], found[1][0])
    assert found[0][1] == found[1][1]
    assert not equal(found[0][0], found[2][0])


@every
def test_the_order_of_tasks_does_not_matter(algorithm: Algorithm) -> None:
    of, some = learner(algorithm), tasks(6) + tasks(2, shots=1)
    straight, mixed = of.meta_gradient(some), of.meta_gradient([some[at] for at in (3, 7, 0, 5, 1, 6, 4, 2)])
    assert max(float(value.abs().max()) for value in straight.values()) > 1e-6
    assert equal(mixed, straight, 1e-9)


@every
def test_adapting_changes_nothing(algorithm: Algorithm) -> None:
    model = net(algorithm)
    of, kept = MetaLearner(model, algorithm), {n: v.clone() for n, v in model.state_dict().items()}
    of.meta_train_step(tasks())
    before, state = of.meta_parameters(), of.state_dict()
    for task in tasks(2, seed=1):
        of.evaluate(of.adapt(task), task)
    of.evaluate_tasks(tasks(3, seed=2))
    of.meta_gradient(tasks())
    assert equal(of.meta_parameters(), before)
    assert str(of.state_dict()) == str(state)
    assert equal(model.state_dict(), kept)


@every
def test_a_support_set_decides_what_is_learned(algorithm: Algorithm) -> None:
    of, (one, other) = learner(algorithm), tasks(2)
    same = MetaLearningTask(one.support_set, other.query_set)
    x = one.query_set.x
    first, again, different = (of.adapt(task) for task in (one, same, other))
    assert torch.equal(first(x), again(x))
    assert not torch.equal(first(x), different(x))
    for name, value in first._adapted.params.items():
        assert torch.equal(value, again._adapted.params[name])
    assert first.predict(x).shape == (len(x),)
    assert first(x).shape == (len(x), WAYS)


@every
def test_tasks_at_once_as_one_by_one(algorithm: Algorithm) -> None:
    """Evaluated in their order, whatever their shapes."""
    of = learner(algorithm)
    some = [task for pair in zip(tasks(3), tasks(3, shots=1, queries=5), strict=True) for task in pair]
    found = of.evaluate_tasks(some)
    for at, task in enumerate(some):
        alone = of.evaluate(of.adapt(task), task)
        assert alone == pytest.approx({name: values[at] for name, values in found.items()})
    assert found.keys() == {"loss", "accuracy"}
    assert all(0 <= value <= 1 for value in found["accuracy"])


@every
def test_ragged_tasks_count_alike(algorithm: Algorithm) -> None:
    of, some = learner(algorithm), tasks(2) + tasks(1, shots=1) + tasks(1, queries=7)
    alone = [of.meta_gradient([task]) for task in some]
    mean = {name: torch.stack([each[name] for each in alone]).mean(0) for name in alone[0]}
    assert equal(of.meta_gradient(some), mean, 1e-9)


@every
def test_goes_on_from_a_state(algorithm: Algorithm) -> None:
    of = learner(algorithm, dropout=0.2)
    of.meta_train_step(tasks(seed=1))
    state = of.state_dict()
    of.meta_train_step(tasks(seed=2))  # what was taken stays what it was
    other = learner(algorithm, dropout=0.2)
    for _ in range(2):
        other.load_state_dict(state)
        other.meta_train_step(tasks(seed=2))
        assert of.step == other.step == 2
        assert equal(of.meta_parameters(), other.meta_parameters())


@every
def test_saves_and_loads(algorithm: Algorithm, tmp_path: Path) -> None:
    of, task = learner(algorithm), tasks(1)[0]
    of.meta_train_step(tasks())
    of.save(tmp_path)
    again = MetaLearner.load(tmp_path, net(algorithm))
    assert again.algorithm == algorithm
    assert torch.equal(again.adapt(task)(task.query_set.x), of.adapt(task)(task.query_set.x))


def broken(where: str) -> MetaLearningTask:
    task = tasks(1, seed=9)[0]
    getattr(task, where).x[1, 0] = float("nan")
    return MetaLearningTask(task.support_set, task.query_set, "broken")


@every
@pytest.mark.parametrize("where", ["support_set", "query_set"])
def test_a_broken_task_is_named_or_left_out(algorithm: Algorithm, where: str) -> None:
    some = [*tasks(3), broken(where), *tasks(2, seed=1)]
    of = learner(algorithm)
    before = of.meta_parameters()
    with pytest.raises(InvalidInput, match="Task 'broken' diverged"):
        of.meta_train_step(some)
    assert equal(of.meta_parameters(), before)
    assert of.step == 0
    skipping = learner(algorithm, diverged="skip")
    assert equal(skipping.meta_gradient(some), of.meta_gradient([*some[:3], *some[4:]]), 1e-12)
    assert skipping.meta_train_step(some)["skipped_tasks"] == 1
    assert all(bool(value.isfinite().all()) for value in skipping.meta_parameters().values())
    with pytest.raises(InvalidInput, match="diverged"):
        skipping.meta_train_step([broken(where)])


@every
def test_learns(algorithm: Algorithm) -> None:
    """New tasks of a kind it has met: far above chance, and better than with the first weights or as good as that."""
    of = learner(algorithm, outer_rate=1.0 if isinstance(algorithm, Reptile) else 0.02)
    held = tasks(60, queries=6, seed=5)

    def right() -> float:
        return sum(of.evaluate_tasks(held)["accuracy"]) / len(held)

    before = right()
    for step in range(25):
        of.meta_train_step(tasks(8, seed=100 + step))
    assert right() > max(0.6, before - 0.03)


@pytest.mark.parametrize("algorithm", [pytest.param(value, id=name) for name, value in INNER.items()])
def test_steps_of_adapting_are_said(algorithm: Algorithm) -> None:
    of, task = learner(algorithm), tasks(1)[0]
    losses = of.adapt(task, num_steps=7, learning_rate=0.05).losses
    assert len(losses) == 8
    assert losses[-1] < losses[0]
    assert len(of.adapt(task, num_steps=0).losses) == 1
    with pytest.raises(InvalidInput, match="cannot adapt"):
        of.adapt(task, num_steps=-1)
