"""`onward pin`."""

from __future__ import annotations

from typing import Annotated

import typer

from ._call import Call, command
from ._values import Number
from ._versions import as_json

Off = Annotated[bool, typer.Option("--off", help="Let it go again.")]


@command
def pin(call: Call, number: Number, off: Off = False) -> None:
    """Keep a version, and what it learned from, from retention; or let it go again.

    Example: onward pin 3
    """
    with call.open() as workspace:
        version = workspace.pin(number, pinned=not off, tenant=call.tenant)
        champion = workspace.champion(tenant=call.tenant)
    said = "may be dropped by retention again" if off else "is kept from retention"
    call.answer(as_json(version, champion), [f"Version {number} {said}"])
