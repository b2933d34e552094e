"""Several processes as one: each works on its share of the tasks, and the sums are the same everywhere."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor

from onward.core import InvalidInput

from .tasks import TaskBatch


def processes() -> tuple[int, int]:
    """This process's rank, and how many there are: (0, 1) where `torch.distributed` does not run.

    >>> processes()
    (0, 1)
    """
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def share(batch: TaskBatch) -> TaskBatch:
    """The tasks of a batch that are this process's."""
    rank, world = processes()
    return batch if world == 1 else batch[rank::world]


def summed(values: list[Tensor]) -> list[Tensor]:
    """Each value summed over all processes, by one message."""
    if processes()[1] == 1:
        return values
    flat = torch.cat([value.flatten() for value in values])
    dist.all_reduce(flat)
    return [part.view_as(value) for part, value in zip(flat.split([v.numel() for v in values]), values, strict=True)]


def refuse_medians(kind: str) -> None:
    """Say that what needs every task's gradient in one place cannot be spread.

    Raises:
        InvalidInput: it is asked for over several processes.
    """
    if kind == "median_of_means" and processes()[1] > 1:
        raise InvalidInput(
            "median_of_means needs every task's gradient in one process.",
            mend='Run one process, or bound the tasks with Aggregate("clip"), which sums over processes.',
        )
