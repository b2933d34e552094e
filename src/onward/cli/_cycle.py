"""`onward cycle`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Final

import typer
from rich.console import RenderableType
from rich.text import Text

import onward

from ._call import Call, command
from ._errors import REFUSED, UNEXPECTED
from ._output import clean, following
from ._progress import bars
from ._verdict import verdict_table

EXITS: Final[Mapping[str, int]] = {"refused": REFUSED, "failed": UNEXPECTED}
STYLES: Final = {"promoted": "green", "kept": "yellow", "skipped": "yellow"}
COUNTS: Final = ("examples", "new", "train", "validation", "evaluation", "deferred", "set aside")
LONG: Final = 8
"""Checks after which the headline has left the screen, and is told again."""

Force = Annotated[bool, typer.Option("--force", help="Train even with too little new to learn from.")]
Quick = Annotated[bool, typer.Option("--quick", help="Update the champion with what is new, instead of retraining.")]


@command
def cycle(call: Call, force: Force = False, quick: Quick = False) -> int:
    """Run one cycle: pick what is worth learning from, train, prove, then promote or keep the champion.

    Example: onward cycle --force
    """
    with call.open() as workspace, bars(wanted=not call.json) as progress:
        result = workspace.cycle(tenant=call.tenant, force=force, quick=quick, reason="onward cycle", progress=progress)
    call.answer(result, _human(call, result))
    return EXITS.get(result.status, 0)


def headline(result: onward.CycleResult) -> Text:
    """A cycle in one line: id, status, seconds, reason."""
    status = Text(result.status, style=STYLES.get(result.status, "red"))
    return Text.assemble(f"Cycle {result.id}: ", status, f" after {result.seconds:.1f} s: {clean(result.reason)}")


def _human(call: Call, result: onward.CycleResult) -> Iterator[RenderableType]:
    yield headline(result)
    yield ", ".join(f"{count} {name}" for name, count in sorted(result.counts.items(), key=_place))
    yield from _set_aside(result)
    if result.verdict is not None:
        yield ""
        yield verdict_table(result.verdict)
        yield ""
    yield "No version is in service" if result.champion is None else f"Version {result.champion} is in service"
    if result.verdict is not None and len(result.verdict.checks) > LONG:
        yield headline(result)
    yield following(_next(call, result))


def _set_aside(result: onward.CycleResult) -> Iterator[str]:
    """Why interactions were not used, the most frequent reason first; of a skipped cycle the headline says it."""
    if result.status != "skipped":
        for reason, count in sorted(result.set_aside.items(), key=lambda one: -one[1]):
            yield f"{count} set aside: {clean(reason)}"


def _place(count: tuple[str, int]) -> tuple[int, str]:
    name, _ = count
    return (COUNTS.index(name) if name in COUNTS else len(COUNTS), name)


def _next(call: Call, result: onward.CycleResult) -> str:
    if result.status == "skipped":
        return f"{call.again('record FILE')}, or {call.again('cycle --force')}"
    following_it = {
        "promoted": 'predict "TEXT"',
        "kept": f"compare {result.champion} {result.candidate}" if result.champion else "record FILE",
        "refused": f"show {result.candidate}",
    }
    return call.again(following_it.get(result.status, "status"))
