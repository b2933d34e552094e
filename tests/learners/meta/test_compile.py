"""The compiled meta-gradient is the meta-gradient; what cannot be compiled is said."""

from __future__ import annotations

import shutil

import pytest
import torch
from torch import nn

from onward.core import InvalidInput
from onward.learners.meta import MAML, MAMLPlusPlus, MetaLearner, Reptile
from onward.learners.meta.engine import Loss
from onward.learners.meta.tasks import Sinusoid


def net(*more: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 8), nn.ReLU(), *more, nn.Linear(8, 1))


def learner(algorithm: object, module: nn.Module | None = None, loss: str | Loss = "mse") -> MetaLearner:
    return MetaLearner(module or net(), algorithm, loss=loss, compile=True)


@pytest.mark.skipif(shutil.which("g++") is None, reason="There is no C++ compiler.")
def test_it_is_the_same_gradient_before_and_after_second_order() -> None:
    algorithm = MAML(inner_steps=2, first_order_until=1)
    batches = [Sinusoid(seed=seed).sample_batch(4) for seed in range(3)]
    fast, plain = learner(algorithm), MetaLearner(net(), algorithm, loss="mse")
    for batch in batches:
        one, other = fast.meta_train_step(batch), plain.meta_train_step(batch)
        assert one == pytest.approx(other, rel=1e-4)
    for name, value in plain.meta_parameters().items():
        torch.testing.assert_close(fast.meta_parameters()[name], value, rtol=1e-4, atol=1e-6)


@pytest.mark.skipif(shutil.which("g++") is None, reason="There is no C++ compiler.")
def test_a_single_row_for_a_batch_norm_is_refused_before_anything_is_compiled() -> None:
    of = MetaLearner(nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1)), loss="mse", compile=True)
    for tasks in (Sinusoid(shots=5, queries=1), Sinusoid(shots=1, queries=5)):
        with pytest.raises(InvalidInput, match="batch norm is given a single row"):
            of.meta_train_step(tasks.sample_batch(2))


@pytest.mark.parametrize(
    ("algorithm", "module", "why"),
    [
        (Reptile(), None, "Reptile is not of the MAML family"),
        (MAMLPlusPlus(), None, "the weights of a multi-step loss change"),
        (MAML(), net(nn.Softmax(-1)), "a layer of the network has no rules"),
        (MAML(), net(nn.Dropout()), "the network has dropout"),
    ],
)
def test_what_cannot_be_compiled_is_said(algorithm: object, module: nn.Module | None, why: str) -> None:
    with pytest.raises(InvalidInput, match=f"cannot be compiled: {why}.*Leave out compile=True"):
        learner(algorithm, module).meta_gradient(Sinusoid(seed=0).sample_batch(2))


def test_without_a_compiler_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InvalidInput, match="there is no C\\+\\+ compiler"):
        learner(MAML()).meta_gradient(Sinusoid(seed=0).sample_batch(2))
