"""A model that is all NumPy learns what the same network in PyTorch learns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from onward.core import InvalidInput
from onward.learners.meta import (
    IMAML,
    MAML,
    Algorithm,
    FineTuning,
    MAMLPlusPlus,
    MetaLearner,
    MetaSGD,
    MetaTrainableModel,
    Prototypical,
    Reptile,
    TwiceTrainableModel,
)
from onward.learners.meta.engine import Chance, choose_engine
from onward.learners.meta.tasks import TaskBatch

Arrays = dict[str, Any]
torch.manual_seed(0)
NET = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1)).double()


@dataclass(frozen=True)
class First:
    """The same network in NumPy, without second derivatives."""

    start: Arrays = field(default_factory=lambda: {n: p.detach().numpy() for n, p in NET.named_parameters()})

    def parameters(self) -> Arrays:
        return self.start

    def predict(self, params: Arrays, x: Any) -> Any:
        return np.tanh(x @ params["0.weight"].T + params["0.bias"]) @ params["2.weight"].T + params["2.bias"]

    def loss_and_gradient(self, params: Arrays, x: Any, y: Any) -> tuple[float, Arrays]:
        hidden = np.tanh(x @ params["0.weight"].T + params["0.bias"])
        off = hidden @ params["2.weight"].T + params["2.bias"] - y
        top = 2 * off / off.size
        below = top @ params["2.weight"] * (1 - hidden**2)
        grads = {"0.weight": below.T @ x, "0.bias": below.sum(0), "2.weight": top.T @ hidden, "2.bias": top.sum(0)}
        return float(np.mean(off**2)), grads


@dataclass(frozen=True)
class Second(First):
    """With them, by complex steps through the gradient: exact to rounding."""

    def hessian_vector_product(self, params: Arrays, x: Any, y: Any, direction: Arrays) -> Arrays:
        moved = {name: value + 1e-30j * direction[name] for name, value in params.items()}
        hidden = np.tanh(x @ moved["0.weight"].T + moved["0.bias"])
        top = 2 * (hidden @ moved["2.weight"].T + moved["2.bias"] - y) / y.size
        below = top @ moved["2.weight"] * (1 - hidden**2)
        grads = {"0.weight": below.T @ x, "0.bias": below.sum(0), "2.weight": top.T @ hidden, "2.bias": top.sum(0)}
        return {name: value.imag / 1e-30 for name, value in grads.items()}


def tasks(count: int = 3) -> TaskBatch:
    generator = torch.Generator().manual_seed(2)
    draw = [
        torch.randn(count, n, d, generator=generator, dtype=torch.float64) for n, d in ((4, 2), (4, 1), (6, 2), (6, 1))
    ]
    return TaskBatch(*draw)


@pytest.mark.parametrize("algorithm", [
    MAML(3, 0.1), MAML(3, 0.1, first_order=True), MAML(3, 0.1, adapt="^2"), MetaSGD(2, 0.1),
    MAMLPlusPlus(3, 0.1, multi_step=10), Reptile(3, 0.1, batch_size=4), IMAML(5, 0.1), FineTuning(3, 0.1),
], ids=str)  # fmt: skip
def test_as_the_same_network_in_torch(algorithm: Algorithm) -> None:
    ours, theirs = (MetaLearner(model, algorithm, loss="mse") for model in (Second(), NET))
    one, other = ours.meta_gradient(tasks()), theirs.meta_gradient(tasks())
    for name, value in other.items():
        torch.testing.assert_close(one[name], value)
    for _ in range(2):
        figures, expected = (each.meta_train_step(tasks()) for each in (ours, theirs))
        assert figures == pytest.approx(expected)
    adapted, wanted = (each.adapt(tasks()[0]) for each in (ours, theirs))
    assert adapted.losses == pytest.approx(wanted.losses)
    torch.testing.assert_close(adapted(tasks().query_x[0]), wanted(tasks().query_x[0]))
    assert ours.evaluate_tasks(tasks())["loss"] == pytest.approx(theirs.evaluate_tasks(tasks())["loss"])
    assert ours.engine == "model, since it is no torch module"


def test_first_order_needs_no_products() -> None:
    assert not isinstance(First(), TwiceTrainableModel)
    for algorithm in (MAML(first_order=True), Reptile(), FineTuning()):
        assert MetaLearner(First(), algorithm, loss="mse").meta_train_step(tasks())["meta_loss"] > 0
    for algorithm in (MAML(), IMAML()):
        with pytest.raises(InvalidInput, match=r"no second derivatives.*hessian_vector_product.*first_order=True"):
            MetaLearner(First(), algorithm, loss="mse").meta_gradient(tasks())


def test_no_embeddings() -> None:
    batch = tasks()
    y = torch.tensor([0, 0, 1, 1]).expand(3, -1)
    classes = TaskBatch(batch.support_x, y, batch.query_x[:, :4], y)
    with pytest.raises(InvalidInput, match="cannot learn embeddings"):
        MetaLearner(First(), Prototypical()).meta_gradient(classes)
    with pytest.raises(InvalidInput, match="cannot learn embeddings"):
        choose_engine(First(), batch.support_x[0]).engine.pull(None, batch.support_x)


def test_the_model_is_not_changed() -> None:
    model = First({name: value.copy() for name, value in First().start.items()})
    learner = MetaLearner(model, Reptile(inner_rate=0.1), loss="mse", outer_rate=1.0)
    learner.meta_train_step(tasks())
    assert all(np.array_equal(value, First().start[name]) for name, value in model.start.items())
    assert not np.array_equal(learner.meta_parameters()["0.weight"].numpy(), model.start["0.weight"])
    with pytest.raises(InvalidInput, match=r"keeps no parameters.*meta_parameters"):
        learner.model()


def test_save_and_load(tmp_path: Any) -> None:
    learner = MetaLearner(First(), Reptile(), loss="mse")
    learner.meta_train_step(tasks())
    learner.save(tmp_path)
    again = MetaLearner.load(tmp_path, First())
    assert again.evaluate_tasks(tasks()) == learner.evaluate_tasks(tasks())


def test_one_precision_of_parameters() -> None:
    """float32 parameters stay so, whatever a model computes in."""
    model = First({name: value.astype(np.float32) for name, value in First().start.items()})
    grads = MetaLearner(model, Reptile(), loss="mse").meta_gradient(tasks())
    assert {value.dtype for value in grads.values()} == {torch.float32}


class Other(First):
    def loss_and_gradient(self, params: Arrays, x: Any, y: Any) -> tuple[float, Arrays]:
        loss, grads = super().loss_and_gradient(params, x, y)
        return loss, {"2.bias": grads["2.bias"]}


class Wrong(First):
    def loss_and_gradient(self, params: Arrays, x: Any, y: Any) -> tuple[float, Arrays]:
        loss, grads = super().loss_and_gradient(params, x, y)
        return loss, {"0.weight": grads["0.weight"].T, "3.bias": grads["2.bias"], "2.bias": grads["2.bias"]}


def test_what_a_model_says_nothing_of_does_not_move() -> None:
    grads = MetaLearner(Other(), FineTuning(), loss="mse").meta_gradient(tasks())
    assert bool((grads["0.weight"] == 0).all())
    torch.testing.assert_close(
        grads["2.bias"], MetaLearner(First(), FineTuning(), loss="mse").meta_gradient(tasks())["2.bias"]
    )


def test_gradients_of_no_such_parameters() -> None:
    with pytest.raises(InvalidInput, match=r"gradients of 0\.weight, 3\.bias are of no such"):
        MetaLearner(Wrong(), FineTuning(), loss="mse").meta_gradient(tasks())


def test_no_such_model() -> None:
    with pytest.raises(InvalidInput, match="int cannot be meta-trained"):
        MetaLearner(3)  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="'w' has type int64"):
        MetaLearner(First({"w": np.arange(3)}))
    with pytest.raises(InvalidInput, match="no parameters to learn"):
        MetaLearner(First({}))
    assert isinstance(First(), MetaTrainableModel)


def test_what_it_gives_is_held_against_the_targets() -> None:
    batch = tasks()
    wide = TaskBatch(batch.support_x, batch.support_y.repeat(1, 1, 2), batch.query_x, batch.query_y)
    with pytest.raises(InvalidInput, match=r"Targets of shape \(\d+,\) do not fit outputs of shape \(\d,\)"):
        MetaLearner(First(), FineTuning(), loss="mse").meta_gradient(wide)


def test_prepared_is_only_asked() -> None:
    choice = choose_engine(First(), tasks().support_x[0])
    assert choice.shape(tasks().support_x[0]) == NET(tasks().support_x[0]).shape[1:]
    engine = choice.engine
    params = {name: torch.from_numpy(value).unsqueeze(0) for name, value in First().start.items()}
    prepared = engine.prepare(params, tasks().support_x, engine.names, Chance())
    expected = NET(tasks().support_x).detach()
    torch.testing.assert_close(engine.outputs(prepared, params), expected)
    assert engine.rest(prepared) == {}
    assert engine.plan(5, 10) == (5, 1)
