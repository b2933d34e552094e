"""The memory of episodes for loops of one's own."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.learners.continual.streams import same_state
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import EpisodicMemorySystem
from onward.learners.continual.memory import POLICIES, GradientMagnitude, Ring


def net() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 6))


def examples(task: int, count: int = 90) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(count, 3, generator=torch.Generator().manual_seed(task))
    return x, torch.arange(count) % 2 + 2 * task


@pytest.mark.parametrize("strategy", POLICIES)
def test_every_strategy_fills_the_memory_and_gives_back_what_it_was_shown(strategy: str) -> None:
    memory = EpisodicMemorySystem(net(), 12, strategy)
    for task in range(3):
        x, y = examples(task)
        assert 0 < memory.update_memory(x, y, task=task) <= 12
        assert len(memory) == 12
    shown = {
        tuple(row): label for task in range(3) for row, label in zip(*(p.tolist() for p in examples(task)), strict=True)
    }
    sample = memory.get_representative_samples(6)
    assert all(shown[tuple(row)] == label for row, label in zip(sample.x.tolist(), sample.y.tolist(), strict=True))
    assert torch.equal(sample.task, sample.y // 2)
    if strategy != "reservoir":
        assert memory.counts("task") == {0: 4, 1: 4, 2: 4}
        assert sorted(sample.y.tolist()) == [0, 1, 2, 3, 4, 5] or strategy == "random"


def test_the_model_is_only_looked_at() -> None:
    model = net()
    model[0].eval()  # type: ignore[index]
    before = {name: value.clone() for name, value in model.state_dict().items()}
    memory = EpisodicMemorySystem(model, 12)
    memory.update_memory(*examples(0))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model] == [False, True, True, True]  # type: ignore[union-attr]
    assert all(parameter.grad is None for parameter in model.parameters())


def test_uncertain_examples_are_those_between_two_classes() -> None:
    model = nn.Linear(1, 2)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[-4.0], [4.0]]))
        model.bias.zero_()
    x = torch.linspace(-3, 3, 601).view(-1, 1)
    memory = EpisodicMemorySystem(model, 40, "uncertainty")
    memory.update_memory(x, (x[:, 0] > 0).long())
    assert float(memory.get_representative_samples(40).x.abs().mean()) < 0.7 < float(x.abs().mean())


def test_it_goes_on_bit_for_bit() -> None:
    one = EpisodicMemorySystem(net(), np.int64(12), seed=np.int64(3))  # numbers of NumPy are numbers
    one.update_memory(*examples(0), keys=[f"k{at}" for at in range(90)])
    two = EpisodicMemorySystem(net(), 12)
    two.load_state_dict(one.state_dict())
    for memory in (one, two):
        memory.update_memory(*examples(1), task=1)
    a, b = one.get_representative_samples(5), two.get_representative_samples(5)
    assert torch.equal(a.x, b.x)
    keys = [f"k{at}" for at in range(90)]
    assert one.forget(keys) == two.forget(keys) == 6


def test_real_targets_are_divided_between_tasks() -> None:
    memory = EpisodicMemorySystem(nn.Linear(3, 1), 10, GradientMagnitude(by="task"))
    for task in range(2):
        x, _ = examples(task)
        memory.update_memory(x, x.sum(1, keepdim=True), task=task)
    assert memory.get_representative_samples(4, balanced="task").task.bincount().tolist() == [2, 2]


def test_what_cannot_be_is_refused() -> None:
    for wrong in (
        lambda: EpisodicMemorySystem(net(), 0),
        lambda: EpisodicMemorySystem(net(), 5, "best"),
        lambda: EpisodicMemorySystem(net(), 5).get_representative_samples(1),
        lambda: EpisodicMemorySystem(net(), 5).update_memory(torch.full((1, 3), float("nan")), torch.zeros(1).long()),
        lambda: EpisodicMemorySystem(net(), 5).load_state_dict({}),
        lambda: EpisodicMemorySystem(net(), 5).update_memory(torch.zeros(2, 3), torch.full((2,), 30)),
        lambda: EpisodicMemorySystem(net(), 5).update_memory(torch.zeros(2, 7), torch.zeros(2).long()),
        lambda: EpisodicMemorySystem(net(), 5).update_memory(torch.zeros(0, 3), torch.zeros(0).long()),
    ):
        with pytest.raises(InvalidInput):
            wrong()


def test_any_seed_will_do_and_prepare_is_a_function() -> None:
    assert EpisodicMemorySystem(net(), 20, seed=2**70).update_memory(*examples(0)) == 20
    with pytest.raises(InvalidInput, match="prepare is 'scale'"):
        EpisodicMemorySystem(net(), 20, prepare="scale")  # type: ignore[arg-type]


def test_whole_numbers_of_any_type_are_classes() -> None:
    system = EpisodicMemorySystem(net(), 20, "random")
    x, y = examples(0)
    system.update_memory(x, y.int())
    system.update_memory(x, y)
    assert system.get_representative_samples(5).y.dtype == torch.int64


def test_targets_of_one_number_each_are_weighed() -> None:
    x = examples(0)[0]
    memory = EpisodicMemorySystem(nn.Linear(x.shape[1], 1), 20)
    memory.update_memory(x, x.sum(1))
    assert len(memory.get_representative_samples(20).x) == 20


def test_what_is_no_state_is_refused_and_changes_nothing() -> None:
    system = EpisodicMemorySystem(net(), 20, "random")
    system.update_memory(*examples(0))
    before, state = system.state_dict(), system.state_dict()
    wrong = [None, [], {}, 3, {**state, "more": 1}]
    wrong += [{**state, name: value} for name in state for value in (None, {}, [1], torch.zeros(2))]
    for one in wrong:
        with pytest.raises(InvalidInput, match=r"This is no state of a memory|This state is of another"):
            system.load_state_dict(one)
    same_state(before, system.state_dict())


def test_what_is_no_strategy_is_refused() -> None:
    for wrong in (3, None, Ring, object()):
        with pytest.raises(InvalidInput, match=r"is no policy of a memory.*Known: class_balanced"):
            EpisodicMemorySystem(net(), 20, wrong)  # type: ignore[arg-type]
