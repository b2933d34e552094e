"""A workspace's storage by URL."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from onward.core import InvalidInput, NotFound, Unavailable

from ._blobs import Blobs
from ._database import Database

DATABASE_NAME: Final = "onward.db"
SCHEMES: Final = ("a folder's path", "file:///folder")


@dataclass(frozen=True, slots=True)
class Storage:
    """The database and the blobs of one workspace, and the folder they live in."""

    folder: Path
    database: Database
    blobs: Blobs

    def close(self) -> None:
        """Make everything durable and let go of the files."""
        self.database.close()


def folder_of(url: str | Path) -> Path:
    """The folder that a workspace URL names.

    Raises:
        InvalidInput: a scheme that Onward does not store in.

    >>> folder_of("file:///tmp/shop")
    PosixPath('/tmp/shop')
    """
    if isinstance(url, Path):
        return url
    if url.startswith("file:"):
        place = unquote(url.removeprefix("file:").removeprefix("//"))
        wrong = url.startswith("file://") and not place.startswith("/")
    else:
        place, wrong = url, "://" in url
    if wrong or not place.strip() or "\0" in place:
        raise InvalidInput(f"{url!r} is no place for a workspace.", mend="Give a folder.", options=SCHEMES)
    return Path(place)


def open_storage(url: str | Path, *, create: bool = True) -> Storage:
    """Open the storage of a workspace; make it first where there is none and `create` says so.

    Raises:
        InvalidInput: the URL names no place that Onward can store in.
        NotFound: there is no workspace, and `create` is off.
        Unavailable: the folder cannot be written.
    """
    try:
        folder = folder_of(url).expanduser().absolute()
    except RuntimeError as error:
        raise InvalidInput(
            f"{str(url)!r} is no place for a workspace.", why=f"{error}.", mend="Give a folder."
        ) from error
    if not create and not (folder / DATABASE_NAME).exists():
        raise NotFound(f"There is no workspace in {folder}.", mend=f"Make one with: onward --workspace {folder} init")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        blobs = Blobs(folder)
        return Storage(folder, Database(folder / DATABASE_NAME), blobs)
    except OSError as error:
        raise Unavailable(
            f"{folder} cannot hold a workspace.",
            why=f"{error.strerror}.",
            mend="Choose another folder, or mend its permissions.",
        ) from error
