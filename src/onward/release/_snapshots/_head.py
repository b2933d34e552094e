"""What a repository of snapshots must tell before anything in it can be read; it stands there twice."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from onward.core import Damaged, NotFound, content_hash, decode, encode

from ._place import BackupPlace
from ._seal import Lock, new_secret

FORMAT: Final = 1
HEADS: Final = ("repository.json", "repository.copy.json")


@dataclass(frozen=True, slots=True)
class Head:
    """What a place must tell before anything in it can be read.

    Args:
        id: of the repository.
        lock: wraps its key; `None` where nothing is encrypted.
        check: hash of the rest.
    """

    format: int
    id: str
    lock: Lock | None
    check: str = ""


def broken_heads(place: BackupPlace) -> list[str]:
    """The heads that are missing or damaged, while the other one is whole."""
    return [name for name in HEADS if _broken(place, name)]


def mend_head(place: BackupPlace, name: str) -> None:
    """Write a head again, from the other one.

    Raises:
        NotFound, Damaged: that is gone or damaged too.
    """
    place.write(name, encode(read_head(place)))
    place.settle()


def _broken(place: BackupPlace, name: str) -> bool:
    try:
        _read(place, name)
    except (Damaged, NotFound):
        return True
    return False


def begin(place: BackupPlace, passphrase: str | None) -> Head:
    """Make a place a repository; where another process was first, the head is that one's.

    Raises:
        Damaged: there are back-ups, without a head.
    """
    if place.names("snapshots") or place.names("chunks"):
        raise Damaged(f"{place.where} has lost its {HEADS[0]}.", mend="Take another copy of it, or another place.")
    lock = None if passphrase is None else new_secret(passphrase)[1]
    bare = Head(FORMAT, secrets.token_hex(16), lock)
    place.write_new(HEADS[0], encode(Head(bare.format, bare.id, bare.lock, content_hash(bare))))
    standing = _read(place, HEADS[0])  # another process may have been first
    place.write(HEADS[1], encode(standing))
    place.settle()
    return standing


def complete(place: BackupPlace, head: Head) -> None:
    """Write the second head where there is none: who began the repository may have been killed in between."""
    try:
        place.read(HEADS[1])
    except NotFound:
        place.write(HEADS[1], encode(head))
        place.settle()


def read_head(place: BackupPlace) -> Head:
    """The head of a repository, from whichever of its two files is whole.

    Raises:
        NotFound, Damaged: neither is.
    """
    for name in HEADS[:-1]:
        try:
            return _read(place, name)
        except (Damaged, NotFound):
            continue
    return _read(place, HEADS[-1])


def _read(place: BackupPlace, name: str) -> Head:
    head = decode(place.read(name), Head)
    if head.format != FORMAT or head.check != content_hash(Head(head.format, head.id, head.lock)):
        raise Damaged(
            f"{name} in {place.where} was changed, or is of a newer Onward.",
            mend="Take another copy, or update Onward.",
        )
    return head
