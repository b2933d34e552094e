"""The meta-gradient of many tasks: in chunks that fit the caches, on every core, over every process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from onward.core import InvalidInput

from .algorithms import Algorithm, MetaGradient, Setting
from .engine import Chance, Engine, Loss, Params
from .tasks import TaskBatch


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What the tasks of one meta-training step are worked on with; `seed`: of their dropout."""

    algorithm: Algorithm
    engine: Engine
    loss: Loss
    at: int
    seed: int


def gradient_of(work: Work, meta: Params, batch: TaskBatch) -> MetaGradient:
    """Every task's gradient, in the batch's order, whatever the chunks and threads."""
    size, threads = work.engine.plan(len(batch))
    chunks = [slice(start, start + size) for start in range(0, len(batch), size)]

    def one(number: int) -> MetaGradient:
        generator = torch.Generator(batch.query_x.device).manual_seed(work.seed + number)
        setting = Setting(work.engine, work.loss, Chance(generator), work.at)
        return work.algorithm.meta_gradient(setting, meta, batch[chunks[number]])

    found = list(_spread(one, len(chunks), threads))
    return joined(found)


def _spread(one: Callable[[int], MetaGradient], count: int, threads: int) -> Sequence[MetaGradient]:
    """One chunk a thread, each thread on one core: chunks do not wait for one another inside every product."""
    if threads < 2 or count < 2:
        return [one(number) for number in range(count)]
    return list(_pool(threads).map(one, range(count)))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "onward-meta", initializer=torch.set_num_threads, initargs=(1,))


os.register_at_fork(after_in_child=_pool.cache_clear)  # a fork has none of its parent's threads


def joined(found: Sequence[MetaGradient]) -> MetaGradient:
    """Several batches' gradients as one."""
    if len(found) == 1:
        return found[0]
    names = {name: None for each in found for name in each.grads}
    accuracies = [each.accuracy for each in found]
    return MetaGradient(
        {name: torch.cat([each.grads[name] for each in found]) for name in names},
        torch.cat([each.losses for each in found], dim=1),
        None if any(a is None for a in accuracies) else torch.cat([a for a in accuracies if a is not None]),
    )


def finite(found: MetaGradient) -> Tensor:
    """(T,) whether a task's losses and gradient are all finite."""
    held = found.losses.isfinite().all(0)
    for value in found.grads.values():
        held &= value.flatten(1).isfinite().all(1)
    return held


def only(found: MetaGradient, held: Tensor) -> MetaGradient:
    """What the tasks said for which `held` (T,) is true."""
    return MetaGradient(
        {name: value[held] for name, value in found.grads.items()},
        found.losses[:, held],
        None if found.accuracy is None else found.accuracy[held],
    )


def diverged_tasks(found: MetaGradient, names: Sequence[str]) -> InvalidInput | None:
    """What is to be said of the tasks whose inner loop left the finite numbers; `None` where none did."""
    bad = (~finite(found)).nonzero().flatten().tolist()
    if not bad:
        return None
    first = bad[0]
    steps = (~found.losses[:, first].isfinite()).nonzero().flatten().tolist()
    where = f"at inner step {steps[0]}" if steps else "in its gradient"
    named = repr(names[first]) if first < len(names) and names[first] else str(first)
    return InvalidInput(
        f"Task {named} diverged {where}, and {len(bad) - 1} more of {found.losses.shape[1]} tasks with it."
        if len(bad) > 1
        else f"Task {named} diverged {where}.",
        why="Its loss or gradient is not finite: the inner rate may be too large, or its inputs not finite.",
        mend='Lower the inner rate, or leave such tasks out with diverged="skip".',
    )
