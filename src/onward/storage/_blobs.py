"""The file side of a workspace: bytes and folders under the hash of their content, verified when read."""

from __future__ import annotations

import gzip
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onward.core import Damaged, NotFound, Unavailable, content_hash, decode, encode, file_hash

MANIFEST: Final = "MANIFEST.json"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of an artifact: SHA-256 (hex) and size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a stored folder holds: relative path -> entry. Its own hash names the folder."""

    files: Mapping[str, FileEntry]


class Blobs:
    """A folder of immutable, content-addressed things. Safe to share between threads and processes.

    Durability: what `put` and `put_folder` return is on disk (fsync of files and folders, then one rename); a crash
    before leaves only a temporary folder, which `sweep` removes. Storing the same content twice stores it once.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bytes, self._folders, self._scratch = root / "blobs", root / "artifacts", root / "scratch"
        with _explained(root):
            for folder in (self._bytes, self._folders, self._scratch):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def put(self, data: bytes) -> str:
        """Store bytes (compressed); return the hash of their content."""
        name = content_hash(data)
        target = self._place(self._bytes, name)
        if not target.exists():
            with _explained(self.root), self.scratch() as scratch:
                file = scratch / name
                file.write_bytes(gzip.compress(data, compresslevel=3, mtime=0))
                _publish(file, target)
        return name

    def get(self, name: str) -> bytes:
        """The bytes under a hash.

        Raises:
            NotFound: nothing is stored under it.
            Damaged: what is stored is not what was put.
        """
        file = self._place(self._bytes, name)
        try:
            data = gzip.decompress(file.read_bytes())
        except FileNotFoundError as error:
            raise NotFound(f"Nothing is stored under {name}.", mend="Restore a back-up.") from error
        except (OSError, EOFError) as error:
            raise Damaged(f"{file} cannot be read.", why=f"{error}.", mend="Restore a back-up.") from error
        if content_hash(data) != name:
            raise Damaged(f"{file} was changed after it was stored.", mend="Restore a back-up.")
        return data

    def put_folder(self, folder: Path) -> str:
        """Move a finished folder in; return the hash of its manifest. `folder` is gone afterwards."""
        manifest = _manifest(folder)
        name = content_hash(manifest)
        target = self._place(self._folders, name)
        with _explained(self.root):
            if target.exists():
                shutil.rmtree(folder)
            else:
                (folder / MANIFEST).write_bytes(encode(manifest))
                _publish(folder, target)
        return name

    def folder(self, name: str) -> Path:
        """The folder under a hash, every file of it verified.

        Raises:
            NotFound: nothing is stored under it (retention may have dropped it).
            Damaged: a file is missing, added, or has another size or hash.
        """
        folder = self._place(self._folders, name)
        if not folder.is_dir():
            raise NotFound(f"No artifact is stored under {name}.", mend="Restore a back-up, or train anew.")
        stored = _read_manifest(folder)
        if content_hash(stored) != name or _manifest(folder) != stored:
            raise Damaged(f"Artifact {folder} was changed after it was stored.", mend="Restore a back-up.")
        return folder

    def drop_folder(self, name: str) -> None:
        """Remove an artifact; nothing happens where there is none."""
        shutil.rmtree(self._place(self._folders, name), ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder on the same disk, removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            yield Path(folder)

    def workbench(self, name: str) -> Path:
        """A folder that survives interruption, for what is not finished; `clear_workbench` removes it."""
        folder = self.root / "cycles" / name
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def clear_workbench(self, name: str) -> None:
        """Remove a workbench; nothing happens where there is none."""
        shutil.rmtree(self.root / "cycles" / name, ignore_errors=True)

    def _place(self, under: Path, name: str) -> Path:
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise NotFound(f"{name!r} is not a content hash.", mend="Give the 64 hexadecimal digits.")
        return under / name[:2] / name


def _manifest(folder: Path) -> Manifest:
    files = sorted(path for path in folder.rglob("*") if not path.is_dir())
    entries = {}
    for path in files:
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink():
            raise Damaged(f"{path} is a link.", why="An artifact holds plain files only.", mend="Restore a back-up.")
        if relative != MANIFEST:
            entries[relative] = FileEntry(file_hash(path), path.stat().st_size)
    return Manifest(entries)


def _read_manifest(folder: Path) -> Manifest:
    try:
        return decode((folder / MANIFEST).read_bytes(), Manifest)
    except OSError as error:
        raise Damaged(f"{folder} has no readable manifest.", why=f"{error}.", mend="Restore a back-up.") from error


def _publish(source: Path, target: Path) -> None:
    """Make a finished file or folder durable, then visible in one step. Losing a race to the same content is fine."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    for path in (source, *(source.rglob("*") if source.is_dir() else ())):
        path.chmod(0o700 if path.is_dir() else 0o600)
        _sync(path)
    try:
        source.rename(target)
    except OSError:
        if not target.exists():
            raise
    _sync(target.parent)
    _sync(target.parent.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _explained(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{root} cannot be written.", why=f"{error.strerror}.", mend="Check free space and permissions."
        ) from error
