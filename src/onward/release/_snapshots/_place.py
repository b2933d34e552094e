"""Where files stand under names: a folder, or a bucket through fsspec."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any, Final, Protocol

from onward.core import InvalidInput, MissingExtra, NotFound, OnwardError, Unavailable
from onward.storage import EXTRAS, folder_of, hidden, sync

UNFINISHED: Final = "unfinished"
NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS)
"""What FAT and some network disks answer to a hard link."""


class BackupPlace(Protocol):
    """Files under relative names ("chunks/ab/abcd"). A file appears whole or not at all.

    Durability: what `write` and `write_new` stored is durable once `settle` returned. Safe to use from several
    processes at once; the last `write` of a name stands.
    """

    @property
    def where(self) -> str:
        """The place as its user names it."""
        ...

    def write(self, name: str, data: bytes) -> None:
        """Store a file, instead of what stood there."""
        ...

    def write_new(self, name: str, data: bytes) -> None:
        """Store a file unless there is one under that name."""
        ...

    def settle(self) -> None:
        """Make everything that was written durable."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of a file.

        Raises:
            NotFound: there is none under that name.
            Unavailable: it cannot be read.
        """
        ...

    def names(self, under: str) -> list[str]:
        """The names of the files in a folder and below, in order."""
        ...

    def drop(self, name: str) -> None:
        """Remove a file; nothing happens where there is none."""
        ...


def open_place(target: str | Path) -> BackupPlace:
    """The place that a folder's path or an fsspec URL (s3://bucket/path, gs://, memory://) names.

    Raises:
        MissingExtra: fsspec, or what it needs for that URL, is not installed.
        InvalidInput: no such kind of URL is known.
    """
    if isinstance(target, str) and "://" in target and not target.startswith("file:"):
        return BackupBucket(target)
    return BackupFolder(folder_of(target).expanduser().absolute())


class BackupFolder:
    """A place on a disk, readable by its owner only."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._touched: set[Path] = set()

    @property
    def where(self) -> str:
        return str(self._root)

    def write(self, name: str, data: bytes) -> None:
        with self._unfinished(name, data) as (unfinished, file):
            unfinished.rename(file)

    def write_new(self, name: str, data: bytes) -> None:
        with self._unfinished(name, data) as (unfinished, file), suppress(FileExistsError):
            try:
                os.link(unfinished, file)
            except OSError as error:
                if error.errno not in NO_LINKS:
                    raise
                if not file.exists():  # not for sure: whoever relies on it looks again, as in a bucket
                    unfinished.rename(file)

    @contextmanager
    def _unfinished(self, name: str, data: bytes) -> Iterator[tuple[Path, Path]]:
        file = self._root / name
        unfinished = self._root / UNFINISHED / secrets.token_hex(8)
        with _explained(self.where):
            for folder in (unfinished.parent, file.parent):
                self._make(folder)
            try:
                with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as opened:
                    opened.write(data)
                    opened.flush()
                    os.fsync(opened.fileno())
                yield unfinished, file
            finally:
                unfinished.unlink(missing_ok=True)
            self._touched.add(file.parent)

    def _make(self, folder: Path) -> None:
        if not folder.is_dir():
            if folder != self._root:
                self._make(folder.parent)
            folder.mkdir(mode=0o700, parents=folder == self._root, exist_ok=True)
            self._touched.add(folder.parent)

    def settle(self) -> None:
        with _explained(self.where):
            while self._touched:
                sync(self._touched.pop())

    def read(self, name: str) -> bytes:
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise _missing(name, self.where) from error
        except OSError as error:
            raise _unreadable(name, self.where, error) from error

    def names(self, under: str) -> list[str]:
        found = (path for path in (self._root / under).rglob("*") if path.is_file())
        return sorted(path.relative_to(self._root).as_posix() for path in found)

    def drop(self, name: str) -> None:
        with _explained(self.where):
            (self._root / name).unlink(missing_ok=True)


class BackupBucket:
    """A place behind an fsspec URL; storing a file is one step there. What the URL holds of secrets is never told."""

    def __init__(self, url: str) -> None:
        self._files, self._root = _file_system(url)
        self._where = hidden(url)

    @property
    def where(self) -> str:
        return self._where

    def write(self, name: str, data: bytes) -> None:
        with self._explained():
            self._files.makedirs(self._path(str(PurePosixPath(name).parent)), exist_ok=True)
            self._files.pipe_file(self._path(name), data)

    def write_new(self, name: str, data: bytes) -> None:
        with self._explained():
            there = self._files.exists(self._path(name))
        if not there:
            self.write(name, data)

    def settle(self) -> None:
        """A bucket has acknowledged what was written already."""

    def read(self, name: str) -> bytes:
        with self._explained():
            try:
                return bytes(self._files.cat_file(self._path(name)))
            except (FileNotFoundError, NotADirectoryError) as error:
                raise _missing(name, self.where) from error

    def names(self, under: str) -> list[str]:
        with self._explained():
            self._files.invalidate_cache()
            found = self._files.find(self._path(under))
        start = len(self._root.strip("/")) + 1
        return sorted(path.strip("/")[start:] for path in found)

    def drop(self, name: str) -> None:
        with self._explained(), suppress(FileNotFoundError):
            self._files.rm_file(self._path(name))

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except OnwardError:
            raise
        except Exception as error:  # noqa: BLE001 - every library behind fsspec has its own; they may tell the URL
            raise Unavailable(
                f"{self.where} cannot be used.",
                why=f"{type(error).__name__}.",
                mend="Check the URL, the credentials, their rights and the network.",
            ) from None


def _file_system(url: str) -> tuple[Any, str]:
    protocol = url.partition("://")[0]
    try:
        from fsspec.core import url_to_fs  # type: ignore[import-untyped]

        files, root = url_to_fs(url)
    except ImportError as error:
        raise MissingExtra(*EXTRAS.get(protocol, ("fsspec", "bucket"))) from error
    except ValueError as error:
        raise InvalidInput(f"{protocol}:// is no place for back-ups.", mend="Give a folder, or s3://") from error
    return files, str(root).rstrip("/")


def _missing(name: str, where: str) -> NotFound:
    return NotFound(f"There is no {name} in {where}.", mend="Check the place, or take another copy of it.")


def _unreadable(name: str, where: str, error: OSError) -> Unavailable:
    return Unavailable(f"{name} in {where} cannot be read.", why=f"{error.strerror or error}.", mend="Mend its rights.")


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(
            f"{where} cannot be written.", why=f"{error.strerror or error}.", mend="Check space and permissions."
        ) from error


def free_space(folder: Path) -> int:
    """Bytes that can be written beside a folder, which may not exist yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
