"""Modules and losses as people write them: whatever torch runs is learned with, and leaves no trace."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from onward.core import InvalidInput
from onward.learners.meta import MAML, MetaLearner, MetaLearningTask, Prototypical, Reptile


def tasks(*shape: int, count: int = 2) -> list[MetaLearningTask]:
    chance, y = torch.Generator().manual_seed(0), torch.arange(6) % 3
    drawn = [torch.randn(2, 6, *shape, generator=chance) for _ in range(count)]
    return [MetaLearningTask((x[0], y), (x[1], y), f"t{at}") for at, x in enumerate(drawn)]


class Head(nn.Module):
    """A linear layer behind whatever `body` does."""

    def __init__(self, width: int = 4) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(width, 5), nn.Linear(5, 3)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.body(self.first(x)))
        return out

    def body(self, x: Tensor) -> Tensor:
        return x


class Recurrent(Head):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.LSTM(4, 5, batch_first=True)  # type: ignore[assignment]

    def body(self, x: Any) -> Tensor:
        last: Tensor = x[0][:, -1]
        return last


class Asking(Head):
    def body(self, x: Tensor) -> Tensor:
        return x * 2 if float(x.detach().sum()) > 0 else x


class Indexing(Head):
    def body(self, x: Tensor) -> Tensor:
        x = x.clone()
        x[x < 0] = 0
        return x


class Filling(Head):
    def body(self, x: Tensor) -> Tensor:
        out = torch.zeros(len(x), 5)
        out[:] = x
        return out


class Double(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *above: Tensor) -> Tensor:
        return above[0] * 2


class OwnFunction(Head):
    def body(self, x: Tensor) -> Tensor:
        out: Tensor = Double.apply(x)
        return out


class Checkpointed(Head):
    def body(self, x: Tensor) -> Tensor:
        out: Tensor = checkpoint(lambda v: v * v, x, use_reentrant=False)
        return out


class Counting(Head):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(5))

    def body(self, x: Tensor) -> Tensor:
        self.mean.mul_(0.5).add_(0.5 * x.detach().mean(0))
        return x - self.mean


MODULES = {
    "recurrent": (Recurrent, (7, 4)),
    "asking": (Asking, (4,)),
    "indexing": (Indexing, (4,)),
    "filling": (Filling, (4,)),
    "a function of its own": (OwnFunction, (4,)),
    "checkpointed": (Checkpointed, (4,)),
    "counting": (Counting, (4,)),
}


@pytest.mark.parametrize("kind", MODULES)
@pytest.mark.parametrize("algorithm", [MAML(2, 0.1), Prototypical(), Reptile(2, adapt_steps=2)])
def test_what_torch_func_cannot_do_goes_task_by_task(kind: str, algorithm: Any) -> None:
    torch.manual_seed(0)
    made, shape = MODULES[kind]
    learner = MetaLearner(made(), algorithm)
    assert learner.meta_train_step(tasks(*shape))["gradient_norm"] > 0
    assert (learner.engine or "").startswith("loop")
    assert "torch.func cannot" in (learner.engine or "")
    adapted = learner.adapt(tasks(*shape)[0])
    found = learner.evaluate_tasks(tasks(*shape))
    assert found["loss"][0] == pytest.approx(learner.evaluate(adapted, tasks(*shape)[0])["loss"], rel=1e-5)


@pytest.mark.parametrize("norm", [Counting, lambda: nn.Sequential(nn.utils.spectral_norm(nn.Linear(4, 3)))])
def test_nothing_that_a_module_writes_goes_from_task_to_task(norm: Any) -> None:
    torch.manual_seed(0)
    learner, (one, other) = MetaLearner(norm(), MAML(2, 0.1)), tasks(4)
    before, first = learner.meta_gradient([one]), learner.adapt(one)(one.query_set.x)
    learner.meta_gradient([other, other])
    learner.adapt(other)
    assert all(torch.equal(before[n], value) for n, value in learner.meta_gradient([one]).items())
    assert torch.equal(first, learner.adapt(one)(one.query_set.x))


class Dropping(Head):
    """Stochastic depth: in most passes nothing is dropped."""

    def body(self, x: Tensor) -> Tensor:
        return x * (torch.rand(()) > 0.1) if self.training else x


class Helped(Head):
    def __init__(self) -> None:
        super().__init__()
        self.aux = nn.Linear(5, 5)

    def body(self, x: Tensor) -> Tensor:
        return x + self.aux(x) if self.training else x


def test_training_is_in_training_mode() -> None:
    torch.manual_seed(0)
    norms = {float(step_norm(Dropping(), seed)) for seed in range(30)}
    assert len(norms) > 1
    learner = MetaLearner(Helped(), MAML(1, 0.1))
    assert learner.meta_gradient(tasks(4))["aux.weight"].abs().sum() > 0
    module = learner.model().eval()
    assert torch.allclose(
        learner.adapt(tasks(4)[0], num_steps=0)(tasks(4)[0].query_set.x), module(tasks(4)[0].query_set.x)
    )


def step_norm(net: nn.Module, seed: int) -> float:
    torch.manual_seed(0)
    for value in net.parameters():
        nn.init.normal_(value)
    return MetaLearner(net, MAML(1, 0.1), seed=seed).meta_train_step(tasks(4))["gradient_norm"]


@pytest.mark.parametrize("dims", [1, -1, (1,), [0, 1]])
def test_means_over_any_dimension(dims: Any) -> None:
    class Pooling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4 if dims != -1 else 5, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(x.mean(dims) if dims != [0, 1] else x.mean(1) + x.mean(dims))
            return out

    assert MetaLearner(Pooling(), MAML(1)).meta_train_step(tasks(5, 4))["meta_loss"] > 0


def test_an_adaptive_pool_of_a_list() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.AdaptiveAvgPool2d([1, 1]), nn.Flatten(), nn.Linear(4, 3))
    learner = MetaLearner(net, MAML(1))
    learner.meta_train_step(tasks(1, 6, 6))
    assert (learner.engine or "").startswith("rules")


# Losses ----------------------------------------------------------------------------------------------------------


def test_classes_of_every_place_of_an_example() -> None:
    torch.manual_seed(0)
    net, x, y = (
        nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3)),
        torch.randn(6, 5, 4),
        torch.arange(30).view(6, 5) % 3,
    )
    task = MetaLearningTask((x, y), (x, y), "places")
    learner, rate = MetaLearner(net, MAML(1, 0.1)), 0.1
    adapted = learner.adapt(task)
    loss = F.cross_entropy(net(x).flatten(0, 1), y.flatten())
    grads = dict(zip(dict(net.named_parameters()), torch.autograd.grad(loss, list(net.parameters())), strict=True))
    by_hand = {n: p - rate * grads[n] for n, p in net.named_parameters()}
    said = torch.func.functional_call(net, by_hand, (x,))
    assert adapted.losses[0] == pytest.approx(float(loss.detach()), rel=1e-5)
    assert torch.allclose(adapted(x), said, atol=1e-6)
    right = float((said.argmax(-1) == y).double().mean())
    assert learner.evaluate(adapted, task)["accuracy"] == pytest.approx(right)
    assert learner.evaluate_tasks([task, task])["accuracy"] == pytest.approx([right, right])
    assert learner.meta_train_step([task])["task_evaluation_accuracy"] == pytest.approx(right)


def masked(outputs: Tensor, y: Tensor) -> Tensor:
    return F.cross_entropy(outputs[y != 2], y[y != 2])


def nll(outputs: Tensor, y: Tensor) -> Tensor:
    return F.gaussian_nll_loss(outputs[:, 0], y.float(), outputs[:, 1].exp())


@pytest.mark.parametrize("loss", [masked, nll])
@pytest.mark.parametrize("net", [lambda: nn.Linear(4, 3), Head, lambda: nn.Sequential(Head(), nn.Softsign())])
def test_a_loss_that_torch_func_cannot_do_goes_task_by_task(loss: Any, net: Any) -> None:
    torch.manual_seed(0)
    module = net().double()
    doubled = [
        MetaLearningTask(
            (t.support_set.x.double(), t.support_set.y), (t.query_set.x.double(), t.query_set.y), t.task_id
        )
        for t in tasks(4)
    ]
    learner = MetaLearner(module, MAML(2, 0.1), loss=loss)
    found = learner.meta_gradient(doubled)
    expected = [unrolled(module, loss, task) for task in doubled]
    for name, value in found.items():
        assert torch.allclose(value, (expected[0][name] + expected[1][name]) / 2, atol=1e-10)
    assert len(learner.evaluate_tasks(doubled)["loss"]) == 2


def unrolled(module: nn.Module, loss: Any, task: MetaLearningTask) -> dict[str, Tensor]:
    """The meta-gradient of two inner steps of 0.1, by autograd."""
    begun = {n: p.detach().requires_grad_() for n, p in module.named_parameters()}
    moved = begun
    for _ in range(2):
        one = loss(torch.func.functional_call(module, moved, (task.support_set.x,)), task.support_set.y)
        slopes = torch.autograd.grad(one, list(moved.values()), create_graph=True, allow_unused=True)
        moved = {n: p if g is None else p - 0.1 * g for (n, p), g in zip(moved.items(), slopes, strict=True)}
    last = loss(torch.func.functional_call(module, moved, (task.query_set.x,)), task.query_set.y)
    slopes = torch.autograd.grad(last, list(begun.values()), allow_unused=True)
    return {n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(begun.items(), slopes, strict=True)}


@pytest.mark.filterwarnings("ignore:There is a performance drop")
def test_losses_that_cannot_be_worked_with_are_named() -> None:
    with pytest.raises(InvalidInput, match="does not work on outputs"):
        MetaLearner(Head(), loss=nn.CrossEntropyLoss(reduction="none")).meta_train_step(tasks(4))
    with pytest.raises(InvalidInput, match=r"It gives tensors \(1,\)"):
        MetaLearner(Head(), loss=lambda o, y: F.cross_entropy(o, y).view(1)).meta_train_step(tasks(4))
    with pytest.raises(InvalidInput, match="the loss goes task by task"):
        MetaLearner(nn.Sequential(nn.Linear(4, 3)), MAML(1), loss=masked, compile=True).meta_train_step(tasks(4))
    once = nn.MultiMarginLoss()
    with pytest.raises(InvalidInput, match="cannot be differentiated twice"):
        MetaLearner(nn.Linear(4, 3), MAML(1), loss=once).meta_train_step(tasks(4))
    assert MetaLearner(nn.Linear(4, 3), MAML(1, first_order=True), loss=once).meta_train_step(tasks(4))["meta_loss"] > 0
    with pytest.raises(InvalidInput, match="Prototypical compares classes"):
        MetaLearner(Head(), Prototypical(), loss="mse")


def test_targets_in_double_precision_for_a_network_in_single() -> None:
    x, y = torch.randn(6, 4), torch.randn(6, 3, dtype=torch.float64)
    task = MetaLearningTask((x, y), (x, y))
    found = [MetaLearner(net, MAML(1), loss="mse").adapt(task).losses for net in (nn.Linear(4, 3), Head())]
    assert all(len(losses) == 2 for losses in found)


# Copies ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", [nn.Linear(4, 3), Asking(), nn.Sequential(Head())])
def test_learners_and_what_they_adapted_can_be_copied_and_pickled(net: nn.Module) -> None:
    learner, task = MetaLearner(net, MAML(1, 0.1)), tasks(4)[0]
    adapted = learner.adapt(task)
    for copied in (copy.deepcopy(adapted), pickle.loads(pickle.dumps(adapted))):
        assert torch.equal(copied(task.query_set.x), adapted(task.query_set.x))
    other = copy.deepcopy(learner)
    other.meta_train_step(tasks(4))
    assert torch.equal(learner.adapt(task)(task.query_set.x), adapted(task.query_set.x))


@pytest.mark.parametrize("net", [nn.Linear(4, 3), Asking(), Head()])
def test_inference_mode_changes_nothing(net: nn.Module) -> None:
    learner = MetaLearner(net, MAML(2, 0.1))
    plain = learner.evaluate_tasks(tasks(4))
    with torch.inference_mode():
        assert learner.evaluate_tasks(tasks(4)) == plain
        assert learner.adapt(tasks(4)[0]).losses[-1] > 0


def test_losses_may_want_what_the_network_gives() -> None:
    def likelihood(outputs: Tensor, y: Tensor) -> Tensor:
        return -torch.distributions.Categorical(probs=outputs).log_prob(y).mean()

    net = nn.Sequential(nn.Linear(4, 3), nn.Softmax(-1))
    assert MetaLearner(net, MAML(2, 0.1), loss=likelihood).meta_train_step(tasks(4))["meta_loss"] > 0


def test_a_batch_norm_of_ones_own_is_seen() -> None:
    class Normed(Head):
        def body(self, x: Tensor) -> Tensor:
            return F.batch_norm(x, None, None, training=True)

    torch.manual_seed(0)
    adapted = MetaLearner(Normed(), MAML(2, 0.1)).adapt(tasks(4)[0])
    answers = torch.cat([adapted(each[None]) for each in tasks(4)[0].query_set.x])
    assert len(answers.unique(dim=0)) == 6
