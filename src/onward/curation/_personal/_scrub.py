"""Replaces what was found and keeps the entities of the text in their places."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from onward.core import Entity, InvalidInput

from ._find import find
from ._kinds import PERSON, PLACEHOLDER, placeholder

PEOPLE = frozenset({"PERSON", "PER"})


@dataclass(frozen=True, slots=True)
class Scrubbed:
    """A text without personal data.

    Args:
        text: placeholders such as "[EMAIL]" stand where personal data was.
        entities: the entities handed in, at their new places, by position, never overlapping.
        found: the kinds replaced, sorted.
    """

    text: str
    entities: tuple[Entity, ...]
    found: tuple[str, ...]


def scrub(text: str, entities: Sequence[Entity] = (), *, names: bool = False) -> Scrubbed:
    """Replace personal data and secrets by typed placeholders; scrubbing twice is scrubbing once.

    An entity that touches a replaced span covers the whole placeholder afterwards and keeps its label. Where two
    entities then overlap they become one if they have the same label, otherwise the one that starts first stays.

    Args:
        text: any text.
        entities: spans of the text.
        names: replace entities labelled PERSON or PER (a spaCy pipeline's) as well, by "[PERSON]".

    Raises:
        InvalidInput: an entity is empty or lies outside of the text.

    >>> scrub("Mail jo@example.com to Oslo", [Entity(23, 27, "CITY")])
    Scrubbed(text='Mail [EMAIL] to Oslo', entities=(Entity(start=16, end=20, label='CITY'),), found=('EMAIL',))
    """
    _check(text, entities)
    spans = find(text)
    if not names:
        return _without(text, entities, spans)
    first = _without(text, entities, sorted([*spans, *_names(text, entities, spans)]))
    rest = _without(first.text, first.entities, find(first.text))  # without the names, more may be told apart
    return Scrubbed(rest.text, rest.entities, tuple(sorted({*first.found, *rest.found})))


def _without(text: str, entities: Sequence[Entity], spans: Sequence[Entity]) -> Scrubbed:
    moved = _moved(entities, spans) if spans else entities
    return Scrubbed(_replaced(text, spans), _apart(moved), tuple(sorted({span.label for span in spans})))


def _check(text: str, entities: Sequence[Entity]) -> None:
    for entity in entities:
        if not 0 <= entity.start < entity.end <= len(text):
            raise InvalidInput(
                f"The entity {entity.label} at {entity.start}:{entity.end} is not in its text.",
                why=f"The text has {len(text)} characters.",
                mend="Give start (inclusive) and end (exclusive) in characters of this text.",
            )


def _replaced(text: str, spans: Sequence[Entity]) -> str:
    parts, done = [], 0
    for span in spans:
        parts += [text[done : span.start], placeholder(span.label)]
        done = span.end
    return "".join([*parts, text[done:]])


def _moved(entities: Sequence[Entity], spans: Sequence[Entity]) -> Iterator[Entity]:
    """The entities at their new places, widened to the whole of every placeholder they touch."""
    starts, ends = [span.start for span in spans], [span.end for span in spans]
    growth = (len(placeholder(span.label)) - (span.end - span.start) for span in spans)
    shift = list(accumulate(growth, initial=0))
    for entity in entities:
        first, last = bisect_right(ends, entity.start), bisect_left(starts, entity.end)
        start = min([entity.start, *starts[first : first + 1]])
        end = max([entity.end, *ends[max(0, last - 1) : last]])
        yield Entity(start + shift[first], end + shift[last], entity.label)


def _apart(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    """Without overlaps: the same label becomes one entity; of different ones, the first and longest stays."""
    kept: list[Entity] = []
    for entity in sorted(entities, key=lambda entity: (entity.start, -entity.end, entity.label)):
        if not kept or entity.start >= kept[-1].end:
            kept.append(entity)
        elif entity.label == kept[-1].label:
            kept[-1] = Entity(kept[-1].start, max(kept[-1].end, entity.end), entity.label)
    return tuple(kept)


def _names(text: str, entities: Sequence[Entity], spans: Sequence[Entity]) -> Iterator[Entity]:
    """What of the people's names is neither found otherwise nor a placeholder already."""
    known = (Entity(*found.span(), "") for found in PLACEHOLDER.finditer(text))
    taken = _apart([*known, *(Entity(span.start, span.end, "") for span in spans)])
    for person in _apart(Entity(entity.start, entity.end, PERSON) for entity in entities if entity.label in PEOPLE):
        for start, end in _between(person, taken):
            piece = text[start:end]
            if any(map(str.isalnum, piece)):
                first = end - len(piece.lstrip())
                yield Entity(first, first + len(piece.strip()), PERSON)


def _between(whole: Entity, taken: Sequence[Entity]) -> Iterator[tuple[int, int]]:
    """The parts of one span that others, in order, leave free."""
    start = whole.start
    for other in taken:
        if other.end > start and other.start < whole.end:
            yield start, max(start, other.start)
            start = other.end
    yield start, max(start, whole.end)
