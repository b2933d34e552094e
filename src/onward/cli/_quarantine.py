"""`onward quarantine`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Annotated

import typer
from rich.console import RenderableType

from ._call import Call, command
from ._output import following, table

Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="With --release: these interactions.")]
Release = Annotated[bool, typer.Option("--release", help="Let them out, a person having looked.")]
Every = Annotated[bool, typer.Option("--all", help="With --release: all interactions that are held.")]


@command
def quarantine(call: Call, interactions: Ids = None, release: Release = False, every: Every = False) -> None:
    """List the interactions that a refused cycle set aside, or let them out.

    Example: onward quarantine --release day1-0001
    """
    if (interactions or every) and not release:
        raise typer.BadParameter("Ids and --all are for letting out. Add --release.")
    if release and bool(interactions) == every:  # a list that came out empty must not let all of them out
        raise typer.BadParameter("Say which to let out: ids, or --all.")
    with call.open() as workspace:
        if release:
            _check(interactions or [], workspace.quarantined(tenant=call.tenant))
            count = workspace.release(interactions or None, tenant=call.tenant)
            call.answer({"released": count}, _released(call, count))
        else:
            held = workspace.quarantined(tenant=call.tenant)
            call.answer([{"interaction": one, "reason": why} for one, why in held.items()], _held(call, held))


def _check(interactions: Sequence[str], held: Mapping[str, str]) -> None:
    unknown = [one for one in interactions if one not in held]
    if unknown:
        raise import_module("onward.core").NotFound(  # not for every `onward --help`
            f"Not in quarantine: {', '.join(unknown)}.",
            why="Nothing was let out.",
            mend="See what is: onward quarantine",
        )


def _released(call: Call, count: int) -> Iterator[RenderableType]:
    yield f"{count} interactions let out of quarantine"
    yield following(call.again("cycle"))


def _held(call: Call, held: Mapping[str, str]) -> Iterator[RenderableType]:
    if not held:
        yield "Nothing is in quarantine"
        return
    yield table("", ("Interaction", "Reason"), held.items())
    yield following(call.again("quarantine --release ID"))
