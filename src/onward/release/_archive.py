"""Compressed archives: written whole or not at all, unpacked without trusting what they hold."""

from __future__ import annotations

import errno
import io
import shutil
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from onward.core import Damaged, NotFound, Unavailable
from onward.storage import sync

DAY: Final = 86_400.0
UNFINISHED: Final = ".unfinished-"
UNWRITABLE: Final = (errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.ENOSPC, errno.EROFS)


@contextmanager
def written(file: Path) -> Iterator[tarfile.TarFile]:
    """An archive to add to; it stands under its name, durable, only when the block ends well.

    Raises:
        Unavailable: the folder cannot be written; nothing is left of it.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(file.parent)
        with tempfile.TemporaryDirectory(dir=file.parent, prefix=UNFINISHED) as scratch:
            unfinished = Path(scratch) / file.name
            with tarfile.open(unfinished, "w:gz", compresslevel=6) as archive:
                yield archive
            unfinished.chmod(0o600)
            sync(unfinished)
            unfinished.rename(file)
        sync(file.parent)
    except OSError as error:
        raise Unavailable(
            f"The back-up {file} cannot be written.", why=f"{error.strerror}.", mend="Check space and permissions."
        ) from error


def _sweep(folder: Path) -> None:
    """Remove what killed processes left a day ago."""
    for left in folder.glob(f"{UNFINISHED}*"):
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > DAY:
                shutil.rmtree(left, ignore_errors=True)


@contextmanager
def unpacked(file: Path, scratch: Path, first: str) -> Iterator[Path]:
    """The archive's content in a scratch folder; what reading it raises means that it is damaged.

    Args:
        first: what such an archive begins with; another one is not unpacked.

    Raises:
        NotFound: there is no such file.
        Damaged: it is not a whole back-up.
        Unavailable: there is no space, or no right, to unpack it.
    """
    if not file.exists():
        raise NotFound(f"There is no back-up {file}.", mend="Check the path.")
    try:
        with tarfile.open(file, "r:gz") as archive:
            archive.extractall(scratch, _fitting(archive, first, shutil.disk_usage(scratch).free), filter="data")
        yield scratch
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise Unavailable(
                f"{file} cannot be unpacked.", why=f"{error.strerror}.", mend="Check space and permissions."
            ) from error
        raise Damaged(f"{file} is not a whole back-up.", why=f"{error}.", mend="Take another copy.") from error


def _fitting(archive: tarfile.TarFile, first: str, room: int) -> Iterator[tarfile.TarInfo]:
    """The members, as long as they fit; a few bytes can unpack to more than any disk holds."""
    for number, member in enumerate(archive):
        if number == 0 and member.name != first:
            raise tarfile.TarError(f"it does not begin with {first}")
        room -= member.size
        if room < 0:
            raise OSError(errno.ENOSPC, f"{member.name} needs {-room:,} bytes more than are free")
        yield member


def add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    """Add a file that holds these bytes."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    archive.addfile(entry, io.BytesIO(data))


def add_folder(archive: tarfile.TarFile, folder: Path, name: str) -> None:
    """Add a folder and everything in it, the same bytes whoever does it and when."""
    archive.add(folder, name, filter=_plain)


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry
