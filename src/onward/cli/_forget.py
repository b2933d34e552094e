"""`onward forget`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from ._call import Call, command
from ._cycle import EXITS, headline
from ._output import clean, following
from ._progress import bars

if TYPE_CHECKING:
    from onward.workspace import Forgotten

User = Annotated[str, typer.Option(help="Who withdrew consent.")]
Retrain = Annotated[bool, typer.Option("--retrain", help="Replace the champion at once if it had learned from them.")]


@command
def forget(call: Call, user: User, retrain: Retrain = False) -> int:
    """Withdraw a user's consent and erase what they said; versions that had learned from it are marked.

    Example: onward forget --user u-045 --retrain
    """
    with call.open() as workspace, bars(wanted=not call.json) as progress:
        forgotten = workspace.forget(user, tenant=call.tenant, retrain=retrain, progress=progress)
    call.answer(forgotten, _human(call, forgotten))
    return 0 if forgotten.cycle is None else EXITS.get(forgotten.cycle.status, 0)


def _human(call: Call, forgotten: Forgotten) -> Iterator[RenderableType]:
    if not forgotten.interactions:
        yield (
            f"No interaction of '{clean(forgotten.user)}' is recorded for tenant {call.tenant}; "
            "the withdrawal is noted for later ones. Check the spelling."
        )
        return
    yield f"{forgotten.interactions} interactions of {clean(forgotten.user)} are erased and teach no later version"
    if forgotten.unfinished:
        yield f"Not all is erased yet: {clean(forgotten.unfinished)} Finish it with: {call.again('doctor --mend')}"
    yield f"Back-ups hold it until they are let go: {call.again('backup PLACE --keep 1')}"
    if forgotten.marked_versions:
        numbers = ", ".join(map(str, forgotten.marked_versions))
        yield f"Marked, for they had learned from them: {numbers}"
    if forgotten.cycle is not None:
        yield headline(forgotten.cycle)
    elif forgotten.marked_versions:
        yield following(call.again("cycle --force"))
