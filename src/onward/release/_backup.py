"""A model version as one compressed file: to keep elsewhere, and to bring back."""

from __future__ import annotations

import io
import os
import tarfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Final

from onward.core import Damaged, ModelVersion, NotFound, Unavailable, decode, encode
from onward.storage import Blobs

RECORD: Final = "version.json"


def back_up(version: ModelVersion, blobs: Blobs, target: Path) -> Path:
    """Write `target`/onward-v<number>-<hash>.tar.gz, whole or not at all; return its path.

    Raises:
        NotFound, Damaged: the version's artifact is gone or was changed.
        Unavailable: the folder cannot be written.
    """
    folder = blobs.folder(version.artifact)
    file = target / f"onward-v{version.number}-{version.artifact[:12]}.tar.gz"
    unfinished = file.with_suffix(".part")
    try:
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        with unfinished.open("wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=6) as archive:
                _add(archive, RECORD, encode(version))
                archive.add(folder, "artifact", filter=_plain)
            raw.flush()
            os.fsync(raw.fileno())
        unfinished.chmod(0o600)
        unfinished.rename(file)
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
    """
    try:
        with tarfile.open(file, "r:gz") as archive, blobs.scratch() as scratch:
            archive.extractall(scratch, filter="data")
            version = decode((scratch / RECORD).read_bytes(), ModelVersion)
            stored = blobs.put_folder(scratch / "artifact")
    except FileNotFoundError as error:
        raise NotFound(f"{file} is not a back-up, or is not there.", mend="Check the path.") from error
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise Damaged(f"{file} is not a whole back-up.", why=f"{error}.", mend="Take another copy.") from error
    if stored != version.artifact:
        blobs.drop_folder(stored)
        raise Damaged(f"{file} was changed after it was written.", mend="Take another copy.")
    return replace(version, artifact=stored)


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), 0o600
    archive.addfile(entry, io.BytesIO(data))


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = ""
    entry.mtime = 0
    return entry
