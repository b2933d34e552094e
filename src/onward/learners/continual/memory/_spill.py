"""Rows on disk: working files that are mapped into memory, and durable states that share what did not change."""

from __future__ import annotations

import fcntl
import os
import secrets
import tempfile
import weakref
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import IO, Any, Final

import numpy as np
import torch
from torch import Tensor

from onward.core import Busy, Damaged, InvalidInput, NotFound, OnwardError, content_hash, decode, encode
from onward.storage import explained, sync

CHUNK: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Column:
    """A column as it was kept.

    Args:
        dtype: torch's name of it.
        shape: of all rows together.
        chunks: SHA-256 of each stretch of rows; the names of their files.
    """

    dtype: str
    shape: tuple[int, ...]
    chunks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Card:
    """A state as it was kept."""

    columns: dict[str, Column]


class Spill:
    """The rows of one buffer in a folder of its own: others may read there, but only one writes at a time.

    While the buffer is at work its rows are in unnamed files there, mapped into memory: the system holds in RAM what
    is in use and there is room for, and they are gone with the process, however it ends. All their room is taken at
    once, so that a full disk is an error there and then. `keep` writes what changed since the last time: files of
    rows that are named by their hash, then a small file that names them, replaced in one step. A process that is
    killed meanwhile leaves every state that was kept before, and until `settle` says that another is durable, the one
    that was gone on from stays however many come.

    Args:
        folder: made where it is not there.
        snapshots: states whose rows stay.
    """

    def __init__(self, folder: Path, snapshots: int) -> None:
        self._folder, self._snapshots = folder, snapshots
        self._raw: dict[str, np.ndarray] = {}
        self._each: dict[str, int] = {}
        self._chunks: dict[str, list[str]] = {}
        self._lock: IO[bytes] | None = None
        self._latest = self._named = ""
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)

    def __reduce__(self) -> tuple[type[Spill], tuple[Path, int]]:
        """A copy is another writer: of one without rows yet.

        Raises:
            InvalidInput: there are rows.
        """
        if self._raw:
            raise InvalidInput(
                f"A buffer whose rows are in {self._folder} cannot be copied.",
                why="Both would write there.",
                mend="Make another with a folder of its own.",
            )
        return Spill, (self._folder, self._snapshots)

    def allocate(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Rows in a file that has no name.

        Raises:
            Unavailable: there is no room for them.
        """
        size = prod(shape) * dtype.itemsize
        if not size:
            return torch.empty(shape, dtype=dtype)
        with explained(self._folder), tempfile.TemporaryFile(dir=self._folder) as file:
            _reserve(file, size)
            raw = np.memmap(file, np.uint8, "r+", shape=(size,))
        return torch.from_numpy(raw).view(dtype).view(shape)

    def begin(self, columns: Mapping[str, Tensor]) -> None:
        """These are the columns from now on; none of their rows was kept."""
        self._raw = _bytes_of(columns)
        self._each = {name: max(1, CHUNK // max(1, _row_bytes(column))) for name, column in columns.items()}
        self._chunks = {name: [""] * -(-len(column) // self._each[name]) for name, column in columns.items()}

    def touch(self, slots: Tensor) -> None:
        """These rows are other than what was kept."""
        for name, each in self._each.items():
            for chunk in torch.unique(slots // each).tolist():
                self._chunks[name][chunk] = ""

    def keep(self, rows: Mapping[str, Tensor]) -> dict[str, Any]:
        """Make the rows in use durable; what finds them again.

        Raises:
            Unavailable: the folder cannot be written; what was kept stays.
            Busy: another buffer writes there.
        """
        with explained(self._folder):
            self._hold()
            columns = {name: self._kept_column(name, part) for name, part in rows.items()}
            sync(self._folder)
            body = encode(Card(columns))
            hash_ = content_hash(body)
            before = self._cards()
            if not before or not before[-1].stem.endswith(hash_):
                number = 1 + (int(before[-1].stem.split("-")[1]) if before else 0)
                self._write(f"rows-{number:012d}-{hash_}.json", body)
                sync(self._folder)
            self._latest = hash_
            self._drop(self._snapshots)
        return {"snapshot": hash_}

    def fill(self, columns: Mapping[str, Tensor], card: Card) -> None:
        """Read kept rows into columns, and go on from them.

        Raises:
            Damaged: they are not what was kept; nothing is changed here.
        """
        for name, raw in _bytes_of(columns).items():
            done = 0
            for hash_ in card.columns[name].chunks:
                data = self._chunk(hash_)
                raw[done : done + len(data)] = np.frombuffer(data, np.uint8)
                done += len(data)
        self.begin(columns)
        for name, column in card.columns.items():
            self._chunks[name][: len(column.chunks)] = column.chunks

    def find(self, said: Mapping[str, Any]) -> Card:
        """What `keep` answered with, looked up.

        Raises:
            NotFound: it was pruned since, or is of another folder.
            Damaged: it is not what was kept.
        """
        hash_ = said.get("snapshot")
        for path in self._cards():
            if path.stem.endswith(f"-{hash_}"):
                data = path.read_bytes()
                if content_hash(data) != hash_:
                    raise _damaged(path)
                self._named = str(hash_)
                return decode(data, Card)
        raise NotFound(
            f"{self._folder} does not hold the rows of this state.",
            why="They were pruned since, or are in another folder.",
            mend="Restore a later state, or keep more of them: snapshots=.",
        )

    def settle(self) -> None:
        """A durable record names the latest state: whoever is killed goes on from that, and from none before."""
        if self._named != self._latest:
            self._named = self._latest
            self._drop(self._snapshots)

    def prune(self) -> None:
        """Remove the rows of all states but the latest, whatever record names them.

        Raises:
            Busy: another buffer writes there.
        """
        self._named = ""
        self._drop(1)

    def _drop(self, count: int) -> None:
        """Remove the rows of all states but the latest and that which a durable record names."""
        self._hold()
        cards = self._cards()
        stay = {path for path in cards if self._named and path.stem.endswith(f"-{self._named}")} | set(cards[-count:])
        for path in cards:
            if path not in stay:
                path.unlink()
        try:
            held = [decode(path.read_bytes(), Card) for path in stay]
        except OnwardError:
            return  # what a damaged one names is not known
        named = {f"{hash_}.rows" for card in held for column in card.columns.values() for hash_ in column.chunks}
        for path in self._folder.iterdir():
            if path.suffix == ".part" or (path.suffix == ".rows" and path.name not in named):
                path.unlink()

    def _hold(self) -> None:
        """Be the only one who writes here, until this is no longer used or the process ends."""
        if self._lock is not None:
            return
        lock = (self._folder / "lock").open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.close()
            raise Busy(
                f"Another buffer writes to {self._folder}.",
                why="It would remove the rows of this one.",
                mend="Give each buffer a folder of its own, or let go of the other one.",
            ) from error
        self._lock = lock
        weakref.finalize(self, lock.close)

    def _cards(self) -> list[Path]:
        return sorted(self._folder.glob("rows-*.json"))

    def _kept_column(self, name: str, rows: Tensor) -> Column:
        chunks, each, width = self._chunks[name], self._each[name], _row_bytes(rows)
        for at in range(-(-len(rows) // each)):
            if not chunks[at] or not (self._folder / f"{chunks[at]}.rows").exists():  # it may have been pruned
                data = self._raw[name][at * each * width : min((at + 1) * each, len(rows)) * width].tobytes()
                hash_ = content_hash(data)
                self._write(f"{hash_}.rows", data)
                chunks[at] = hash_
        used = chunks[: -(-len(rows) // each)]
        return Column(str(rows.dtype).removeprefix("torch."), tuple(rows.shape), tuple(used))

    def _write(self, name: str, data: bytes) -> None:
        path, part = self._folder / name, self._folder / f"{secrets.token_hex(8)}.part"
        if path.exists():
            return
        try:
            part.write_bytes(data)
            sync(part)
            part.replace(path)
        finally:
            with suppress(OSError):
                part.unlink()

    def _chunk(self, hash_: str) -> bytes:
        path = self._folder / f"{hash_}.rows"
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _damaged(path) from error
        if content_hash(data) != hash_:
            raise _damaged(path)
        return data


def _bytes_of(columns: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The bytes of each column, to read and to write."""
    return {name: column.reshape(-1).view(torch.uint8).numpy() for name, column in columns.items()}


def _row_bytes(column: Tensor) -> int:
    return prod(column.shape[1:]) * column.element_size()


def _reserve(file: IO[bytes], size: int) -> None:
    """Take room on the disk, so that a later write into the mapped file cannot lack it."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file.fileno(), 0, size)
        return
    for done in range(0, size, CHUNK):
        file.write(bytes(min(CHUNK, size - done)))
    file.flush()


def _damaged(path: Path) -> Damaged:
    return Damaged(f"{path} is not what was stored.", why="Its hash is another.", mend="Restore a back-up.")
