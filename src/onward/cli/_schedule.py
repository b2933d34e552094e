"""`onward schedule`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

import onward

from ._call import Call, command
from ._cycle import headline
from ._output import clean, emit, show, when
from ._values import LARGEST, read_seconds

Every = Annotated[str | None, typer.Option(metavar="SECONDS", help="Between cycles; else as onward.toml says.")]
OnNew = Annotated[
    int | None,
    typer.Option(min=0, max=LARGEST, metavar="N", help="Start earlier on so many new interactions; 0: never."),
]
MaxCycles = Annotated[int | None, typer.Option(min=1, max=LARGEST, metavar="N", help="End after so many cycles.")]


@command
def schedule(call: Call, every: Every = None, on_new: OnNew = None, max_cycles: MaxCycles = None) -> None:
    """Run a cycle at once, then at every interval, until interrupted; print a line for each.

    Ctrl-C and SIGTERM end it after the running cycle; a second one ends it at once.

    Example: onward schedule --every 3600 --on-new 500
    """
    seconds = None if every is None else read_seconds(every)
    with call.open() as workspace:
        settings = workspace.settings.schedule
        onward.schedule(
            workspace,
            every=settings.every_seconds if seconds is None else seconds,
            on_new=settings.on_new if on_new is None else on_new,
            tenant=call.tenant,
            max_cycles=max_cycles,
            on_result=lambda result: _ran(call, result),
            on_busy=lambda error: _busy(call, error),
        )


def _ran(call: Call, result: onward.CycleResult) -> None:
    if call.json:
        emit(result)
    else:
        show([Text.assemble(f"{when(result.finished or result.started)}  ", headline(result))])


def _busy(call: Call, error: onward.OnwardError) -> None:
    if call.json:
        emit(error.to_dict())
    else:
        show([f"{when(datetime.now(UTC))}  Busy: {clean(str(error))}"])
