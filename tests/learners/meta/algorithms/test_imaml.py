"""Implicit MAML: the gradient of the minimum itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.meta import IMAML, MetaLearningTask
from onward.learners.meta.algorithms._solve import dot, solve
from onward.learners.meta.engine import Params

from .plain import ENGINES, Asked, agrees, grads, learner, tasks


def unrolled(settings: IMAML) -> Any:
    """Autograd through all the inner steps: at the minimum it is what the implicit function theorem says."""

    def task(asked: Asked, meta: Mapping[str, Tensor], one: MetaLearningTask) -> Mapping[str, Tensor]:
        params = dict(meta)
        for _ in range(settings.inner_steps):
            loss = F.cross_entropy(asked(params, one.support_set.x), one.support_set.y)
            pull = sum((params[n] - value).square().sum() for n, value in meta.items())
            slope = grads(loss + settings.strength / 2 * pull, params, graph=True)
            params = {n: value - settings.inner_rate * slope[n] for n, value in params.items()}
        return grads(F.cross_entropy(asked(params, one.query_set.x), one.query_set.y), meta)

    return task


@pytest.mark.parametrize("engine", ENGINES)
def test_meta_gradient_at_the_minimum(engine: str) -> None:
    settings = IMAML(inner_steps=40, inner_rate=0.01, strength=80.0, cg_steps=20)
    agrees(learner(settings, engine), unrolled(settings), engine, count=2)


def test_few_steps_are_close() -> None:
    """The paper's few steps of descent and conjugate gradient come near it."""
    batch = tasks(2)
    exact = learner(IMAML(inner_steps=40, inner_rate=0.01, strength=80.0, cg_steps=20), "rules").meta_gradient(batch)
    quick = learner(IMAML(inner_steps=5, inner_rate=0.01, strength=80.0, cg_steps=2), "rules").meta_gradient(batch)
    cosine = F.cosine_similarity(*(torch.cat([v.flatten() for v in each.values()]) for each in (exact, quick)), dim=0)
    assert float(cosine) > 0.999


def test_adapting_is_held_back() -> None:
    task = tasks(1)[0]
    near, far = (learner(IMAML(60, 0.05, strength), "rules").adapt(task) for strength in (10.0, 0.1))
    assert len(near.losses) == 61
    assert near.losses[0] > near.losses[-1] > far.losses[-1]
    assert len(learner(IMAML(), "rules").adapt(task, num_steps=3, learning_rate=0.1).losses) == 4


def test_equations_of_many_tasks() -> None:
    """Positive matrices are solved exactly in as many steps as they have rows, each task's its own."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(4, 5, 5, generator=generator, dtype=torch.float64)
    matrices = root @ root.transpose(1, 2) + torch.eye(5)
    right = torch.randn(4, 5, generator=generator, dtype=torch.float64)

    def product(v: Params) -> Params:
        moved = torch.einsum("tij,tj->ti", matrices, torch.cat([v["a"], v["b"]], 1))
        return {"a": moved[:, :2], "b": moved[:, 2:]}

    found = solve(product, {"a": right[:, :2], "b": right[:, 2:]}, 8)
    exact = torch.linalg.solve(matrices, right)
    torch.testing.assert_close(torch.cat([found["a"], found["b"]], 1), exact)


def test_no_step_along_what_is_not_positive() -> None:
    right = {"a": torch.ones(2, 3)}
    found = solve(lambda v: {"a": v["a"] * torch.tensor([[-1.0], [2.0]])}, right, 3)
    assert found["a"].tolist() == [[0, 0, 0], [0.5, 0.5, 0.5]]
    assert dot(found, right).tolist() == [0, 1.5]


@pytest.mark.parametrize("wrong", [{"inner_steps": 0}, {"inner_rate": -1.0}, {"strength": 0.0}, {"cg_steps": 0}])
def test_bad_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        IMAML(**wrong)
