"""`onward doctor`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

import onward

from ._call import Call, command
from ._errors import DAMAGED
from ._output import clean
from ._passphrase import PassphraseFile, read_passphrase
from ._progress import bars

if TYPE_CHECKING:
    from onward.release import Ailment

Mend = Annotated[bool, typer.Option("--mend", help="Mend what can be mended without making anything worse.")]
From = Annotated[
    str | None,
    typer.Option("--from", metavar="BACKUP", help="Back-ups to verify too, and to bring lost content back from."),
]


@command
def doctor(call: Call, mend: Mend = False, source: From = None, passphrase_file: PassphraseFile = None) -> int:
    """Verify every record, alias, hash and permission; say what is wrong and how to mend it. Of all tenants.

    Works on a workspace that cannot be opened: with --mend, a database that is gone is rebuilt from what is beside it.

    Example: onward doctor --mend --from /mnt/backups/shop
    """
    with bars(wanted=not call.json) as progress:
        found = onward.doctor(
            call.workspace, mend=mend, source=source, passphrase=read_passphrase(passphrase_file), progress=progress
        )
    call.answer(found, _human(found))
    return DAMAGED if any(one.grave and not one.mended for one in found) else 0


def _human(found: Sequence[Ailment]) -> Iterator[RenderableType]:
    for one in found:
        style = "green" if one.mended else "red" if one.grave else "yellow"
        yield Text.assemble((f"{'mended' if one.mended else one.kind}: ", style), clean(f"{one.where}: {one.what}"))
        if not one.mended:
            yield Text(f"  Mend: {clean(one.mend)}", style="dim", no_wrap=True)
    grave = sum(one.grave and not one.mended for one in found)
    if not found:
        yield Text("All is well", style="green")
    elif not grave:
        yield Text("Nothing is wrong that matters", style="green")
    else:
        yield f"{grave} {'thing is' if grave == 1 else 'things are'} wrong"
