"""Matching networks, with and without full context embeddings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.meta import Matching, MetaLearner, MetaLearningTask
from onward.learners.meta.tasks import GaussianBlobs

from .plain import ENGINES, Asked, agrees, grads, learner, tasks

WIDTH = 5


def bound(meta: Mapping[str, Tensor], which: str) -> dict[str, Tensor]:
    """Our LSTM's parameters as PyTorch names them."""
    own = {name: meta[f"context:{which}.{name}"] for name in ("weight_ih", "weight_hh", "bias")}
    return {
        "weight_ih": own["weight_ih"],
        "weight_hh": own["weight_hh"],
        "bias_ih": own["bias"],
        "bias_hh": own["bias"] * 0,
    }


def in_context(meta: Mapping[str, Tensor], support: Tensor) -> Tensor:
    """g, by PyTorch's own bidirectional LSTM."""
    lstm = nn.LSTM(WIDTH, WIDTH, bidirectional=True, dtype=torch.float64)
    params = {f"{n}_l0": v for n, v in bound(meta, "forward").items()}
    params |= {f"{n}_l0_reverse": v for n, v in bound(meta, "backward").items()}
    states, _ = torch.func.functional_call(lstm, params, (support.unsqueeze(1),))
    return support + states[:, 0, :WIDTH] + states[:, 0, WIDTH:]


def read(meta: Mapping[str, Tensor], support: Tensor, query: Tensor, unrolls: int) -> Tensor:
    """f, equations (3) to (5) of the paper's appendix, a query at a time; its LSTM step written out."""
    own, out = bound(meta, "query"), []
    for q in query:
        h, c = torch.zeros_like(q), torch.zeros_like(q)
        for _ in range(unrolls):
            r = torch.softmax(torch.stack([h @ g for g in support]), 0) @ support
            gates = own["weight_ih"] @ q + own["weight_hh"] @ torch.cat([h, r]) + own["bias_ih"]
            i, f, g, o = gates.chunk(4)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c) + q
        out.append(h)
    return torch.stack(out)


def plainly(settings: Matching) -> Any:
    def task(asked: Asked, meta: Mapping[str, Tensor], one: MetaLearningTask) -> Mapping[str, Tensor]:
        (sx, sy), (qx, qy) = one.support_set, one.query_set
        embedded = asked(meta, torch.cat([sx, qx]))
        support, query = embedded[: len(sx)], embedded[len(sx) :]
        if settings.fce:
            support = in_context(meta, support)
            query = read(meta, support, query, settings.unrolls)
        loss = torch.zeros((), dtype=torch.float64)
        for q, y in zip(query, qy, strict=True):
            weights = torch.softmax(
                settings.scale * torch.stack([F.cosine_similarity(q, s, dim=0) for s in support]), 0
            )
            loss = loss - weights[sy == y].sum().log() / len(qy)
        return grads(loss, meta)

    return task


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("settings", [
    Matching(fce=False), Matching(features=WIDTH, unrolls=3), Matching(features=WIDTH, unrolls=1, scale=4.0),
])  # fmt: skip
def test_meta_gradient(engine: str, settings: Matching) -> None:
    agrees(learner(settings, engine, width=WIDTH), plainly(settings), engine, count=2)


def test_scores_are_logarithms_of_chances() -> None:
    of, task = learner(Matching(features=WIDTH), "rules", width=WIDTH), tasks(1)[0]
    said = of.adapt(task)(task.query_set.x)
    torch.testing.assert_close(said.exp().sum(-1), torch.ones(len(said), dtype=torch.float64))


@pytest.mark.parametrize("fce", [False, True])
def test_learns_blobs(fce: bool) -> None:
    """Classes that differ in one number among noise: it learns which."""
    torch.manual_seed(0)
    of = MetaLearner(
        nn.Sequential(nn.Linear(6, 8)), Matching(fce=fce, features=8, unrolls=2, scale=5.0), outer_rate=2e-2
    )
    stream = GaussianBlobs(5, 2, 6, dimensions=6, noise=0.5)

    def noisy(count: int, source: GaussianBlobs) -> Any:
        batch = source.sample_batch(count)
        for x in (batch.support_x, batch.query_x):
            x[..., 3:] = 4 * torch.randn(x[..., 3:].shape, generator=torch.Generator().manual_seed(count))
        return batch

    held = noisy(200, stream.split("test"))
    before = sum(of.evaluate_tasks(held)["accuracy"]) / 200
    for _ in range(60):
        of.meta_train_step(noisy(16, stream))
    assert sum(of.evaluate_tasks(held)["accuracy"]) / 200 > max(before + 0.15, 0.4)


def test_width_is_said() -> None:
    with pytest.raises(InvalidInput, match=r"gives 5 numbers .* expects 64"):
        learner(Matching(), "rules", width=5).meta_gradient(tasks(1))


def test_first_weights_are_the_seeds() -> None:
    params = {"w": torch.zeros(1, dtype=torch.float64)}
    one, again, other = (Matching(features=4, seed=seed).start(params) for seed in (1, 1, 2))
    assert all(torch.equal(value, again[name]) for name, value in one.items())
    assert not torch.equal(one["context:query.bias"], other["context:query.bias"])
    assert one["context:query.weight_hh"].shape == (16, 8)
    assert one["context:query.bias"].dtype == torch.float64


@pytest.mark.parametrize("wrong", [{"features": 0}, {"unrolls": 0}, {"scale": -1.0}])
def test_bad_settings(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Matching(**wrong)
