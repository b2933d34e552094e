"""A checksum in each row of what users said: SQLite has none, and a byte that flips in a text would pass for the truth.

CRC-32 (as in zlib and ISO/IEC 8802-3) sees every run of up to 32 wrong bits, and all but one in four billion of longer
ones. It is no seal: whoever writes a row can write its checksum. It covers all columns of text, names and times too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final
from zlib import crc32

from sqlalchemy import Table

COVERED: Final[Mapping[str, tuple[str, ...]]] = {
    "interactions": ("tenant", "id", "user", "body", "recorded", "erased"),
    "feedback": ("tenant", "id", "interaction", "user", "body", "recorded", "erased"),
}
"""Table -> the columns that its checksum covers, in order."""


def checksum(values: Iterable[str | None]) -> int:
    """Of the texts of a row, in the order of `COVERED`.

    >>> checksum(["shop", "a", None, "{}", None, None]) == checksum(["shop", "a", "", "{}", "", ""])
    True
    """
    return crc32("\0".join([value or "" for value in values]).encode("utf8", "surrogateescape"))


def checksum_of(table: Table, row: Mapping[Any, Any]) -> int:
    """Of a row by the names of its columns."""
    return checksum([row[name] for name in COVERED[table.name]])


def is_whole(table: Table, row: Mapping[Any, Any]) -> bool:
    """Whether a row says what was stored; it may hold anything, of any type."""
    values = [row[name] for name in COVERED[table.name]]
    return all(value is None or isinstance(value, str) for value in values) and checksum(values) == row["checksum"]
