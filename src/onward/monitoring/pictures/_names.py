"""Names as a picture can show them: in the font's characters, no longer than there is room, no two alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final

UNKNOWN: Final = "\ufffd"
ELLIPSIS: Final = "\u2026"


def fitted(names: Iterable[str], inches: float, size: float) -> list[str]:
    """The names, cut in the middle where they are wider than so many inches at this size of type in points.

    Names that would look alike are numbered.
    """
    shown: list[str] = []
    for name in names:
        text = _narrowed(_showable(name), inches * 72, size)
        again, number = text, 2
        while again in shown:
            again = _narrowed(text, inches * 72 - size * 2, size) + f" ({number})"
            number += 1
        shown.append(again)
    return shown


def quoted(text: str) -> str:
    """The text as matplotlib prints it literally: two dollars would be mathematics to it."""
    return text.replace("$", r"\$")


def width_of(text: str, size: float) -> float:
    """How wide a text is, in points."""
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextToPath

    width, _, _ = TextToPath().get_text_width_height_descent(text, FontProperties(size=size), ismath=False)
    return float(width)


def _showable(name: str) -> str:
    """A character that cannot be printed, or that the font does not have, is shown as such."""
    known = _characters()
    return "".join(one if one.isprintable() and ord(one) in known else UNKNOWN for one in " ".join(name.split()))


@lru_cache(maxsize=1)
def _characters() -> frozenset[int]:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    return frozenset(get_font(findfont(FontProperties())).get_charmap())


def _narrowed(text: str, points: float, size: float) -> str:
    if width_of(text, size) <= points:
        return text
    low, high = 1, len(text)
    while low < high:  # the most characters that fit
        middle = (low + high + 1) // 2
        low, high = (middle, high) if width_of(_cut(text, middle), size) <= points else (low, middle - 1)
    return _cut(text, low)


def _cut(text: Sequence[str] | str, count: int) -> str:
    """So many characters: what a name begins and what it ends with."""
    begin = (count + 1) // 2
    return f"{''.join(text[:begin])}{ELLIPSIS}{''.join(text[len(text) - (count - begin) :])}"
