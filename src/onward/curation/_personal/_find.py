"""Runs the finders over a text until nothing is left to find."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from onward.core import Entity

from ._digits import Span
from ._fold import COVER, fold
from ._kinds import PLACEHOLDER, finders, lowered

# Without one of these there is nothing that any finder could find.
_TRACE = re.compile(r"[0-9@:=\[({]")


def find(text: str) -> list[Entity]:
    """Personal data and secrets of a text, by position, never overlapping; the label is the kind.

    Kinds: EMAIL, PHONE, CARD, IBAN, IP, SSN, SECRET. Time is linear in the length of the text. Full-width letters,
    digits of any script and invisible characters in between are seen through.

    >>> find("Write to jo@example.com")
    [Entity(start=9, end=23, label='EMAIL')]
    """
    folded = fold(text)
    if not _TRACE.search(folded.text):
        return []
    places = folded.places
    return sorted(Entity(places[start], places[end - 1] + 1, kind) for start, end, kind in _spans(folded.text))


def _spans(text: str) -> list[tuple[int, int, str]]:
    """What is found in a folded text, and then in what is left of it, so that scrubbing twice is scrubbing once."""
    if "[" in text:
        text = _cover(text, (found.span() for found in PLACEHOLDER.finditer(text)))
    spans: list[tuple[int, int, str]] = []
    known = -1
    while known < len(spans) and _TRACE.search(text):
        known, low = len(spans), lowered(text)
        for kind, sign, finder in finders(low):
            if sign(low) and (found := list(_apart(finder(text)))):
                spans += [(*span, kind) for span in found]
                text = _cover(text, found)
                low = lowered(text)
    return spans


def _apart(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans, which are in order, without those that reach into the one before."""
    done = 0
    for start, end in spans:
        if start >= done:
            yield start, end
            done = end


def _cover(text: str, spans: Iterable[Span]) -> str:
    """The text with characters that no finder takes for anything in place of the spans, which are in order."""
    parts, done = [], 0
    for start, end in spans:
        parts += [text[done:start], COVER * (end - start)]
        done = end
    return "".join([*parts, text[done:]]) if parts else text
