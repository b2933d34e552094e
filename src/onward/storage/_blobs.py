"""The file side of a workspace: bytes and folders under the hash of their content, verified when read."""

from __future__ import annotations

import gzip
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from onward.core import Damaged, InvalidInput, NotFound, Unavailable, content_hash

from ._bucket import open_bucket
from ._content import Content
from ._folder import Folder, explained
from ._folder import sync as sync
from ._manifest import Manifest, manifest_of

GZIP: Final = 31  # what zlib calls a gzip header
LARGEST: Final = 2**30  # bytes; what unpacks to more than any data set is no data set


class Blobs:
    """Immutable, content-addressed bytes and folders (artifacts). Safe to share between threads and processes.

    Durability: what `put` and `put_folder` return is on disk (fsync of files and folders, then one rename), or in the
    bucket (an artifact's files first, its manifest last); what was cut off before does not exist, and what it left is
    removed a day later (a folder) or by `drop_folder` (a bucket). Storing the same content twice stores it once; where
    what is stored is damaged, storing the content again mends it. Whoever drops content takes care, by a lease, that
    nobody stores the same at that time.

    Args:
        root: the local folder of what is unfinished, and of everything unless there is a bucket.
        bucket: an fsspec URL that holds bytes and artifacts (`s3://bucket/path`, `gs://bucket/path`), or another folder
            (`file:///mnt/shop`). Artifacts of a bucket are copied to `root`/cache when they are asked for, where those
            not asked for within a day are removed. Nothing is asked of the bucket until it is needed.

    Raises:
        InvalidInput: the bucket's URL names none.
        MissingExtra: what speaks its protocol is not installed.
        Unavailable: a folder cannot be written. So may every method, also where the bucket cannot be reached.
    """

    def __init__(self, root: Path, bucket: str | None = None) -> None:
        self.root, self.bucket = root, bucket
        self._near = Folder(root)
        self._content: Content = self._near if bucket is None else _content_at(bucket, root / "cache")
        self._owner: str | None = None
        self._unsure = False

    @property
    def owner(self) -> str | None:
        """The workspace whose content stands in the bucket, or else in the folder; `None` where nobody said."""
        return self._content.owner()

    def belong(self, owner: str) -> None:
        """Store and drop for one workspace only: two in one folder or bucket would drop what the other needs.

        Where the bucket cannot be asked now, it is before anything is stored or dropped.

        Raises:
            InvalidInput: one of them holds another workspace's content.
        """
        self._owner, self._unsure = owner, True
        with suppress(Unavailable):
            self._check_owner()

    def _check_owner(self) -> None:
        if not self._unsure or self._owner is None:
            return
        for content in (self._near, self._content):
            if content.owner() is None:
                content.own(self._owner)
            if content.owner() != self._owner:  # asked again: two may have begun at once
                raise self._not_ours(content)
        self._unsure = False

    def _not_ours(self, content: Content) -> InvalidInput:
        near = content is self._near
        return InvalidInput(
            f"{f'The folder {self.root}' if near else 'The place for blobs'} belongs to another workspace.",
            why="Each of the two would drop what only the other needs.",
            mend=f"Give each workspace a place of its own: {'folder=FOLDER' if near else 'blobs=URL'}",
        )

    def put(self, data: bytes) -> str:
        """Store bytes (compressed); return the hash of their content."""
        self._check_owner()
        name = content_hash(data)
        if _wrong_with(self.verify, name) is not None:
            self._content.write(name, gzip.compress(data, compresslevel=3, mtime=0))
        return name

    def get(self, name: str) -> bytes:
        """The bytes under a hash.

        Raises:
            NotFound: nothing is stored under it.
            Damaged: what is stored is not what was put.
        """
        unpacked = zlib.decompressobj(wbits=GZIP)
        try:
            data = unpacked.decompress(self._content.read(name), LARGEST)
        except zlib.error as error:
            raise Damaged(
                f"What is stored under {name} cannot be read.", why=f"{error}.", mend="Restore a back-up."
            ) from error
        if not unpacked.eof or unpacked.unused_data or content_hash(data) != name:
            raise Damaged(f"What is stored under {name} was changed.", mend="Restore a back-up.")
        return data

    def verify(self, name: str) -> None:
        """Check stored bytes as `get` does, without handing them out."""
        self.get(name)

    def drop(self, name: str) -> None:
        """Remove bytes; nothing happens where there are none."""
        self._check_owner()
        self._content.drop(name)

    def names(self) -> Iterator[str]:
        """The hashes under which bytes are stored, in order, whole or damaged."""
        return self._content.names()

    def put_folder(self, folder: Path, expected: str | None = None) -> str:
        """Move a finished folder in; return the hash of its manifest. `folder` is gone afterwards.

        Files are kept under their paths, which must be printable and inside the folder; empty folders are not kept.

        Raises:
            Damaged: its hash is not the one expected, or it holds something that is no plain file; nothing is stored.
            Unavailable: the disk is full or read-only, or the bucket refuses.
        """
        with explained(folder):
            manifest = manifest_of(folder)
        name = content_hash(manifest)
        if expected not in (None, name):
            raise Damaged(f"{folder} does not hold artifact {expected}.", mend="Take another copy.")
        self._check_owner()
        wrong = _wrong_with(self.verify_folder, name)
        if isinstance(wrong, Damaged):
            self.drop_folder(name)
        if wrong is not None:
            _prune(folder)
            self._content.store(name, manifest, folder)
        shutil.rmtree(folder, ignore_errors=True)
        return name

    def folder(self, name: str) -> Path:
        """The folder under a hash, every file of it verified; with a bucket, a copy. Never change it.

        A copy that is whole is handed out without asking the bucket; `verify_folder` asks.

        Raises:
            NotFound: nothing is stored under it (retention may have dropped it).
            Damaged: a file is missing, added, or has another size or hash.
        """
        return self._content.folder(name)

    def manifest(self, name: str) -> Manifest:
        """Path, hash and size of every file of an artifact; the manifest's own hash is checked, its files are not.

        Raises:
            NotFound: nothing is stored under it.
            Damaged: it was changed, or names a path that leads out of the artifact.
        """
        return self._content.manifest(name)

    def verify_folder(self, name: str) -> None:
        """Check every file of an artifact as `folder` does, where it is stored: with a bucket, it is downloaded."""
        self._content.verify_folder(name)

    def drop_folder(self, name: str) -> None:
        """Remove an artifact, which is gone in one step, and its copy; nothing happens where there is none."""
        self._check_owner()
        self._content.drop_folder(name)

    def artifacts(self) -> Iterator[str]:
        """The hashes under which artifacts are stored, in order, whole or damaged."""
        return self._content.artifacts()

    def age(self, name: str) -> float | None:
        """Seconds since bytes or an artifact were stored; `None`: there is nothing, or the bucket does not say."""
        return self._content.age(name)

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """A temporary local folder, removed afterwards."""
        with self._near.scratch() as folder:
            yield folder

    def workbench(self, name: str) -> Path:
        """A local folder that survives interruption, for what is not finished; `clear_workbench` removes it."""
        folder = self._bench(name)
        with explained(self.root):
            for each in (folder.parent, folder):
                each.mkdir(mode=0o700, exist_ok=True)
        return folder

    def clear_workbench(self, name: str) -> None:
        """Remove a workbench; nothing happens where there is none."""
        shutil.rmtree(self._bench(name), ignore_errors=True)

    def _bench(self, name: str) -> Path:
        if not name.replace("_", "").replace("-", "").isalnum():
            raise InvalidInput(f"{name!r} cannot name a workbench.", mend="Give letters, digits, `_` and `-`.")
        return self.root / "cycles" / name


def _content_at(url: str, cache: Path) -> Content:
    """A folder needs no copies, and no fsspec."""
    if url.startswith("file:///"):
        return Folder(Path(unquote(url.removeprefix("file://"))))
    return open_bucket(url, cache)


def _wrong_with(verify: Callable[[str], None], name: str) -> NotFound | Damaged | None:
    try:
        verify(name)
    except (NotFound, Damaged) as error:
        return error
    return None


def _prune(folder: Path) -> None:
    """Remove empty folders: no bucket holds them, and what is handed out is the same everywhere."""
    for path in sorted(folder.rglob("*"), reverse=True):
        with suppress(OSError):
            path.rmdir()
