"""A model version, or a whole workspace, as one compressed file: to keep elsewhere, and to bring back."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from onward.core import InvalidInput, ModelVersion, decode, encode
from onward.storage import Blobs, Storage, sync

from ._archive import add_bytes, add_folder, unpacked, written

RECORD: Final = "version.json"
FOLDERS: Final = ("blobs", "artifacts")
SETTINGS: Final = "onward.toml"


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
    with blobs.scratch() as scratch, unpacked(file, scratch) as folder:
        version = decode((folder / RECORD).read_bytes(), ModelVersion)
        blobs.put_folder(folder / "artifact", expected=version.artifact)
    return version


def back_up_workspace(storage: Storage, file: Path) -> Path:
    """Write everything of a workspace to one compressed file, whole or not at all, while it goes on working.

    The database is copied first, as of one moment; what it names is immutable and stored before it is named.

    Raises:
        Unavailable: the folder cannot be written.
    """
    with storage.blobs.scratch() as scratch, written(file) as archive:
        storage.database.copy(scratch / storage.database.file.name)
        add_folder(archive, scratch / storage.database.file.name, storage.database.file.name)
        for name in FOLDERS:
            add_folder(archive, storage.folder / name, name)
        if (storage.folder / SETTINGS).exists():
            add_folder(archive, storage.folder / SETTINGS, SETTINGS)
    return file


def restore_workspace(file: Path, folder: Path) -> Path:
    """Unpack a workspace's back-up into an empty or new folder, which appears whole or not at all; return it.

    Raises:
        NotFound: there is no such file.
        InvalidInput: the folder holds something.
        Damaged: it is not a whole back-up.
        Unavailable: there is no space, or no right, to unpack it.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InvalidInput(f"{folder} is not empty.", mend="Restore to an empty or a new folder.")
    unfinished = folder.with_name(f".{folder.name}-unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    try:
        with unpacked(file, unfinished):
            for path in (unfinished, *unfinished.rglob("*")):
                path.chmod(0o700 if path.is_dir() else 0o600)
                sync(path)
            unfinished.rename(folder)
            sync(folder.parent)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder
