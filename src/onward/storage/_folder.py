"""Content-addressed things in a local folder: written aside, made durable, then renamed."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from onward.core import Damaged, Unavailable, encode

from ._content import ARTIFACTS, BYTES, FILES, MANIFEST, OWNER, is_name, key_of, no_artifact, nothing_stored
from ._manifest import Manifest, check_folder, read_manifest

SCRATCH_SECONDS: Final = 86_400.0


class Folder:
    """`Content` in a folder. A crash leaves only a temporary folder, removed a day later when this is next opened."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._bytes, self._folders, self._scratch = root / BYTES, root / ARTIFACTS, root / "scratch"
        with explained(root):
            if not root.exists():
                root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self._bytes, self._folders, self._scratch):
                folder.mkdir(mode=0o700, exist_ok=True)
            sweep(self._scratch)

    def read(self, name: str) -> bytes:
        file = self.root / key_of(BYTES, name)
        try:
            return file.read_bytes()
        except FileNotFoundError as error:
            raise nothing_stored(name) from error
        except OSError as error:
            raise Damaged(f"{file} cannot be read.", why=f"{error}.", mend="Restore a back-up.") from error

    def write(self, name: str, data: bytes) -> None:
        target = self.root / key_of(BYTES, name)
        with explained(self.root), self.scratch() as scratch:
            file = scratch / name
            file.write_bytes(data)
            _publish(file, target)

    def drop(self, name: str) -> None:
        file = self.root / key_of(BYTES, name)
        with explained(self.root), suppress(FileNotFoundError):
            file.unlink()
            sync(file.parent)

    def names(self) -> Iterator[str]:
        return self._listed(self._bytes)

    def store(self, name: str, manifest: Manifest, folder: Path) -> None:
        target = self.root / key_of(ARTIFACTS, name)
        with explained(self.root), self.scratch() as scratch:
            artifact = scratch / name
            artifact.mkdir()
            shutil.move(folder, artifact / FILES)
            (artifact / MANIFEST).write_bytes(encode(manifest))
            _publish(artifact, target)

    def manifest(self, name: str) -> Manifest:
        place = self.root / key_of(ARTIFACTS, name)
        if not os.path.lexists(place):
            raise no_artifact(name)
        try:
            return read_manifest((place / MANIFEST).read_bytes(), name)
        except OSError as error:
            raise Damaged(f"{place} cannot be read.", why=f"{error}.", mend="Restore a back-up.") from error

    def folder(self, name: str) -> Path:
        manifest = self.manifest(name)
        folder = self.root / key_of(ARTIFACTS, name) / FILES
        check_folder(folder, manifest)
        return folder

    def verify_folder(self, name: str) -> None:
        self.folder(name)

    def drop_folder(self, name: str) -> None:
        folder = self.root / key_of(ARTIFACTS, name)
        with explained(self.root), suppress(FileNotFoundError):
            aside = folder.rename(self._scratch / f"dropped-{secrets.token_hex(8)}")
            sync(folder.parent)
            _remove(aside)

    def artifacts(self) -> Iterator[str]:
        return self._listed(self._folders)

    def owner(self) -> str | None:
        with explained(self.root), suppress(FileNotFoundError):
            return (self.root / OWNER).read_bytes().decode(errors="replace")
        return None

    def own(self, owner: str) -> None:
        with explained(self.root), self.scratch() as scratch:
            (scratch / OWNER).write_bytes(owner.encode())
            _publish(scratch / OWNER, self.root / OWNER)

    def age(self, name: str) -> float | None:
        for place in (self.root / key_of(BYTES, name), self.root / key_of(ARTIFACTS, name)):
            with suppress(OSError):
                return max(0.0, time.time() - place.stat().st_mtime)
        return None

    def sweep_artifacts(self) -> None:
        """Remove the artifacts that were last touched more than a day ago: for copies of what is elsewhere."""
        with explained(self.root):
            for group in self._folders.iterdir():
                sweep(group)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary folder on the same disk, removed afterwards; what cannot be removed is a day later."""
        with explained(self.root):
            made = tempfile.TemporaryDirectory(dir=self._scratch, ignore_cleanup_errors=True)
        with made as folder:
            yield Path(folder)

    def _listed(self, under: Path) -> Iterator[str]:
        with explained(self.root):
            yield from sorted(path.name for path in under.glob("??/*") if is_name(path.name))


def sweep(folder: Path) -> None:
    """Remove what nobody has touched for a day."""
    for left in folder.iterdir():
        with suppress(FileNotFoundError):
            if time.time() - left.stat().st_mtime > SCRATCH_SECONDS:
                _remove(left)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink()


def _publish(source: Path, target: Path) -> None:
    """Make a finished file or folder durable, then visible in one step. Losing a race to the same content is fine."""
    target.parent.mkdir(mode=0o700, exist_ok=True)
    for path in (source, *(source.rglob("*") if source.is_dir() else ())):
        path.chmod(0o700 if path.is_dir() else 0o600)
        sync(path)
    try:
        source.rename(target)
    except OSError:
        if not (source.is_dir() and target.is_dir()):
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
def explained(root: Path) -> Iterator[None]:
    """Say what an error of the file system means for a folder.

    Raises:
        Unavailable: instead of any OSError.
    """
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{root} cannot be written.", why=f"{error.strerror}.", mend="Check free space and permissions."
        ) from error
