"""A place that holds snapshots and the chunks they name."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Final

from onward.core import Busy, Damaged, InvalidInput, NotFound, decode, encode

from ._head import Head, begin, complete, read_head
from ._place import UNFINISHED, BackupPlace, open_place
from ._records import Contents, FilePart, Snapshot, Stored
from ._seal import Plain, Seal, unlock

PIECE: Final = 4 * 2**20
"""Bytes of a chunk at most, before compression."""
LARGEST_LIST: Final = 2**30
SNAPSHOT_FILE: Final = re.compile(r"snapshots/([A-Za-z0-9_]+)\.snapshot")


class Repository:
    """Snapshots, and content that is stored once however many of them name it. Safe to use from several processes.

    A snapshot exists once its file does, which is written last. Every chunk and every snapshot is compressed and
    sealed; what comes back is verified against its seal and its name.
    """

    def __init__(self, place: BackupPlace, seal: Seal, identity: str) -> None:
        self.place, self._seal, self._identity = place, seal, identity
        self.written = 0
        self._known: set[str] | None = None

    @property
    def known(self) -> set[str]:
        """The names of the chunks that are stored."""
        if self._known is None:
            self._known = {name.rpartition("/")[2] for name in self.place.names("chunks")}
        return self._known

    def forget_known(self) -> None:
        """Look again, before something is decided by what is there."""
        self._known = None

    def put(self, data: bytes) -> str:
        """Store a chunk; return its name."""
        name = self._seal.name(data)
        if name not in self.known:
            closed = self._seal.close(zlib.compress(data, 6), name)
            self.place.write(chunk_file(name), closed)
            self.written += len(closed)
            self.known.add(name)
        return name

    def put_all(self, data: Iterable[bytes]) -> FilePart:
        """Store content of any length, given in pieces of any length, in as many chunks as it takes."""
        chunks, size = [], 0
        for piece in pieces(data):
            size += len(piece)
            chunks.append(self.put(piece))
        return FilePart(size, tuple(chunks))

    def get(self, name: str) -> bytes:
        """A chunk.

        Raises:
            NotFound, Damaged: it is gone, or not what was stored.
        """
        data = _inflate(self._seal.open(self.place.read(chunk_file(name)), name), PIECE, name)
        if self._seal.name(data) != name:
            raise Damaged(f"The chunk {name} holds something else.", mend="Take another copy, or snapshot.")
        return data

    def get_all(self, part: FilePart) -> Iterator[bytes]:
        """Content, chunk by chunk.

        Raises:
            NotFound, Damaged: a chunk is gone or changed, or together they are not as long as the snapshot says.
        """
        left = part.size
        for name in part.chunks:
            data = self.get(name)
            left -= len(data)
            if left < 0:
                break
            yield data
        if left:
            raise Damaged("A file of the snapshot is not as long as it says.", mend="Take another copy, or snapshot.")

    def add(self, snapshot: Snapshot, contents: Contents) -> None:
        """Make a snapshot exist.

        Raises:
            Busy: somebody began another repository at the same place at the same time, with another key.
            Damaged: somebody removed a chunk that it needs.
        """
        if read_head(self.place).id != self._identity:
            raise Busy(f"{self.place.where} was begun by two back-ups at once.", mend="Run this one again.")
        self.forget_known()
        gone = contents.chunks() - self.known
        if gone:
            raise Damaged(f"{len(gone)} chunks of the back-up are gone again.", mend="Run the back-up again.")
        self.place.settle()
        name = snapshot_file(snapshot.id)
        data = zlib.compress(encode(Stored(snapshot, contents)), 6)
        self.place.write(name, self._seal.close(data, name))
        self.place.settle()

    def sweep(self) -> None:
        """Remove what killed processes left half-written. Call while nobody else writes."""
        for name in self.place.names(UNFINISHED):
            self.place.drop(name)

    def ids(self) -> list[str]:
        """The ids of all snapshots, oldest first. What somebody else put beside them is none."""
        found = (SNAPSHOT_FILE.fullmatch(name) for name in self.place.names("snapshots"))
        return sorted(match[1] for match in found if match)

    def stored(self, snapshot: str) -> Stored:
        """A snapshot and its contents.

        Raises:
            NotFound, Damaged: there is none of that id, or it was changed.
        """
        return decode(self.opened(snapshot), Stored)

    def opened(self, snapshot: str) -> bytes:
        """A snapshot's list as it was written, whatever Onward it was that wrote it.

        Raises:
            NotFound, Damaged: there is none of that id, or it was changed.
        """
        name = snapshot_file(snapshot)
        return _inflate(self._seal.open(self.place.read(name), name), LARGEST_LIST, name)

    def snapshots(self) -> tuple[Snapshot, ...]:
        """All snapshots that can be read, oldest first."""
        return tuple(stored.snapshot for stored in self.readable())

    def readable(self, *, newest_first: bool = False) -> Iterator[Stored]:
        """Each snapshot with its contents, read as it is asked for, oldest first, without those that are damaged."""
        for name in sorted(self.ids(), reverse=newest_first):
            try:
                yield self.stored(name)
            except (Damaged, NotFound):
                continue


def open_repository(target: str | Path, passphrase: str | None = None, *, create: bool = False) -> Repository:
    """The repository at a folder's path or an fsspec URL; made, with `create`, where there is none.

    Args:
        passphrase: opens, or makes, an encrypted one.

    Raises:
        NotFound: there is none, and `create` is off.
        InvalidInput: the passphrase is wrong, or needed, or there is something else.
        Damaged: it cannot be read.
        MissingExtra: `cryptography` or fsspec is needed and not installed.
    """
    if passphrase == "":
        raise InvalidInput("The passphrase is empty.", mend="Give one, or none at all.")
    place = open_place(target)
    try:
        head = read_head(place)
    except NotFound:
        if not create:
            raise NotFound(
                f"There are no back-ups in {place.where}.", mend=f"Make one with: onward backup {place.where}"
            ) from None
        head = begin(place, passphrase)
    seal = _seal(head, passphrase, place.where)
    if create:
        complete(place, head)
    return Repository(place, seal, head.id)


def _seal(head: Head, passphrase: str | None, where: str) -> Seal:
    if head.lock is None and passphrase is None:
        return Plain()
    if head.lock is None:
        raise InvalidInput(
            f"{where} is not encrypted.",
            mend="Leave the passphrase out, or choose an empty place for an encrypted one.",
        )
    if passphrase is None:
        raise InvalidInput(
            f"{where} is encrypted.", mend="Give its passphrase: --passphrase-file FILE, or ONWARD_PASSPHRASE."
        )
    return unlock(head.lock, passphrase)


def pieces(data: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of `PIECE`, the last one shorter; none of an empty stream.

    >>> [len(piece) for piece in pieces([b"a" * PIECE, b"b"])] == [PIECE, 1]
    True
    """
    waiting = bytearray()
    for some in chain(data):
        waiting += some
        while len(waiting) >= PIECE:
            yield bytes(waiting[:PIECE])
            del waiting[:PIECE]
    if waiting:
        yield bytes(waiting)


def chunk_file(name: str) -> str:
    """Where a chunk stands.

    Raises:
        Damaged: that is no name of a chunk.
    """
    if len(name) != 64 or not set(name) <= set("0123456789abcdef"):
        raise Damaged(f"{name[:80]!r} is no name of a chunk.", mend="Take another copy, or snapshot.")
    return f"chunks/{name[:2]}/{name}"


def snapshot_file(snapshot: str) -> str:
    """Where a snapshot stands.

    Raises:
        NotFound: that is no id of a snapshot.
    """
    file = f"snapshots/{snapshot}.snapshot"
    if not SNAPSHOT_FILE.fullmatch(file):
        raise NotFound(f"{snapshot[:80]!r} is no snapshot.", mend="List them with: onward backup TARGET --list")
    return file


def _inflate(data: bytes, most: int, name: str) -> bytes:
    inflater = zlib.decompressobj()
    try:
        inflated = inflater.decompress(data, most)
    except zlib.error as error:
        raise Damaged(f"{name} cannot be read.", why=f"{error}.", mend="Take another copy, or snapshot.") from error
    if not inflater.eof or inflater.unused_data:
        raise Damaged(f"{name} is cut off, or larger than it may be.", mend="Take another copy, or snapshot.")
    return inflated
