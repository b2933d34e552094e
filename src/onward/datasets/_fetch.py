"""Data sets brought here: downloaded, checked, and put in place whole or not at all."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from onward.core import Damaged, InvalidInput, NotFound, Unavailable

from ._download import Progress, download
from ._table import DATA_SETS, DataSet, Source
from ._where import cache


def unwatched(stage: str, done: int, total: int, note: str) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What `fetch` did.

    Args:
        name: of the data set.
        files: where it lies.
        downloaded: bytes that came over the network; 0 where it was here already.
    """

    name: str
    files: tuple[Path, ...]
    downloaded: int


def fetch(
    name: str | DataSet,
    to: str | Path | None = None,
    *,
    base: str | None = None,
    force: bool = False,
    progress: Progress = unwatched,
) -> Fetched:
    """Download a data set, verify it, and put it where `onward.learners.meta.tasks` finds it.

    A download that is cut off goes on where it stopped, with the next call too. What is here already is not fetched.

    Args:
        name: a name of `DATA_SETS`, or a data set of one's own.
        to: the folder of data sets; `ONWARD_DATA` or `~/.cache/onward` where left out.
        base: a mirror: the URL under which the source files lie, instead of the publisher's. Checked all the same.
        force: fetch it although it is here.
        progress: called with (stage, bytes so far, bytes in all, a short note).

    Raises:
        NotFound: there is no such data set; names those there are.
        InvalidInput: `base` is no http or https URL.
        Unavailable: the source cannot be reached, or the folder not be written.
        Damaged: what came is not what was published; it is thrown away.
        MissingExtra: what is needed to read it is not installed.
    """
    data_set = name if isinstance(name, DataSet) else _known(name)
    folder = cache() if to is None else Path(to)
    files = tuple(folder / file for file in data_set.files)
    downloaded = 0
    for source, file in zip(data_set.sources, files, strict=True):
        if force or not file.is_file():
            downloaded += _make(data_set, _from(source, base), file, progress)
    return Fetched(data_set.name, files, downloaded)


def _known(name: str) -> DataSet:
    if name not in DATA_SETS:
        raise NotFound(f"There is no data set {name!r} to fetch.", mend="Name one of these.", options=DATA_SETS)
    return DATA_SETS[name]


def _from(source: Source, base: str | None) -> Source:
    url = source.url if base is None else f"{base.rstrip('/')}/{source.name}"
    if not url.startswith(("https://", "http://")):
        raise InvalidInput(f"{url!r} is no http or https URL.", mend="Give the folder of a web server.")
    return Source(url, source.md5, source.most)


def _make(data_set: DataSet, source: Source, file: Path, progress: Progress) -> int:
    """Download, verify, convert, and rename into place; return the bytes that came."""
    partial = file.parent / f"{source.name}.part"
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        came = download(source, partial, progress)
        _verify(source, partial)
        _convert(data_set, partial, file)
        partial.unlink()
    except OSError as error:
        raise Unavailable(
            f"{file} cannot be written.", why=f"{error.strerror}.", mend="Check free space and permissions."
        ) from error
    return came


def _verify(source: Source, partial: Path) -> None:
    with partial.open("rb") as file:
        found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    if found != source.md5:
        size = partial.stat().st_size
        partial.unlink()
        raise Damaged(
            f"{source.url} gave {size} bytes with the MD5 {found}, not {source.md5}; they were thrown away.",
            why="It was changed on the way or at its source, or two fetched it at once.",
            mend="Fetch it again, or from another place.",
        )


def _convert(data_set: DataSet, partial: Path, file: Path) -> None:
    made = file.with_name(f".{os.getpid()}-{file.name}")
    try:
        data_set.convert(partial, made)
        with made.open("rb") as written:
            os.fsync(written.fileno())
        made.replace(file)
    finally:
        made.unlink(missing_ok=True)
