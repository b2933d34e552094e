"""The file side of a workspace: bytes and folders under the hash of their content, verified when read."""

from __future__ import annotations

import gzip
import os
import secrets
import shutil
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onward.core import Damaged, InvalidInput, NotFound, Unavailable, content_hash, decode, encode, file_hash

MANIFEST: Final = "MANIFEST.json"
FILES: Final = "files"
SCRATCH_SECONDS: Final = 86_400.0


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
    before leaves only a temporary folder, which is removed a day later when the blobs are next opened. Storing the same
    content twice stores it once; where what is stored is damaged, storing the content again mends it.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bytes, self._folders, self._scratch = root / "blobs", root / "artifacts", root / "scratch"
        with _explained(root):
            for folder in (self._bytes, self._folders, self._scratch):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sweep()

    def _sweep(self) -> None:
        for left in self._scratch.iterdir():
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > SCRATCH_SECONDS:
                    shutil.rmtree(left, ignore_errors=True)

    def put(self, data: bytes) -> str:
        """Store bytes (compressed); return the hash of their content."""
        name = content_hash(data)
        target = self._place(self._bytes, name)
        if not _is_whole(self.get, name):
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
        except (OSError, EOFError, zlib.error) as error:
            raise Damaged(f"{file} cannot be read.", why=f"{error}.", mend="Restore a back-up.") from error
        if content_hash(data) != name:
            raise Damaged(f"{file} was changed after it was stored.", mend="Restore a back-up.")
        return data

    def put_folder(self, folder: Path, expected: str | None = None) -> str:
        """Move a finished folder in; return the hash of its manifest. `folder` is gone afterwards.

        Raises:
            Damaged: its hash is not the one expected, or it holds something that is no plain file; nothing is stored.
            Unavailable: the disk is full or read-only.
        """
        manifest = _manifest(folder)
        name = content_hash(manifest)
        if expected not in (None, name):
            raise Damaged(f"{folder} does not hold artifact {expected}.", mend="Take another copy.")
        target = self._place(self._folders, name)
        with _explained(self.root):
            if target.exists() and not _is_whole(self.folder, name):
                self.drop_folder(name)
            if not target.exists():
                with self.scratch() as scratch:
                    artifact = scratch / name
                    artifact.mkdir()
                    folder.rename(artifact / FILES)
                    (artifact / MANIFEST).write_bytes(encode(manifest))
                    _publish(artifact, target)
            shutil.rmtree(folder, ignore_errors=True)
        return name

    def folder(self, name: str) -> Path:
        """The folder under a hash, every file of it verified.

        Raises:
            NotFound: nothing is stored under it (retention may have dropped it).
            Damaged: a file is missing, added, or has another size or hash.
        """
        place = self._place(self._folders, name)
        if not place.is_dir():
            raise NotFound(f"No artifact is stored under {name}.", mend="Restore a back-up, or train anew.")
        folder = place / FILES
        try:
            stored = decode((place / MANIFEST).read_bytes(), Manifest)
            found = _manifest(folder)
        except OSError as error:
            raise Damaged(f"{folder} cannot be read.", why=f"{error}.", mend="Restore a back-up.") from error
        if content_hash(stored) != name or found != stored:
            raise Damaged(f"Artifact {folder} was changed after it was stored.", mend="Restore a back-up.")
        return folder

    def drop_folder(self, name: str) -> None:
        """Remove an artifact in one step; nothing happens where there is none."""
        folder = self._place(self._folders, name)
        with _explained(self.root), suppress(FileNotFoundError):
            aside = folder.rename(self._scratch / f"dropped-{secrets.token_hex(8)}")
            shutil.rmtree(aside, ignore_errors=True)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder on the same disk, removed afterwards."""
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            yield Path(folder)

    def workbench(self, name: str) -> Path:
        """A folder that survives interruption, for what is not finished; `clear_workbench` removes it."""
        folder = self._bench(name)
        with _explained(self.root):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder

    def clear_workbench(self, name: str) -> None:
        """Remove a workbench; nothing happens where there is none."""
        shutil.rmtree(self._bench(name), ignore_errors=True)

    def _bench(self, name: str) -> Path:
        if not name.replace("_", "").replace("-", "").isalnum():
            raise InvalidInput(f"{name!r} cannot name a workbench.", mend="Give letters, digits, `_` and `-`.")
        return self.root / "cycles" / name

    def _place(self, under: Path, name: str) -> Path:
        if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
            raise NotFound(f"{name!r} is not a content hash.", mend="Give the 64 hexadecimal digits.")
        return under / name[:2] / name


def _manifest(folder: Path) -> Manifest:
    paths = sorted(folder.rglob("*"))
    odd = [path for path in paths if path.is_symlink() or not (path.is_file() or path.is_dir())]
    if odd or folder.is_symlink() or not folder.is_dir():
        raise Damaged(
            f"{odd[0] if odd else folder} is a link or something else.",
            why="An artifact is a folder of plain files and folders only.",
            mend="Restore a back-up.",
        )
    files = [path for path in paths if path.is_file() and path != folder / MANIFEST]
    return Manifest(
        {path.relative_to(folder).as_posix(): FileEntry(file_hash(path), path.stat().st_size) for path in files}
    )


def _is_whole(read: Callable[[str], object], name: str) -> bool:
    try:
        read(name)
    except (NotFound, Damaged):
        return False
    return True


def _publish(source: Path, target: Path) -> None:
    """Make a finished file or folder durable, then visible in one step. Losing a race to the same content is fine."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    for path in (source, *(source.rglob("*") if source.is_dir() else ())):
        path.chmod(0o700 if path.is_dir() else 0o600)
        sync(path)
    try:
        source.rename(target)
    except OSError:
        if not target.exists():
            raise
    sync(target.parent)
    sync(target.parent.parent)


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's entries, survive a power cut (fsync)."""
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
