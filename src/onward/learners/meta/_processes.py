"""Several processes as one: each works on its share of the tasks, and the sums are the same everywhere.

Nobody waits in vain: a process that fails says so in the message that the others wait for, and all of them raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import torch
import torch.distributed as dist
from torch import Tensor

from onward.core import InvalidInput

LONGEST: Final = 2048

if dist.is_available():
    # The first optimiser imports it anyway. Imported after a group has begun, its functions' default arguments hold
    # that group (torch 2.13): its threads outlive destroy_process_group, and at times abort the interpreter's end.
    import torch.distributed.nn


def processes() -> tuple[int, int]:
    """This process's rank, and how many there are: (0, 1) where `torch.distributed` does not run.

    >>> processes()
    (0, 1)
    """
    if not (dist.is_available() and dist.is_initialized()):
        return 0, 1
    return dist.get_rank(), dist.get_world_size()


def share(before: int = 0) -> slice:
    """Which of some tasks are this process's.

    Args:
        before: how many tasks of other shapes came before them, so that every process gets as many of all.

    >>> share(3)
    slice(0, None, 1)
    """
    rank, world = processes()
    return slice((rank - before) % world, None, world)


def summed(values: Sequence[Tensor]) -> list[Tensor]:
    """Each value summed over all processes, by one message.

    Args:
        values: of one type and on one device.

    Raises:
        InvalidInput: another process gave up.
    """
    if processes()[1] == 1:
        return list(values)
    gave_up, *sums = _added(values, gave_up=False)
    if gave_up:
        said = _told("", gave_up.device)
        rank = next(at for at, text in enumerate(said) if text)
        raise InvalidInput(
            f"Process {rank} of {len(said)} stopped: {said[rank]}",
            mend="See what it says; every process stopped before this step.",
        )
    return sums


def exchanged(said: Callable[[], Sequence[Tensor]], nothing: Callable[[], Sequence[Tensor]]) -> list[Tensor]:
    """What every process says, summed. An error in one is raised there, and `InvalidInput` in the others.

    Args:
        nothing: tensors of the same shapes.
    """
    try:
        values = said()
    except Exception as error:
        give_up(nothing(), error)
        raise
    return summed(values)


def give_up(values: Sequence[Tensor], error: Exception) -> None:
    """Take part in the others' `summed`, so that they stop as well; the caller raises the error.

    Args:
        values: of the shapes that the others sum.
    """
    if processes()[1] > 1:
        gave_up, *_ = _added(values, gave_up=True)
        _told(f"{type(error).__name__}: {error}", gave_up.device)


@contextmanager
def together(device: torch.device) -> Iterator[None]:
    """What a process does for itself; where it fails for one, it fails for all.

    Raises:
        InvalidInput: it failed in another process.
    """
    nothing = [torch.zeros((), device=device)]
    try:
        yield
    except Exception as error:
        give_up(nothing, error)
        raise
    summed(nothing)


def anywhere(happened: bool, device: torch.device) -> bool:
    """Whether it happened in any process."""
    if processes()[1] == 1:
        return happened
    return bool(summed([torch.tensor(float(happened), device=device)])[0])


def same_everywhere(values: Iterable[Tensor]) -> None:
    """Make tensors those of the first process, in place."""
    if processes()[1] > 1:
        for value in values:
            dist.broadcast(value, 0)


def _added(values: Sequence[Tensor], *, gave_up: bool) -> list[Tensor]:
    flat = torch.cat([values[0].new_full((1,), float(gave_up)), *[value.flatten() for value in values]])
    dist.all_reduce(flat)
    first, *parts = flat.split([1, *[value.numel() for value in values]])
    return [first, *[part.view_as(value) for part, value in zip(parts, values, strict=True)]]


def _told(text: str, device: torch.device) -> list[str]:
    """What every process has to say, by rank; the beginning of it."""
    data = text.encode()[:LONGEST]
    mine = torch.zeros(LONGEST, dtype=torch.uint8)
    mine[: len(data)] = torch.tensor(list(data), dtype=torch.uint8)
    sent = mine.to(device)
    every = [torch.empty_like(sent) for _ in range(processes()[1])]
    dist.all_gather(every, sent)
    return [bytes(each.tolist()).rstrip(b"\0").decode(errors="ignore") for each in every]


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
