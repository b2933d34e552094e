"""`onward record`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import RenderableType
from rich.text import Text

from ._call import Call, command
from ._errors import BAD_INPUT
from ._input import DASH, standard_input
from ._output import clean, following

if TYPE_CHECKING:
    from onward.workspace import Recorded

BAD_SHOWN: Final = 10

File = Annotated[str, typer.Argument(metavar="FILE", help="A .jsonl, .json or .csv file; - is standard input.")]


@command
def record(call: Call, file: File) -> int | None:
    """Record interactions and feedback from a file: one JSON object a line, or CSV with a header.

    Lines that cannot be used are set aside and told; the rest goes in. Reading a file twice records it once.
    A workspace is made where there is none.

    Example: onward record examples/support/day1.jsonl
    """
    with call.open(create=True) as workspace:
        source = standard_input().read() if file == DASH else file
        recorded = workspace.record_file(source, tenant=call.tenant)
    call.answer(recorded, _human(call, recorded))
    return BAD_INPUT if recorded.bad and not _used(recorded) else None


def _used(recorded: Recorded) -> int:
    return recorded.interactions + recorded.feedback + recorded.known


def _human(call: Call, recorded: Recorded) -> Iterator[RenderableType]:
    if not (recorded.bad or _used(recorded)):
        yield "Nothing recorded: there is no line in it"
        return
    yield (
        f"{recorded.interactions} interactions and {recorded.feedback} feedback recorded, "
        f"{recorded.known} known already, {len(recorded.bad)} bad lines set aside"
    )
    for line in recorded.bad[:BAD_SHOWN]:
        yield Text(f"  line {line.number}: {clean(line.reason)}", style="yellow")
    if len(recorded.bad) > BAD_SHOWN:
        yield f"  and {len(recorded.bad) - BAD_SHOWN} more (all of them with --json)"
    if _used(recorded):
        yield following(call.again("cycle"))
