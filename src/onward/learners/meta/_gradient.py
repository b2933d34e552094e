"""The meta-gradient of many tasks: in chunks that fit the caches, on every core."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor

from onward.core import InvalidInput

from ._aggregate import Aggregate
from .algorithms import MetaGradient, Setting
from .engine import Chance, Engine, Loss, Params
from .tasks import TaskBatch

Gradient = Callable[[Setting, Params, TaskBatch], MetaGradient]
"""`Algorithm.meta_gradient`, or what was compiled of it."""


@dataclass(frozen=True, slots=True, eq=False)
class Work:
    """What the tasks of one meta-training step are worked on with.

    Args:
        gradient: of a chunk of tasks.
        aggregate: how chunks are taken together: only what it needs of each task is kept.
        seed: of dropout.
        at_once: tasks in a chunk at most; `None`: as many as are fast.
    """

    engine: Engine
    loss: Loss
    gradient: Gradient
    aggregate: Aggregate
    at: int
    seed: int
    at_once: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """What T tasks say together.

    Args:
        grads: (1, ...) sums over the tasks that are finite, or, where the aggregation needs each, (held tasks, ...).
        losses: (steps + 1, T) support losses before each inner step, and last the outer loss.
        accuracy: (T,) share of the queries right, 0..1; `None` for regression.
        held: (T,) whether a task's losses and gradient are all finite.
    """

    grads: Params
    losses: Tensor
    accuracy: Tensor | None
    held: Tensor


def gradient_of(work: Work, meta: Params, batch: TaskBatch) -> list[Found]:
    """What the tasks say, in the batch's order, whatever the threads: as one where a sum will do, or chunk by chunk."""
    size, threads = len(batch), 1  # elsewhere than on a CPU all tasks together keep it busiest
    if batch.query_x.device.type == "cpu":
        size, threads = work.engine.plan(len(batch), batch.support_x.shape[1] + batch.query_x.shape[1])
    size = size if work.at_once is None else min(size, work.at_once)
    chunks = [slice(start, start + size) for start in range(0, len(batch), size)]

    def one(number: int) -> Found:
        generator = torch.Generator(batch.query_x.device).manual_seed(work.seed + number)
        setting = Setting(work.engine, work.loss, Chance(generator), work.at)
        return _summed(work.gradient(setting, meta, batch[chunks[number]]), work.aggregate)

    found: list[Found] = []
    for each in _spread(one, len(chunks), threads):
        if found and work.aggregate.adds:
            found[0] = joined([found[0], each], work.aggregate)
        else:
            found.append(each)
    return found


def _summed(found: MetaGradient, aggregate: Aggregate) -> Found:
    held = found.losses.isfinite().all(0)
    for value in found.grads.values():
        held &= value.flatten(1).isfinite().all(1)
    grads = found.grads if held.all() else {name: value[held] for name, value in found.grads.items()}
    return Found(aggregate.part(grads), found.losses, found.accuracy, held)


def _spread(one: Callable[[int], Found], count: int, threads: int) -> Iterator[Found]:
    """One chunk a thread, each thread on one core: chunks do not wait for one another inside every product."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        if threads == 1 or count == 1:
            yield from map(one, range(count))
        else:
            yield from _pool(threads).map(one, range(count))
    finally:
        torch.set_num_threads(before)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, "onward-meta", initializer=torch.set_num_threads, initargs=(1,))


os.register_at_fork(after_in_child=_pool.cache_clear)  # a fork has none of its parent's threads


def joined(found: Sequence[Found], aggregate: Aggregate) -> Found:
    """What several chunks say, as one."""
    accuracies = [each.accuracy for each in found]
    return Found(
        aggregate.together([each.grads for each in found]),
        torch.cat([each.losses for each in found], dim=1),
        None if any(a is None for a in accuracies) else torch.cat([a for a in accuracies if a is not None]),
        torch.cat([each.held for each in found]),
    )


def diverged_tasks(losses: Tensor, held: Tensor, names: Sequence[str]) -> InvalidInput | None:
    """What is to be said of the tasks whose inner loop left the finite numbers; `None` where none did.

    Args:
        losses: (steps + 1, T) before each inner step, and the last one.
        held: (T,) whether a task stayed finite.
    """
    bad = (~held).nonzero().flatten().tolist()
    if not bad:
        return None
    first, steps = bad[0], max(len(losses) - 1, 0)
    gone = (~losses[:, first].isfinite()).nonzero().flatten().tolist()
    where = "in its gradient"
    if gone:
        where = f"at inner step {gone[0]}" if gone[0] < steps else "in its loss"
        where += f" after {steps} inner steps" if gone[0] == steps > 0 else ""
    named = repr(names[first]) if first < len(names) and names[first] else str(first)
    return InvalidInput(
        f"Task {named} diverged {where}, and {len(bad) - 1} more of {len(held)} tasks with it."
        if len(bad) > 1
        else f"Task {named} diverged {where}.",
        why="Its loss or gradient is not finite: the inner rate may be too large, or its inputs not finite."
        if steps
        else "Its loss or gradient is not finite; look at its inputs.",
        mend='Lower the inner rate, or leave such tasks out with diverged="skip".'
        if steps
        else 'Mend the task, or leave such tasks out with diverged="skip".',
    )
