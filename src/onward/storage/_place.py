"""Workspace URLs."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, unquote

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from onward.core import InvalidInput, masked

SCHEMES: Final = ("a folder's path", "file:///folder", "memory://", "postgresql://user@host/database?folder=/folder")
SERVER: Final = re.compile(r"postgres(ql)?(\+psycopg)?://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a workspace lives.

    Args:
        folder: onward.toml, scratch and workbench, and the blobs unless there is a bucket; `None`: a temporary one.
        server: the PostgreSQL database; `None`: SQLite in the folder.
        bucket: URL under which the blobs are; `None`: in the folder.
    """

    folder: Path | None
    server: URL | None = field(default=None, repr=False)
    bucket: str | None = field(default=None, repr=False)

    def __str__(self) -> str:
        """What errors and `status` may show: no password, no key."""
        if self.server is not None:
            return masked(self.server.render_as_string(hide_password=True))
        return "memory://" if self.folder is None else str(self.folder)


def place_of(url: str | Path) -> Place:
    """What a workspace URL names.

    Raises:
        InvalidInput: a scheme that Onward does not store in, or a part is missing or unknown.

    >>> place_of("file:///tmp/shop?blobs=s3://bucket/shop").folder
    PosixPath('/tmp/shop')
    """
    if isinstance(url, Path):
        return Place(folder=_folder(str(url), str(url)))
    if SERVER.match(url):
        return _server(url)
    if url.startswith("memory:"):
        if url != "memory://":
            raise _no_place(url, mend="Write just memory://")
        return Place(folder=None)
    if url.startswith("file:"):
        place, _, query = url.partition("?")
        options = _options(query, url)
        folder = unquote(place.removeprefix("file:").removeprefix("//"))
        if url.startswith("file://") and not folder.startswith("/"):
            raise _no_place(url)
        return Place(folder=_folder(folder, url), bucket=options.pop("blobs", None))
    if "://" in url:
        raise _no_place(url)
    return Place(folder=_folder(url, url))


def folder_of(url: str | Path) -> Path:
    """The folder that a workspace URL names.

    Raises:
        InvalidInput: it names none.

    >>> folder_of("postgresql://me@host/shop?folder=/var/lib/shop")
    PosixPath('/var/lib/shop')
    """
    folder = place_of(url).folder
    if folder is None:
        raise _no_place(str(url), why="A workspace in memory has no folder to come back to.")
    return folder


def _folder(name: str, url: str) -> Path:
    if not name.strip() or "\0" in name:
        raise _no_place(url)
    try:
        return Path(name).expanduser()
    except RuntimeError as error:
        raise _no_place(url, why=f"{error}.") from error


def _options(query: str, url: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    unknown = sorted(options.keys() - {"blobs"})
    if unknown or not options.get("blobs", "x"):
        raise InvalidInput(
            f"{masked(url)!r} has a wrong part: {', '.join(unknown) or 'blobs'}.",
            mend="Write file:///folder?blobs=s3://bucket/path",
            options=["blobs"],
        )
    return options


def _server(url: str) -> Place:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):  # what it says may hold the password
        raise _no_place(url, why="It cannot be read.") from None
    options = {key: value for key, value in parsed.query.items() if isinstance(value, str) and value}
    if "folder" not in options or not parsed.database:
        raise _no_place(
            url,
            why=f"It says no {'folder' if parsed.database else 'database'}.",
            mend="Add ?folder=/var/lib/onward: for onward.toml, unfinished work and, without blobs=, the models.",
        )
    return Place(
        folder=_folder(options["folder"], url),
        server=parsed.difference_update_query(["folder", "blobs"]),
        bucket=options.get("blobs"),
    )


def _no_place(url: str, *, why: str = "", mend: str = "Give a folder.") -> InvalidInput:
    return InvalidInput(f"{masked(url)!r} is no place for a workspace.", why=why, mend=mend, options=SCHEMES)
