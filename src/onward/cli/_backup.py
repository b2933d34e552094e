"""`onward backup`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import RenderableType
from rich.text import Text

import onward

from ._call import Call, command
from ._output import following, table, when
from ._passphrase import PassphraseFile, read_passphrase
from ._progress import bars

if TYPE_CHECKING:
    from onward.release import Pruned, Snapshot

Target = Annotated[
    str, typer.Argument(metavar="TARGET", help="Where back-ups are kept: a folder, or a URL like s3://bucket/path.")
]
Keep = Annotated[int | None, typer.Option("--keep", min=1, metavar="N", help="Let all but the newest N snapshots go.")]
List = Annotated[bool, typer.Option("--list", help="List the snapshots there instead.")]


@command
def backup(
    call: Call,
    target: Target,
    passphrase_file: PassphraseFile = None,
    keep: Keep = None,
    list: List = False,  # noqa: A002 - as the option is called
) -> None:
    """Add a snapshot of the whole workspace to a place for back-ups, while others go on using it.

    Only what is new is written. Encrypted where a passphrase is given by --passphrase-file or ONWARD_PASSPHRASE.

    Example: onward backup /mnt/backups/shop --keep 30
    """
    passphrase = read_passphrase(passphrase_file)
    if list:
        found = onward.snapshots(target, passphrase)
        call.answer(found, _listed(call, target, found))
        return
    with call.open() as workspace, bars(wanted=not call.json) as progress:
        snapshot = workspace.back_up(target, passphrase=passphrase, progress=progress)
        pruned = None if keep is None else workspace.prune(target, keep=keep, passphrase=passphrase)
    call.answer({"snapshot": snapshot, "pruned": pruned}, _human(call, target, snapshot, pruned))


def _human(call: Call, target: str, snapshot: Snapshot, pruned: Pruned | None) -> Iterator[RenderableType]:
    yield f"Snapshot {snapshot.id} of {when(snapshot.at)}: {_told(snapshot)}"
    for name, why in snapshot.damaged.items():
        yield Text(f"Not in it: {name}: {why}", style="red")
    if pruned is not None and pruned.snapshots:
        yield f"Let go: {len(pruned.snapshots)} older snapshots, and {pruned.chunks} chunks that only they needed"
    yield following(call.again("doctor") if snapshot.damaged else f"onward restore {target} FOLDER")


def _told(snapshot: Snapshot) -> str:
    rows = f"{snapshot.rows.get('interactions', 0)} interactions, {snapshot.rows.get('versions', 0)} versions"
    return f"{rows}, {snapshot.artifacts} models; {_size(snapshot.size)}, of which {_size(snapshot.written)} written"


def _size(count: int) -> str:
    """Bytes, for people.

    >>> [_size(count) for count in (12, 34_567, 3_000_000, 2_100_000_000)]
    ['12 B', '34.6 kB', '3.0 MB', '2.1 GB']
    """
    for unit, size in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count} B"


def _listed(call: Call, target: str, found: Sequence[Snapshot]) -> Iterator[RenderableType]:
    columns = ("Snapshot", "Of", "Interactions", "Versions", "Models", "Size", "Written", "Lacking")
    yield table(
        f"Back-ups in {target}",
        columns,
        (
            (
                one.id,
                when(one.at),
                one.rows.get("interactions", 0),
                one.rows.get("versions", 0),
                one.artifacts,
                _size(one.size),
                _size(one.written),
                len(one.lacking) or None,
            )
            for one in found
        ),
    )
    if not found:
        yield following(call.again(f"backup {target}"))
