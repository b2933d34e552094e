"""`onward report`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from ._call import Call, command

Name = Annotated[str | None, typer.Argument(metavar="NAME", help="One task in depth, instead of all.")]
Page = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write one page, for any browser, offline.")]
Picture = Annotated[Path | None, typer.Option(metavar="FILE", help="Draw a picture (.png, .svg, .pdf).")]


@command
def report(call: Call, name: Name = None, html: Page = None, picture: Picture = None) -> None:
    """Tell how learning goes: tasks with trends, goals, convergence, the last cycles.

    With --html or --picture it writes those files, and prints no more than their names.

    Example: onward report --html learning.html --picture learning.png
    """
    if name is not None and html is not None:
        raise typer.BadParameter("The page shows every task. Leave NAME out, or --html.")
    import_module("._learning", __package__).report(call, name, html, picture)  # loads NumPy: not for every command
