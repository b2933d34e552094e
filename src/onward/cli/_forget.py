"""`onward forget`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType

from ._call import Call, command
from ._output import following

if TYPE_CHECKING:
    from onward.workspace import Forgotten

User = Annotated[str, typer.Option(help="Who withdrew consent.")]


@command
def forget(call: Call, user: User) -> None:
    """Withdraw a user's consent: no later version learns from them; versions that did are marked.

    Example: onward forget --user u-045
    """
    if not user.strip():
        raise typer.BadParameter("No user is named. Say who withdrew: --user NAME")
    with call.open() as workspace:
        forgotten = workspace.forget(user, tenant=call.tenant)
    call.answer(forgotten, _human(call, forgotten))


def _human(call: Call, forgotten: Forgotten) -> Iterator[RenderableType]:
    if not forgotten.interactions:
        yield (
            f"No interaction of '{forgotten.user}' is recorded for tenant {call.tenant}; "
            "the withdrawal is noted for later ones. Check the spelling."
        )
        return
    yield f"{forgotten.interactions} interactions of {forgotten.user} will teach no later version"
    if forgotten.marked_versions:
        numbers = ", ".join(map(str, forgotten.marked_versions))
        yield f"Marked, for they had learned from them: {numbers}"
        yield following(call.again("cycle --force"))
    if forgotten.unknown_versions:
        numbers = ", ".join(map(str, forgotten.unknown_versions))
        yield f"Unknown, for retention dropped them and what they had learned from: {numbers}"
