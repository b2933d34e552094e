"""`onward demo`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from ._call import Call, command

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE", help="Tell it on your own JSON Lines or CSV: text and intent on each line."),
]


@command
def demo(call: Call, data: Data = None) -> None:
    """Tell one whole story in a workspace of its own: learn, learn more, refuse poison, roll back.

    Example: onward demo --data my-chats.jsonl
    """
    import_module("._play", __package__).play(call, data)  # loads much of Onward: not for every `onward --help`
