"""A workspace's storage by URL."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from onward.core import NotFound, OnwardError, Unavailable

from ._blobs import Blobs
from ._database import Database
from ._place import Place, place_of
from ._postgresql import postgresql_backend
from ._sqlite import sqlite_backend

DATABASE_NAME: Final = "onward.db"
LOOKED_AT: Final = 1000  # entries of a folder, in search of workspaces


@dataclass(frozen=True, slots=True)
class Storage:
    """The database and the blobs of one workspace, and the folder of what is local.

    Args:
        folder: holds onward.toml, scratch and workbench; with SQLite the database, and without a bucket the blobs.
        database: the SQL side.
        blobs: the file side.
        temporary: the folder, where it lives no longer than this.
    """

    folder: Path
    database: Database
    blobs: Blobs
    temporary: TemporaryDirectory[str] | None = None

    def close(self) -> None:
        """Make everything durable and let go of it; what was in memory is gone."""
        self.database.close()
        if self.temporary is not None and not self.database.is_forked:
            self.temporary.cleanup()


def open_storage(url: str | Path, *, create: bool = True) -> Storage:
    """Open the storage of a workspace; make it first where there is none and `create` says so.

    Args:
        url: a folder's path, `file:///folder`, `postgresql://user@host/database?folder=/folder`, the latter two with
            `blobs=URL` where blobs live elsewhere; or `memory://`: a temporary folder that `close` removes.
        create: with `False`, a missing workspace is an error.

    Raises:
        InvalidInput: the URL names no place that Onward can store in.
        NotFound: there is no workspace, and `create` is off.
        MissingExtra: what the URL needs is not installed.
        Unavailable: the folder cannot be written, or the server not be reached.
    """
    place = place_of(url)
    if place.folder is None:
        return _open_in_memory()
    folder = place.folder.absolute()
    with _explained(folder):
        if place.server is None and not create and not (folder / DATABASE_NAME).exists():
            mend = f"Make one with: onward --workspace {shlex.quote(str(folder))} init"
            raise NotFound(f"There is no workspace in {folder}.", mend=mend, options=_nearby(folder))
        if place.server is None:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _assemble(folder, _open_database(place, folder, create=create), place.bucket)


def _nearby(folder: Path) -> list[str]:
    """Workspaces that lie beside a folder, or that it would lie in."""
    try:
        around = [folder.parent, *islice(folder.parent.iterdir(), LOOKED_AT)]
    except OSError:
        return []
    return [str(one) for one in around if os.path.exists(one / DATABASE_NAME)]  # noqa: PTH110 - where it may not look


def _open_in_memory() -> Storage:
    temporary = TemporaryDirectory(prefix="onward-")
    folder = Path(temporary.name)
    with _explained(folder):
        return _assemble(folder, Database(sqlite_backend(folder / DATABASE_NAME, "OFF")), None, temporary)


def _open_database(place: Place, folder: Path, *, create: bool) -> Database:
    if place.server is None:
        return Database(folder / DATABASE_NAME, create=create)
    return Database(postgresql_backend(place.server), create=create)


def _assemble(
    folder: Path, database: Database, bucket: str | None, temporary: TemporaryDirectory[str] | None = None
) -> Storage:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        blobs = Blobs(folder) if bucket is None else Blobs(folder, bucket)
    except (OSError, OnwardError):
        database.close()
        raise
    return Storage(folder, database, blobs, temporary)


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot hold a workspace.",
            why=f"{error.strerror}.",
            mend="Choose another folder, or mend its permissions.",
        ) from error
