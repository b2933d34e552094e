"""One JSON file with a hash over what it holds, written in whole or not at all."""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from onward.core import Damaged, InvalidInput, NotFound, Unavailable, content_hash, decode, encode
from onward.storage import sync

T = TypeVar("T")
FORMAT: Final = "onward strategies 1"


def write(path: Path, card: Any) -> Path:
    """Durable when it returns.

    Raises:
        Unavailable: it cannot be written; what stood there stays.
    """
    body = encode(card).decode()
    part = path.parent / f".{path.name}.{secrets.token_hex(8)}"
    try:
        part.write_bytes(encode({"format": FORMAT, "hash": content_hash(body), "card": body}))
        sync(part)
        part.replace(path)
        sync(path.parent)
    except OSError as error:
        why = f"{error.strerror or error}."
        raise Unavailable(f"{path} cannot be written.", why=why, mend="Choose another file.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return path


def read(path: Path, kind: type[T]) -> T:
    """What was written; nothing in it is executed.

    Raises:
        NotFound: there is no such file.
        Damaged: it is not what was written.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise NotFound(f"There is no file {path}.", mend="Save one there first.") from error
    except OSError as error:
        raise _damaged(path, f"{error}.") from error
    frame = decode(data, dict[str, str])
    body = frame.get("card", "")
    if frame.get("format") != FORMAT or frame.get("hash") != content_hash(body):
        raise _damaged(path, "Its format or its hash is another.")
    try:
        return decode(body, kind)
    except InvalidInput as error:  # a value out of range
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, why: str) -> Damaged:
    return Damaged(f"{path} holds no experience.", why=why, mend="Restore a back-up.")
