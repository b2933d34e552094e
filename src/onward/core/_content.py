"""Canonical JSON, content hashes and ids: the one way records become bytes and come back."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
from collections import deque
from datetime import datetime
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import msgspec

from ._errors import Damaged, InvalidInput

T = TypeVar("T")
_LEARNING = threading.Lock()
_LEARNED: dict[type, Any] = {}

DRAWN_AT_ONCE: Final = 256
_RANDOM: Final[deque[str]] = deque()
os.register_at_fork(after_in_child=_RANDOM.clear)  # else parent and child would give the same ids


def encode(record: Any) -> bytes:
    """A record, or any JSON value, as canonical JSON: keys in order, no spaces, UTF-8.

    >>> encode({"b": 1, "a": (2,)})
    b'{"a":[2],"b":1}'
    """
    return msgspec.json.encode(record, order="deterministic")


def _decoder(kind: type[T]) -> msgspec.json.Decoder[T]:
    """One at a time: when two threads make msgspec learn the same dataclass at once, the process crashes."""
    with _LEARNING:
        if kind not in _LEARNED:
            _LEARNED[kind] = msgspec.json.Decoder(kind)
        return cast("msgspec.json.Decoder[T]", _LEARNED[kind])


def decode(data: bytes | str, kind: type[T]) -> T:
    """A record back from its JSON.

    Raises:
        Damaged: the bytes are not such a record.
    """
    try:
        return _decoder(kind).decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError, TypeError) as error:  # a damaged row may hold anything
        raise Damaged(
            f"Stored bytes are not a {getattr(kind, '__name__', kind)}.", why=f"{error}.", mend="Restore a back-up."
        ) from error


def convert(value: Any, kind: type[T]) -> T:
    """A record from plain dicts, lists, strings and numbers.

    Raises:
        InvalidInput: saying which field is wrong.

    >>> from onward.core import Labels
    >>> convert({"intent": "refund"}, Labels).intent
    'refund'
    """
    _decoder(kind)
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{error}.", mend="Correct that field.") from error


def to_body(record: Any) -> str:
    """A record as the JSON text that is stored, sure to be read back.

    Raises:
        InvalidInput: it holds something that JSON does not, e.g. a figure that is not a number.
    """
    try:
        text = encode(record).decode()
        _decoder(type(record)).decode(text)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidInput(
            f"This {type(record).__name__} cannot be stored: {error}.",
            mend="Put only strings, finite numbers, lists and dicts into records.",
        ) from error
    return text


def plain(record: Any) -> Any:
    """A record as plain dicts, lists, tuples, strings and numbers."""
    return msgspec.to_builtins(record)


def content_hash(value: Any) -> str:
    """SHA-256 (hex) of bytes, or of a record's canonical JSON."""
    return hashlib.sha256(value if isinstance(value, bytes) else encode(value)).hexdigest()


def file_hash(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def new_id(prefix: str, at: datetime) -> str:
    """An id that sorts by time and never collides: prefix, milliseconds, 64 random bits.

    >>> from datetime import UTC
    >>> new_id("cy", datetime(2026, 1, 1, tzinfo=UTC))[:15]
    'cy_019b76daa800'
    """
    return f"{prefix}_{int(at.timestamp() * 1000):012x}{_random()}"


def _random() -> str:
    """64 random bits. To ask the system for each lets go of the interpreter's lock, and a busy one returns late."""
    try:
        return _RANDOM.popleft()
    except IndexError:
        drawn = secrets.token_hex(8 * DRAWN_AT_ONCE)
        _RANDOM.extend(drawn[start : start + 16] for start in range(16, len(drawn), 16))
        return drawn[:16]
