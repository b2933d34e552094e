"""What a step of the engine holds on to, counted in numbers rather than measured."""

from __future__ import annotations

import gc
from typing import Any

import torch
from torch import Tensor, nn

from onward.learners.meta import MAML, Aggregate, MetaLearner
from onward.learners.meta._gradient import Work, gradient_of
from onward.learners.meta.algorithms import Adapted, Setting
from onward.learners.meta.engine import Chance, choose_engine, loss_of
from onward.learners.meta.tasks import TaskBatch

TASKS = 6


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(),
        nn.Flatten(), nn.Linear(8 * 36, 3),
    )  # fmt: skip


def batch() -> TaskBatch:
    x = torch.randn(TASKS, 6, 1, 6, 6, generator=torch.Generator().manual_seed(1))
    y = torch.arange(3).repeat(2).expand(TASKS, 6).contiguous()
    return TaskBatch(x, y, x.flip(1).contiguous(), y.flip(1).contiguous())


def held() -> int:
    """Bytes of all tensors that there are, each storage once."""
    gc.collect()
    found = {each.untyped_storage().data_ptr(): each.untyped_storage().nbytes() for each in tensors()}
    return sum(found.values())


def tensors() -> list[Tensor]:
    return [each for each in gc.get_objects() if type(each) is Tensor]


def test_a_tape_holds_four_values_of_a_layer_and_no_patches() -> None:
    task = batch()
    engine = choose_engine(net(), task.support_x[0]).engine
    params = engine.pack({n: p.detach().unsqueeze(0).repeat(TASKS, *[1] * p.ndim) for n, p in net().named_parameters()})
    prepared = engine.prepare(params, task.support_x, engine.names, Chance())
    before = held()
    step = engine.gradient(prepared, params, task.support_y, loss_of("cross_entropy"), tape=True)
    gradients = sum(value.numel() for value in step.grads.values())
    value = TASKS * 6 * 36 * 8
    assert held() - before < 4 * (2 * 4.6 * value + gradients)  # one layer's patches alone would be 9 values
    assert engine.product(step.tape, step.grads).keys() == step.grads.keys()


def test_without_a_tape_nothing_is_held() -> None:
    task = batch()
    engine = choose_engine(net(), task.support_x[0]).engine
    params = engine.pack({n: p.detach().unsqueeze(0).repeat(TASKS, *[1] * p.ndim) for n, p in net().named_parameters()})
    prepared = engine.prepare(params, task.support_x, engine.names, Chance())
    before = held()
    step = engine.gradient(prepared, params, task.support_y, loss_of("cross_entropy"))
    results = [step.loss, step.outputs, *step.grads.values()]
    assert held() - before == sum(each.untyped_storage().nbytes() for each in results)


def test_chunks_are_added_up_as_they_come() -> None:
    task, loss = batch(), loss_of("cross_entropy")
    engine = choose_engine(net(), task.support_x[0]).engine
    meta = engine.pack({n: p.detach().unsqueeze(0) for n, p in net().named_parameters()})
    for kind, parts, length in (("mean", 1, 1), ("clip", 1, 1), ("median_of_means", 3, 2)):
        work = Work(engine, loss, MAML(1, 0.1).meta_gradient, Aggregate(kind), 0, 0, at_once=2)
        found = gradient_of(work, meta, task)
        assert [len(next(iter(each.grads.values()))) for each in found] == [length] * parts
        assert sum(len(each.held) for each in found) == TASKS
    one, other = (MetaLearner(net(), MAML(1, 0.1), at_once=size).meta_gradient(task) for size in (1, 6))
    torch.testing.assert_close(one, other)


def test_tasks_of_images_are_judged_a_few_at_a_time() -> None:
    task, seen = batch(), []

    class Watched:
        """MAML, told on how many tasks it is asked of."""

        def __getattr__(self, name: str) -> Any:
            return getattr(MAML(1, 0.1), name)

        def outputs(self, setting: Setting, adapted: Adapted, x: Tensor) -> Tensor:
            seen.append(len(x))
            return MAML(1, 0.1).outputs(setting, adapted, x)

    found = MetaLearner(net(), Watched()).evaluate_tasks(task)
    assert seen == [4, 2]
    alone = [MetaLearner(net(), MAML(1, 0.1)).evaluate_tasks([one])["loss"][0] for one in task]
    torch.testing.assert_close(torch.tensor(found["loss"]), torch.tensor(alone))
