"""`onward rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from ._call import Call, command
from ._move import By, Reason, moved
from ._values import LARGEST

To = Annotated[
    int | None, typer.Option("--to", min=1, max=LARGEST, metavar="NUMBER", help="The version; else the one before.")
]


@command
def rollback(call: Call, to: To = None, reason: Reason = "", by: By = "user") -> None:
    """Put the champion's predecessor, or another version, back into service: no training, no copying.

    Example: onward rollback --reason "refunds are misrouted"
    """
    with call.open() as workspace:
        transition = workspace.rollback(to, by=by, reason=reason, tenant=call.tenant)
    call.answer(transition, moved(call, transition))
