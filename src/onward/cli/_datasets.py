"""`onward datasets`."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import RenderableType

from ._call import Call, command
from ._output import following, table
from ._progress import bars

if TYPE_CHECKING:
    from onward.datasets import Fetched

What = Annotated[Literal["list", "get"], typer.Argument(help="What to do.")]
Name = Annotated[str | None, typer.Argument(metavar="NAME", help="With get: which data set.")]
To = Annotated[
    str | None,
    typer.Option("--to", metavar="FOLDER", help="Where data sets lie; ONWARD_DATA or ~/.cache/onward where left out."),
]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="URL", help="A mirror: where the source files lie. Checked all the same."),
]
Force = Annotated[bool, typer.Option("--force", help="With get: although it is here.")]


@command
def datasets(
    call: Call, action: What = "list", name: Name = None, to: To = None, source: From = None, force: Force = False
) -> None:
    """List the public data sets that can be fetched for few-shot tasks, or fetch one, with its checksums verified.

    What is cut off goes on where it stopped. Needs no workspace.

    Example: onward datasets get omniglot
    """
    if (name is not None) != (action == "get"):
        raise typer.BadParameter("Name a data set with get, and only with get: onward datasets get NAME")
    module = import_module("onward.datasets")  # not for every `onward --help`
    if action == "list":
        known = [_known(module, one, to) for one in module.DATA_SETS.values()]
        call.answer(known, _listed(known))
        return
    with bars(wanted=not call.json) as progress:
        fetched = module.fetch(name, to, base=source, force=force, progress=progress)
    call.answer(
        {"name": fetched.name, "files": [str(file) for file in fetched.files], "downloaded": fetched.downloaded},
        _human(fetched),
    )


def _known(module: Any, data_set: Any, to: str | None) -> dict[str, Any]:
    try:
        files = [str(file) for file in module.find(data_set.name, *data_set.files, folder=to)]
    except import_module("onward.core").NotFound:
        files = []
    return {"name": data_set.name, "about": data_set.about, "licence": data_set.licence, "files": files}


def _listed(known: list[dict[str, Any]]) -> Iterator[RenderableType]:
    rows = [(one["name"], one["about"], one["licence"], "yes" if one["files"] else "no") for one in known]
    yield table("", ("Name", "What", "Licence", "Here"), rows)
    yield from (following(f"onward datasets get {one['name']}") for one in known if not one["files"])


def _human(fetched: Fetched) -> Iterator[RenderableType]:
    came = f"{fetched.downloaded / 1e6:.1f} MB fetched" if fetched.downloaded else "Here already"
    yield f"{fetched.name}: {came}"
    yield from (f"  {file}" for file in fetched.files)
