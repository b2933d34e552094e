"""Back-ups of whole workspaces, by the names of places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote

from onward.core import InvalidInput, Unavailable
from onward.storage import Storage, open_storage, place_of

from ._ledger import write_records
from ._snapshots import (
    Bringing,
    Progress,
    Repository,
    Snapshot,
    Stored,
    appearing,
    chosen,
    free_space,
    refuse_full,
    write_file,
)

SETTINGS: Final = "onward.toml"
CONTENT: Final = frozenset({"blobs", "artifacts", "scratch", "cache"})
"""What a restore to a server that was cut off leaves in the folder: harmless, and of use to the next one."""
ROOM: Final = 1.2
"""Bytes that a restored workspace takes at most for each byte of its content: indexes, logs, folders."""


def restore(repository: Repository, url: str | Path, at: datetime | None, progress: Progress) -> Snapshot:
    """Bring a workspace back to an empty place, whole or not at all; return the snapshot that it is of.

    Args:
        url: of the new workspace: its folder must be empty or new, its database on a server without rows of ours.
        at: to this moment; else as of the newest snapshot.

    Raises:
        NotFound: there is no snapshot.
        InvalidInput: there is something at the place already, or nothing would last there.
        Damaged: the snapshot is not whole.
        Unavailable: there is no space, or no right, to write.
    """
    if at is not None and at.tzinfo is None:
        raise InvalidInput("The time has no time zone.", mend="Give an aware datetime.")
    stored = chosen(repository, at)
    with _target(url, stored) as storage:
        bringing = Bringing(repository, stored, storage, progress)
        bringing.check_empty()
        settings = stored.contents.files.get(SETTINGS)
        if settings is not None:
            write_file(storage.folder / SETTINGS, repository.get_all(settings))
        bringing.all(at)
        write_records(storage)
    return stored.snapshot


@contextmanager
def _target(url: str | Path, stored: Stored) -> Iterator[Storage]:
    """The empty storage to fill; a folder appears only when it is filled."""
    place = place_of(url)
    if place.folder is None:
        raise InvalidInput("Nothing would be left of it.", mend="Restore to a folder, or to postgresql://")
    folder = place.folder.absolute()
    needed, free = int(stored.contents.size * ROOM), free_space(folder)
    if needed > free:
        raise Unavailable(f"{folder} has {free:,} bytes free; about {needed:,} are needed.", mend="Make room.")
    if place.server is not None:
        refuse_full(folder, ignored=CONTENT)
        with closing(open_storage(url)) as storage:
            yield storage
        return
    with appearing(folder) as unfinished:
        bucket = "" if place.bucket is None else f"?blobs={quote(place.bucket, safe='')}"
        with closing(open_storage(f"file://{quote(str(unfinished))}{bucket}")) as storage:
            yield storage
