"""What `onward promote` and `onward rollback` share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

import onward

from ._call import Call
from ._output import following

By = Annotated[str, typer.Option("--by", envvar=["USER", "LOGNAME"], help="Who decides; kept for good.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept for good.")]


def moved(call: Call, transition: onward.Transition) -> Iterator[RenderableType]:
    """Which version serves now, and which did before."""
    before = "" if transition.previous is None else f", version {transition.previous} before"
    yield Text(f"Version {transition.version} is in service now{before}", style="green")
    yield following(call.again("history"))
