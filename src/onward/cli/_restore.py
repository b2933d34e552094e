"""`onward restore`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import typer
from rich.console import RenderableType

import onward

from ._call import Call, command
from ._output import following
from ._passphrase import PassphraseFile, read_passphrase
from ._progress import bars
from ._values import read_time

Source = Annotated[str, typer.Argument(metavar="SOURCE", help="Where the back-ups are kept.")]
To = Annotated[str, typer.Argument(metavar="TO", help="The new workspace: an empty or new folder, or postgresql://")]
At = Annotated[
    datetime | None,
    typer.Option("--at", parser=read_time, metavar="TIME", help="As it was then; else the newest snapshot."),
]


@command
def restore(call: Call, source: Source, to: To, at: At = None, passphrase_file: PassphraseFile = None) -> None:
    """Bring a workspace back from its back-ups to an empty place; it appears whole or not at all.

    Example: onward restore /mnt/backups/shop shop --at 2026-03-02T08:00
    """
    with bars(wanted=not call.json) as progress:
        passphrase = read_passphrase(passphrase_file)
        with onward.restore(source, to, at=at, passphrase=passphrase, progress=progress) as workspace:
            status = workspace.status(tenant=call.tenant)
    call.answer(status, _human(to, status.interactions, status.champion))


def _human(to: str, interactions: int, champion: int | None) -> Iterator[RenderableType]:
    serves = "no version is in service" if champion is None else f"version {champion} is in service"
    yield f"Restored: {interactions} interactions, {serves}"
    yield following(f"onward --workspace {shlex.quote(to)} doctor")
