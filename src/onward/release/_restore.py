"""Back-ups of whole workspaces, by the names of places."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Final
from urllib.parse import quote

from onward.core import InvalidInput, Unavailable
from onward.storage import Storage, explained, open_storage, place_of, schema

from ._ledger import write_records
from ._snapshots import (
    Bringing,
    Progress,
    Repository,
    Snapshot,
    Stored,
    appearing,
    check_schema,
    chosen,
    free_space,
    read_as_today,
    refuse_full,
    write_file,
)

SETTINGS: Final = "onward.toml"
CONTENT: Final = frozenset({"blobs", "artifacts", "scratch", "cache", "owner"})
"""What a restore to a server that was cut off leaves in the folder: harmless, and of use to the next one."""
ROOM: Final = 3
"""Bytes that a restore takes at most for each byte of content: the rows stand in the log and in the database. Those of
an older schema stand twice, until it is done."""


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
    check_schema(stored.snapshot)
    with (
        _target(url, repository, stored) as storage,
        read_as_today(repository, stored, storage.blobs) as read,
    ):
        bringing = Bringing(repository, stored, read, storage, progress)
        bringing.check_empty()
        if storage.blobs.bucket is not None or storage.database.backend.file is None:
            storage.blobs.belong(stored.snapshot.workspace)
        bringing.all(at, partial(_bring_settings, repository, stored, storage))
        write_records(storage)
    return stored.snapshot


def _bring_settings(repository: Repository, stored: Stored, storage: Storage) -> None:
    """Just before the rows are there, so that no workspace ever opens without its own settings; in one step."""
    settings = stored.contents.files.get(SETTINGS)
    if settings is not None:
        with storage.blobs.scratch() as scratch:
            write_file(scratch / SETTINGS, repository.get_all(settings))
            (scratch / SETTINGS).rename(storage.folder / SETTINGS)


def _left_over(folder: Path, repository: Repository, stored: Stored) -> frozenset[str]:
    """What a restore of the same snapshot that was cut off leaves in a folder: content, and these very settings."""
    settings = stored.contents.files.get(SETTINGS)
    with suppress(OSError):
        if settings is not None and (folder / SETTINGS).read_bytes() == b"".join(repository.get_all(settings)):
            return CONTENT | {SETTINGS}
    return CONTENT


@contextmanager
def _target(url: str | Path, repository: Repository, stored: Stored) -> Iterator[Storage]:
    """The empty storage to fill; a folder appears only when it is filled."""
    place = place_of(url)
    if place.folder is None:
        raise InvalidInput("Nothing would be left of it.", mend="Restore to a folder, or to postgresql://")
    folder = place.folder.absolute()
    with explained(folder):
        older = stored.snapshot.schema != str(schema.SCHEMA_VERSION)
        needed, free = stored.contents.size * ROOM * (1 + older), free_space(folder)
    if needed > free:
        raise Unavailable(f"{folder} has {free:,} bytes free; about {needed:,} are needed.", mend="Make room.")
    if place.server is not None:
        refuse_full(folder, ignored=_left_over(folder, repository, stored))
        with closing(open_storage(url)) as storage:
            yield storage
        return
    with appearing(folder) as unfinished:
        bucket = "" if place.bucket is None else f"?blobs={quote(place.bucket, safe='')}"
        with closing(open_storage(f"file://{quote(str(unfinished))}{bucket}")) as storage:
            yield storage
