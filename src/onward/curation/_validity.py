"""What cannot be learned from at all: texts, label names and entity spans that are not what they should be."""

from __future__ import annotations

import re
from functools import lru_cache

from onward.core import Entity

# Control characters beside tab and line ends, and halves of surrogate pairs (which no file can hold).
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LETTER = re.compile(r"[^\W_]")
MAX_LABEL = 200


def text_fault(text: str, max_length: int) -> str | None:
    """Why a text cannot be used, or `None`.

    >>> text_fault("?!", 2000)
    'text has no letters or digits'
    """
    if not text.strip():
        return "text is empty"
    if len(text) > max_length:
        return "text is too long"
    if _CONTROL.search(text):
        return "text has control characters"
    return None if _LETTER.search(text) else "text has no letters or digits"


@lru_cache(maxsize=4096)
def label_name(name: str) -> str | None:
    """A label's name without surrounding white space; `None` where it cannot be one."""
    name = name.strip()
    return name if name and len(name) <= MAX_LABEL and not _CONTROL.search(name) else None


def sound_entities(entities: tuple[Entity, ...], text: str) -> tuple[Entity, ...] | None:
    """Entities by position; `None` when any is out of range, empty, unnamed or overlaps another.

    One bad span spoils them all: which of them is right cannot be known, and an entity missing from a text that claims
    to be annotated teaches as wrongly as one too many. The text's other labels are not touched.

    >>> sound_entities((Entity(3, 9, "city"),), "to Berlin")
    (Entity(start=3, end=9, label='city'),)
    >>> sound_entities((Entity(3, 99, "city"),), "to Berlin") is None
    True
    """
    sound, reached = [], 0
    for entity in sorted(entities, key=lambda e: (e.start, e.end)):
        label = label_name(entity.label)
        if label is None or entity.start < reached or not entity.start < entity.end <= len(text):
            return None
        sound.append(entity if label == entity.label else Entity(entity.start, entity.end, label))
        reached = entity.end
    return tuple(sound)
