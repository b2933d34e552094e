"""Who looks on while a network trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from onward.core import silent

Progress = Callable[[int, int, str], None]
"""(steps done, steps in all, a short note)."""


@contextmanager
def shown(progress: bool | Progress | None) -> Iterator[Progress]:
    """What is called with every step: a bar on standard error for `True`."""
    if not progress:
        yield silent
    elif callable(progress):
        yield progress
    else:
        yield from _bar()


def _bar() -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    with Bar(*columns, console=Console(stderr=True)) as bar:
        row = bar.add_task("")

        def update(done: int, total: int, note: str) -> None:
            bar.update(row, completed=done, total=total, description=note)

        yield update
