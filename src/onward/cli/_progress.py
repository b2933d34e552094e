"""A bar for each stage of a cycle, on standard error, where a person looks on."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ._output import clean

Progress = Callable[[str, int, int, str], None]


@contextmanager
def bars(*, wanted: bool) -> Iterator[Progress]:
    """Called with (stage, steps done, steps in all, note); shows nothing unless standard error is a terminal."""
    if not (wanted and sys.stderr.isatty()):
        yield _nothing
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskID, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    stages: dict[str, TaskID] = {}
    columns = (TextColumn("{task.fields[stage]}", markup=False), BarColumn(), TimeElapsedColumn())
    with Bars(*columns, TextColumn("{task.fields[note]}", markup=False), console=Console(stderr=True)) as shown:

        def update(stage: str, done: int, total: int, note: str) -> None:
            if stage not in stages:
                stages[stage] = shown.add_task("", stage=clean(stage), note="")
            shown.update(stages[stage], completed=done, total=total, note=clean(note))

        yield update


def _nothing(stage: str, done: int, total: int, note: str) -> None:
    """Show progress to nobody."""
