"""`onward history`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.console import RenderableType

import onward

from ._call import Call, command
from ._output import following, table, when
from ._values import read_time

At = Annotated[str | None, typer.Option(metavar="TIME", help="Only tell which version served then (ISO 8601; UTC).")]


@command
def history(call: Call, at: At = None) -> None:
    """Tell which version served from when, who or what decided, and why.

    Example: onward history --at 2026-03-02T09:00
    """
    time = None if at is None else read_time(at)
    with call.open() as workspace:
        if time is None:
            transitions = workspace.history(tenant=call.tenant)
            call.answer(transitions, _human(call, transitions))
        else:
            champion = workspace.champion(tenant=call.tenant, at=time)
            call.answer({"at": time, "champion": champion}, _then(champion, time))


def _human(call: Call, transitions: Sequence[onward.Transition]) -> Iterator[RenderableType]:
    if not transitions:
        yield "No version has served yet"
        yield following(call.again("cycle"))
        return
    rows = [(t.at, t.by, t.cause, t.previous, t.version, t.reason) for t in transitions]
    yield table("", ("When", "Who", "What", "From", "To", "Why"), rows)


def _then(champion: int | None, at: datetime) -> Iterator[RenderableType]:
    yield f"No version served at {when(at)}" if champion is None else f"Version {champion} served at {when(at)}"
