"""`onward watch`."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from ._call import Call, command
from ._values import read_seconds

Every = Annotated[str, typer.Option(metavar="SECONDS", help="Between looks.")]
Once = Annotated[bool, typer.Option("--once", help="Look once, and end.")]


@command
def watch(call: Call, every: Every = "2", once: Once = False) -> None:
    """Show how learning goes, again and again, until Ctrl-C.

    In a pipe, or with --json, every look is printed after the one before.

    Example: onward watch --every 10
    """
    seconds = read_seconds(every)
    import_module("._learning", __package__).watch(call, seconds, once=once)
