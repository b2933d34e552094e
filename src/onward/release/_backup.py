"""One model version as one compressed file: to keep elsewhere, and to bring back."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from onward.core import ModelVersion, decode, encode
from onward.storage import Blobs

from ._archive import add_bytes, add_folder, unpacked, written

RECORD: Final = "version.json"


def back_up(version: ModelVersion, blobs: Blobs, target: Path) -> Path:
    """Write `target`/onward-v<number>-<hash>.tar.gz, whole or not at all; return its path.

    Raises:
        NotFound, Damaged: the version's artifact is gone or was changed.
        Unavailable: the folder cannot be written.
    """
    folder = blobs.folder(version.artifact)
    file = target / f"onward-v{version.number}-{version.artifact[:12]}.tar.gz"
    with written(file) as archive:
        add_bytes(archive, RECORD, encode(version))
        add_folder(archive, folder, "artifact")
    return file


def read_back_up(file: Path, blobs: Blobs) -> ModelVersion:
    """Bring a back-up's artifact into the blobs, verified; return the version it is of.

    Raises:
        NotFound: there is no such file.
        Damaged: it is not a whole, unchanged back-up.
        Unavailable: there is no space, or no right, to unpack it.
    """
    with blobs.scratch() as scratch, unpacked(file, scratch, RECORD) as folder:
        version = decode((folder / RECORD).read_bytes(), ModelVersion)
        blobs.put_folder(folder / "artifact", expected=version.artifact)
    return version
