"""A folder of two files, JSON and tensors, replaced in one step: it is all of the old or all of the new.

Nothing is pickled.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from onward.core import Damaged, InvalidInput, NotFound, Unavailable, content_hash, convert, decode, encode, plain
from onward.storage import sync

T = TypeVar("T")
FORMAT: Final = 1
LEFT: Final = re.compile(r"(?P<one>[a-z]+)-[0-9a-f]{64}\.safetensors|\.(?P<other>[a-z]+)-[0-9a-f]{16}\.part")
"""What an older record, or one that was cut off, left behind."""


@dataclass(frozen=True, slots=True)
class Frame:
    """What the JSON file holds.

    Args:
        weights: SHA-256 of the file of tensors, which is in its name, too.
        card: everything that is no tensor; `hash` is its SHA-256.
    """

    format: int
    kind: str
    weights: str
    hash: str
    card: Any


def keep(folder: Path, kind: str, card: Any, tensors: Mapping[str, Tensor]) -> None:
    """Put them into a folder, over what was kept there; durable on return.

    The tensors go into a new file; then the JSON file that names it replaces the one before, in one step.

    Args:
        kind: of the record, and name of the JSON file.
        card: a record of JSON values.

    Raises:
        Unavailable: the folder cannot be written; what was kept there stays.
    """
    data, body = save(dict(tensors)), plain(card)
    frame = Frame(FORMAT, kind, content_hash(data), content_hash(body), body)
    weights = folder / f"{kind}-{frame.weights}.safetensors"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(weights, data, kind)
        _write(folder / f"{kind}.json", encode(frame), kind)
        for other in folder.iterdir():
            left = LEFT.fullmatch(other.name)
            if left and kind in left.groups() and other != weights:
                other.unlink()
    except OSError as error:
        raise _unwritable(folder, error) from error


def folder_of(given: Path | str) -> Path:
    """A folder, from its path.

    Raises:
        InvalidInput: it is none.
    """
    if not isinstance(given, str | Path):
        raise InvalidInput(f"folder is {given!r}.", mend="Give the path of a folder.")
    return Path(given)


def check_writable(folder: Path, kind: str) -> None:
    """Refuse a folder that `keep` could not write to; it is made where it is missing. Before hours of work, not after.

    Raises:
        Unavailable: nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        part = _part(folder, kind)
        part.write_bytes(b"tried")
        part.unlink()
    except OSError as error:
        raise _unwritable(folder, error) from error


def _unwritable(folder: Path, error: OSError) -> Unavailable:
    why = f"{error.strerror or error}."
    no_folder = isinstance(error, FileExistsError | NotADirectoryError)
    mend = "Give the path of a folder." if no_folder else "Check free space and permissions."
    return Unavailable(f"{folder} cannot be written.", why=why, mend=mend)


def _part(folder: Path, kind: str) -> Path:
    return folder / f".{kind}-{secrets.token_hex(8)}.part"


def _write(path: Path, data: bytes, kind: str) -> None:
    part = _part(path.parent, kind)
    try:
        part.write_bytes(data)
        sync(part)
        part.replace(path)
        sync(path.parent)
    finally:
        with suppress(OSError):
            part.unlink()


def is_kept(folder: Path, kind: str) -> bool:
    """Whether such a record was kept there."""
    return (folder / f"{kind}.json").is_file()


def kept(folder: Path, kind: str, card: type[T]) -> tuple[T, dict[str, Tensor]]:
    """What `keep` put into a folder; nothing in it is executed.

    Raises:
        NotFound: nothing of this kind is there.
        Damaged: it is not what was kept.
    """
    path = folder / f"{kind}.json"
    try:
        frame = decode(path.read_bytes(), Frame)
    except FileNotFoundError as error:
        raise NotFound(f"{folder} holds no {kind}.", mend="Name a folder where one was kept.") from error
    except OSError as error:
        raise _damaged(path, f"{error}.") from error
    if (frame.format, frame.kind) != (FORMAT, kind) or frame.hash != content_hash(frame.card):
        raise _damaged(path, "Its format or its hash is another.")
    try:
        data = (folder / f"{kind}-{frame.weights}.safetensors").read_bytes()
        if content_hash(data) != frame.weights:
            raise _damaged(path, "Its file of tensors was changed.")
        return convert(frame.card, card), load(data)
    except (OSError, SafetensorError, InvalidInput) as error:
        raise _damaged(path, f"{error}.") from error


def _damaged(path: Path, why: str) -> Damaged:
    return Damaged(f"{path} is not what was stored.", why=why, mend="Restore a back-up, or begin anew elsewhere.")
