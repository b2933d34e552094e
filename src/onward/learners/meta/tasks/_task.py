"""A few-shot task, many of them stacked, and whatever samples them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, overload

import torch
from torch import Tensor

from onward.core import InvalidInput


class Examples(NamedTuple):
    """Inputs and what they should give.

    Args:
        x: (n, ...) inputs.
        y: (n,) class indices from 0 on, or (n, ...) real targets.
    """

    x: Tensor
    y: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class MetaLearningTask:
    """A few-shot task: learn from the support set, be judged by the query set.

    Two are equal where they are one and the same, whatever they hold.

    Args:
        support_set: examples to adapt from; any pair (x, y) of tensors, arrays or lists of numbers.
        query_set: examples of the same task to be judged by.
        task_id: names it.
        metadata: anything else, e.g. the names of its classes.

    Raises:
        InvalidInput: a set is no pair, holds what is no number or rows that differ in length, is empty, or its x and y
            differ in length.

    >>> task = MetaLearningTask((torch.zeros(5, 2), torch.arange(5)), (torch.zeros(3, 2), torch.arange(3)), "t")
    >>> len(task.support_set.x), len(task.query_set.x)
    (5, 3)
    """

    support_set: Examples
    query_set: Examples
    task_id: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("support_set", "query_set"):
            x, y = self._pair(name)
            if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or not len(x):
                raise InvalidInput(
                    f"The {name} of task {self.task_id!r} has inputs {tuple(x.shape)} and targets {tuple(y.shape)}.",
                    mend="Give as many targets as inputs, and at least one.",
                )
            object.__setattr__(self, name, Examples(x, y))

    def _pair(self, name: str) -> tuple[Tensor, Tensor]:
        try:
            x, y = (torch.as_tensor(part) for part in getattr(self, name))
        except (TypeError, ValueError, RuntimeError) as error:
            raise InvalidInput(
                f"The {name} of task {self.task_id!r} cannot be read: {error}.",
                mend="Give a pair (x, y): inputs in rows of equal length, and class numbers from 0 on or real targets; "
                "stack a list of tensors.",
            ) from error
        return x, y


@dataclass(frozen=True, slots=True, eq=False)
class TaskBatch(Sequence[MetaLearningTask]):
    """T tasks of one shape, stacked: what the engine works on. As a sequence it is the tasks themselves (views).

    Args:
        support_x: (T, S, ...); support_y: (T, S, ...).
        query_x: (T, Q, ...); query_y: (T, Q, ...).
        task_ids: T names; empty names where there are none.
        metadata: T mappings, or none at all.

    Raises:
        InvalidInput: inputs and targets, or support and query sets, are not of as many tasks, or inputs and targets not
            of as many examples.
    """

    support_x: Tensor
    support_y: Tensor
    query_x: Tensor
    query_y: Tensor
    task_ids: Sequence[str] = ()
    metadata: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        tasks = self.support_x.shape[:1]
        for name, x, y in (("support", self.support_x, self.support_y), ("query", self.query_x, self.query_y)):
            if x.ndim < 2 or x.shape[:2] != y.shape[:2] or x.shape[:1] != tasks:
                raise InvalidInput(
                    f"The {name} sets of {tasks.numel()} tasks have inputs {tuple(x.shape)} and targets "
                    f"{tuple(y.shape)}.",
                    mend="Give (T, n, ...) of each: as many targets as inputs, and support and query sets of T tasks.",
                )

    @staticmethod
    def of(tasks: Sequence[MetaLearningTask]) -> TaskBatch:
        """Stack tasks.

        Raises:
            InvalidInput: there are none, or they differ in shape (`grouped` takes those).
        """
        if isinstance(tasks, TaskBatch):
            return tasks
        if len({_shape(task) for task in tasks}) != 1:
            raise InvalidInput(
                f"{len(tasks)} tasks of {len({_shape(task) for task in tasks})} shapes cannot be stacked.",
                mend="Give tasks with as many support and query examples each.",
            )
        return TaskBatch(
            torch.stack([task.support_set.x for task in tasks]),
            torch.stack([task.support_set.y for task in tasks]),
            torch.stack([task.query_set.x for task in tasks]),
            torch.stack([task.query_set.y for task in tasks]),
            [task.task_id for task in tasks],
            [task.metadata for task in tasks],
        )

    def __len__(self) -> int:
        return len(self.support_x)

    @overload
    def __getitem__(self, at: int) -> MetaLearningTask: ...
    @overload
    def __getitem__(self, at: slice) -> TaskBatch: ...
    def __getitem__(self, at: int | slice) -> MetaLearningTask | TaskBatch:
        tensors = (self.support_x[at], self.support_y[at], self.query_x[at], self.query_y[at])
        if isinstance(at, slice):
            return TaskBatch(*tensors, self.task_ids[at], self.metadata[at])
        return MetaLearningTask(
            Examples(*tensors[:2]),
            Examples(*tensors[2:]),
            self.task_ids[at] if self.task_ids else "",
            self.metadata[at] if self.metadata else {},
        )

    def to(self, device: torch.device | str) -> TaskBatch:
        """The same tasks on another device."""
        x, y, qx, qy = (part.to(device) for part in (self.support_x, self.support_y, self.query_x, self.query_y))
        return TaskBatch(x, y, qx, qy, self.task_ids, self.metadata)


def grouped(tasks: Sequence[MetaLearningTask]) -> Iterator[tuple[list[int], TaskBatch]]:
    """Tasks of differing shapes, stacked shape by shape: (positions, batch).

    >>> from onward.learners.meta.tasks import MetaLearningTask
    >>> x, y = torch.zeros(4, 2), torch.zeros(4, dtype=torch.long)
    >>> tasks = [MetaLearningTask((x[:n], y[:n]), (x, y), str(n)) for n in (1, 2, 1)]
    >>> [positions for positions, _ in grouped(tasks)]
    [[0, 2], [1]]
    """
    if isinstance(tasks, TaskBatch):
        yield list(range(len(tasks))), tasks
        return
    groups: dict[object, list[int]] = {}
    for at, task in enumerate(tasks):
        groups.setdefault(_shape(task), []).append(at)
    for positions in groups.values():
        yield positions, TaskBatch.of([tasks[at] for at in positions])


def _shape(task: MetaLearningTask) -> tuple[object, ...]:
    parts = (*task.support_set, *task.query_set)
    return tuple((part.shape, part.dtype, part.device) for part in parts)


class TaskDistribution(Protocol):
    """Samples tasks. Under one seed the same calls give the same tasks.

    Where its `repr` does not tell it from others (a seed, what it draws from), a property `identity`, a text that does,
    keeps a checkpoint from being gone on with by another one.
    """

    def sample_batch(self, batch_size: int) -> Sequence[MetaLearningTask]:
        """So many tasks; a `TaskBatch` where all have one shape, which is the fast way.

        Raises:
            InvalidInput: `batch_size` is below 1.
        """
        ...
