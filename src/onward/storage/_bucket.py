"""Content-addressed things in a bucket: any file system that fsspec speaks to."""

from __future__ import annotations

import errno
import importlib
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, unquote

from onward.core import Damaged, InvalidInput, MissingExtra, NotFound, OnwardError, Unavailable, encode, masked

from ._content import ARTIFACTS, BYTES, FILES, MANIFEST, OWNER, is_name, key_of, no_artifact, nothing_stored
from ._folder import Folder
from ._manifest import Manifest, check_folder, read_manifest

EXTRAS: Final = {"s3": ("s3fs", "s3"), "s3a": ("s3fs", "s3"), "gs": ("gcsfs", "gcs"), "gcs": ("gcsfs", "gcs")}
PROTOCOL: Final = re.compile(r"[a-z][a-z0-9+.-]*")
USER: Final = re.compile(r"://[^/\s]*@")


class Bucket:
    """`Content` in a bucket, with a folder of copies of the artifacts that were asked for in the last day.

    An artifact's files are uploaded first and its manifest last: without the manifest there is no artifact. Dropping
    goes the other way round. An object store (S3, GCS, Azure, `memory://`) shows an upload whole or not at all;
    elsewhere (sftp, smb) bytes that were cut off are damaged until they are stored again, never handed out. What is
    listed may lag behind: only `names`, `artifacts` and the removal of leftovers rely on it. Storing and dropping the
    same content at the same time is for the callers to prevent, by a lease.
    """

    def __init__(self, files: Any, root: str, cache: Folder, url: str) -> None:
        self._files, self._root, self._cache, self._url = files, root.rstrip("/"), cache, url

    def read(self, name: str) -> bytes:
        return self._get(key_of(BYTES, name), nothing_stored(name))

    def write(self, name: str, data: bytes) -> None:
        self._put(f"{self._root}/{key_of(BYTES, name)}", data)

    def drop(self, name: str) -> None:
        self._remove(key_of(BYTES, name))

    def names(self) -> Iterator[str]:
        found = (key.rpartition("/")[2] for key in self._listed(BYTES))
        return iter(sorted({name for name in found if is_name(name)}))

    def store(self, name: str, manifest: Manifest, folder: Path) -> None:
        place = f"{self._root}/{key_of(ARTIFACTS, name)}"
        here, there = _pairs(manifest, folder, f"{place}/{FILES}")
        self._send(lambda: self._files.put(here, there), there)
        self._put(f"{place}/{MANIFEST}", encode(manifest))
        with suppress(Unavailable):  # it is stored; the copy can be fetched
            self._keep(name, manifest, folder)

    def manifest(self, name: str) -> Manifest:
        return read_manifest(self._get(f"{key_of(ARTIFACTS, name)}/{MANIFEST}", no_artifact(name)), name)

    def folder(self, name: str) -> Path:
        folder = self._copy(name)
        if folder is None:
            with self._cache.scratch() as scratch:
                self._keep(name, self._fetch(name, scratch), scratch / FILES)
            folder = self._cache.folder(name)
        with suppress(OSError):
            os.utime(folder.parent)
        return folder

    def verify_folder(self, name: str) -> None:
        with self._cache.scratch() as scratch:
            self._fetch(name, scratch)

    def drop_folder(self, name: str) -> None:
        place = key_of(ARTIFACTS, name)
        self._remove(f"{place}/{MANIFEST}")
        for key in self._listed(place):  # one by one: `rm` reads `*` in a path as a pattern
            with _asking(self._url), suppress(FileNotFoundError):
                self._files.rm_file(key)
        self._cache.drop_folder(name)

    def artifacts(self) -> Iterator[str]:
        found = (key.split("/") for key in self._listed(ARTIFACTS))
        return iter(sorted({parts[-2] for parts in found if parts[-1] == MANIFEST and is_name(parts[-2])}))

    def owner(self) -> str | None:
        try:
            return self._get(OWNER, nothing_stored(OWNER)).decode(errors="replace")
        except NotFound:
            return None

    def own(self, owner: str) -> None:
        self._put(f"{self._root}/{OWNER}", owner.encode())

    def age(self, name: str) -> float | None:
        for key in (key_of(BYTES, name), f"{key_of(ARTIFACTS, name)}/{MANIFEST}"):
            with _asking(self._url), suppress(FileNotFoundError, NotImplementedError):
                stored: datetime = self._files.modified(f"{self._root}/{key}")
                return max(0.0, time.time() - (stored if stored.tzinfo else stored.replace(tzinfo=UTC)).timestamp())
        return None

    def _copy(self, name: str) -> Path | None:
        """A whole copy on this machine; a damaged one is removed."""
        try:
            return self._cache.folder(name)
        except NotFound:
            return None
        except Damaged:
            self._cache.drop_folder(name)
            return None

    def _keep(self, name: str, manifest: Manifest, folder: Path) -> None:
        self._cache.store(name, manifest, folder)
        self._cache.sweep_artifacts()

    def _fetch(self, name: str, scratch: Path) -> Manifest:
        """Download an artifact to scratch/files and verify it."""
        manifest = self.manifest(name)
        folder, place = scratch / FILES, f"{self._root}/{key_of(ARTIFACTS, name)}/{FILES}"
        here, there = _pairs(manifest, folder, place)
        with _asking(self._url):
            for parent in (folder, *(Path(file).parent for file in here)):
                parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                self._files.get(there, here)
            except FileNotFoundError:
                raise Damaged(f"A file of artifact {name} is missing.", mend="Restore a back-up.") from None
        check_folder(folder, manifest)
        return manifest

    def _get(self, key: str, missing: NotFound) -> bytes:
        with _asking(self._url):
            try:
                data: bytes = self._files.cat_file(f"{self._root}/{key}")
            except FileNotFoundError:
                raise missing from None
        return data

    def _put(self, key: str, data: bytes) -> None:
        self._send(lambda: self._files.pipe_file(key, data), [key])

    def _send(self, send: Callable[[], object], keys: list[str]) -> None:
        """Upload; where folders have to exist, make them first."""
        with _asking(self._url):
            try:
                send()
            except FileNotFoundError:
                self._make_parents(keys)
                send()

    def _make_parents(self, keys: list[str]) -> None:
        """The root is never made: a misspelt bucket must not become a new one."""
        if not self._files.isdir(self._root):
            raise Unavailable(f"{hidden(self._url)} does not exist.", mend="Make it first, or mend the URL.") from None
        for parent in {key.rpartition("/")[0] for key in keys}:
            self._files.makedirs(parent, exist_ok=True)

    def _remove(self, key: str) -> None:
        with _asking(self._url), suppress(FileNotFoundError):
            self._files.rm_file(f"{self._root}/{key}")

    def _listed(self, kind: str) -> list[str]:
        with _asking(self._url), suppress(FileNotFoundError):
            found: list[str] = self._files.find(f"{self._root}/{kind}")
            return found
        return []


@contextmanager
def _asking(url: str) -> Iterator[None]:
    try:
        yield
    except OnwardError:
        raise
    except Exception as error:  # noqa: BLE001 - the file systems' errors have no base in common
        raise unavailable(url, error) from None  # what it chains may hold a key


def open_bucket(url: str, cache: Path) -> Bucket:
    """Content under an fsspec URL, such as `s3://bucket/path`. Nothing is asked of it yet.

    Args:
        url: keys in it are used, and shown by no error; better leave them to the environment.
        cache: a local folder for copies of artifacts.

    Raises:
        InvalidInput: the URL names no bucket, or its protocol is unknown.
        MissingExtra: what speaks the protocol is not installed.
        Unavailable: it cannot be opened, or there is no place for copies.
    """
    protocol, _, path = url.partition("://")
    if not path.strip("/") or not PROTOCOL.fullmatch(protocol):
        raise InvalidInput(f"{hidden(url)!r} names no bucket.", mend="Write s3://bucket/path")
    fsspec = _fsspec(protocol)
    with _asking(url):
        files, root = fsspec.url_to_fs(url, skip_instance_cache=True, use_listings_cache=False)
    return Bucket(files, root, Folder(cache), url)


def _pairs(manifest: Manifest, folder: Path, place: str) -> tuple[list[str], list[str]]:
    """Each file's path here and its key there; quoted, since `?`, `#` and `*` mean something to some file systems."""
    return [str(folder / path) for path in manifest.files], [f"{place}/{quote(path)}" for path in manifest.files]


def hidden(url: str) -> str:
    """A bucket's URL without user, key and query.

    >>> hidden("s3://key:secret@host/bucket?token=1")
    's3://***@host/bucket'
    """
    return USER.sub("://***@", url.partition("?")[0])


def unavailable(url: str, error: Exception) -> Unavailable:
    """What an error of a bucket means, with none of the URL's secrets in it."""
    why = masked(USER.sub("://***@", f"{type(error).__name__}: {error}"))
    for secret in _secrets(url):
        why = why.replace(secret, "***")
    full = isinstance(error, OSError) and error.errno == errno.ENOSPC
    mend = "Free space on this machine." if full else "Check the URL, the credentials, their rights and the network."
    return Unavailable(f"{hidden(url)} cannot be used.", why=why.rstrip(".") + ".", mend=mend)


def _secrets(url: str) -> list[str]:
    rest = url.partition("://")[2]
    user = rest.rpartition("@")[0].replace("@", ":").split(":")
    query = [value for _, value in parse_qsl(url.partition("?")[2])]
    return [secret for part in (*user, *query) for secret in (part, unquote(part)) if secret]


def _fsspec(protocol: str) -> Any:
    """The library, which knows and can speak the protocol."""
    try:
        fsspec = importlib.import_module("fsspec")
    except ImportError as error:
        raise MissingExtra("fsspec", "bucket") from error
    try:
        fsspec.get_filesystem_class(protocol)
    except ValueError as error:
        raise InvalidInput(
            f"{protocol}:// is no bucket.",
            mend="Name one that fsspec speaks to.",
            options=fsspec.available_protocols(),
        ) from error
    except ImportError as error:
        if protocol in EXTRAS:
            raise MissingExtra(*EXTRAS[protocol]) from error
        raise InvalidInput(f"{protocol}:// cannot be spoken here.", mend=f"{error}.") from error
    return fsspec
