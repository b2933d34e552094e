"""`onward promote`."""

from __future__ import annotations

from typing import Annotated

import typer

from ._call import Call, command
from ._move import By, Reason, moved
from ._values import Number

Force = Annotated[bool, typer.Option("--force", help="Although the gate did not pass it; needs --reason.")]


@command
def promote(call: Call, number: Number, reason: Reason = "", force: Force = False, by: By = "user") -> None:
    """Put a version into service, in one step, once it is seen to load.

    Example: onward promote 2 --force --reason "the new intents matter more"
    """
    with call.open() as workspace:
        transition = workspace.promote(number, by=by, reason=reason, force=force, tenant=call.tenant)
    call.answer(transition, moved(call, transition))
