"""A model version as one compressed file: to keep elsewhere, and to bring back."""

from __future__ import annotations

import errno
import io
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import Final

from onward.core import Damaged, ModelVersion, NotFound, Unavailable, decode, encode
from onward.storage import Blobs, sync

RECORD: Final = "version.json"
UNWRITABLE: Final = (errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.ENOSPC, errno.EROFS)


def back_up(version: ModelVersion, blobs: Blobs, target: Path) -> Path:
    """Write `target`/onward-v<number>-<hash>.tar.gz, whole or not at all; return its path.

    Raises:
        NotFound, Damaged: the version's artifact is gone or was changed.
        Unavailable: the folder cannot be written.
    """
    folder = blobs.folder(version.artifact)
    file = target / f"onward-v{version.number}-{version.artifact[:12]}.tar.gz"
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target, prefix=".unfinished-") as scratch:
            unfinished = Path(scratch) / file.name
            with tarfile.open(unfinished, "w:gz", compresslevel=6) as archive:
                _add(archive, RECORD, encode(version))
                archive.add(folder, "artifact", filter=_plain)
            unfinished.chmod(0o600)
            sync(unfinished)
            unfinished.rename(file)
        sync(target)
    except OSError as error:
        raise Unavailable(
            f"The back-up {file} cannot be written.", why=f"{error.strerror}.", mend="Check space and permissions."
        ) from error
    return file


def read_back_up(file: Path, blobs: Blobs) -> ModelVersion:
    """Bring a back-up's artifact into the blobs, verified; return the version it is of.

    Raises:
        NotFound: there is no such file.
        Damaged: it is not a whole, unchanged back-up.
        Unavailable: there is no space, or no right, to unpack it.
    """
    if not file.exists():
        raise NotFound(f"There is no back-up {file}.", mend="Check the path.")
    try:
        with tarfile.open(file, "r:gz") as archive, blobs.scratch() as scratch:
            archive.extractall(scratch, filter="data")
            version = decode((scratch / RECORD).read_bytes(), ModelVersion)
            blobs.put_folder(scratch / "artifact", expected=version.artifact)
    except (tarfile.TarError, EOFError, OSError, ValueError, OverflowError, zlib.error) as error:
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise Unavailable(
                f"{file} cannot be unpacked.", why=f"{error.strerror}.", mend="Check space and permissions."
            ) from error
        raise Damaged(f"{file} is not a whole back-up.", why=f"{error}.", mend="Take another copy.") from error
    return version


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    archive.addfile(entry, io.BytesIO(data))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry
