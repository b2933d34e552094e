"""Text as the finders see it: full-width letters, foreign digits and invisible characters made plain."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

COVER = "\0"
_INVISIBLE = {"Cf", "Mn", "Me", "Cc"}
_SIMPLE = {"Zs": " ", "Pd": "-", "Zl": "\n", "Zp": "\n"}


@dataclass(frozen=True, slots=True)
class Folded:
    """`text[i]` stands at `places[i]` of the original. `COVER` never occurs in it."""

    text: str
    places: Sequence[int]


@lru_cache(maxsize=4096)
def _plain(code: int) -> str | None:
    """The character that looks or counts the same, `None` for one that is not seen."""
    char = chr(code)
    category = unicodedata.category(char)
    if char in "\t\n\r":
        return char
    if category in _INVISIBLE:
        return None
    if category == "Nd":
        return str(unicodedata.decimal(char))
    same = unicodedata.normalize("NFKC", _SIMPLE.get(category, char))
    return same if len(same) == 1 else char


class _Table:
    """What `str.translate` looks characters up in."""

    __slots__ = ()

    def __getitem__(self, code: int) -> str | None:
        return _plain(code)


_TABLE = _Table()


def fold(text: str) -> Folded:
    """The plain form of a text.

    >>> fold("ｊｏ\u200b＠x.io").text
    'jo@x.io'
    """
    if text.isascii() and text.isprintable():
        return Folded(text, range(len(text)))
    plain = text.translate(_TABLE)
    if len(plain) == len(text):
        return Folded(plain, range(len(text)))
    return Folded(plain, [place for place, char in enumerate(text) if _plain(ord(char)) is not None])
