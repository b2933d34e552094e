"""Replaces what was found and keeps the entities of the text in their places."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from onward.core import Entity, InvalidInput

from ._find import find
from ._kinds import KINDS, PERSON, PLACEHOLDER, placeholder

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


def scrub(text: str, entities: Sequence[Entity] = (), *, names: bool = False, also: Sequence[Entity] = ()) -> Scrubbed:
    """Replace personal data and secrets by typed placeholders; scrubbing twice is scrubbing once.

    An entity that touches a replaced span covers the whole placeholder afterwards and keeps its label. Where two
    entities then overlap they become one if they have the same label, otherwise the one that starts first stays.

    Args:
        text: any text.
        entities: spans of the text.
        names: replace entities labelled PERSON or PER (a spaCy pipeline's) as well, by "[PERSON]".
        also: spans that somebody else has found; the label is the kind. What our own patterns find stays as it is, and
            of each span what is still free is replaced; the first one has the first claim.

    Raises:
        InvalidInput: an entity is empty or lies outside of the text, or the label of `also` is no kind.

    >>> scrub("Mail jo@example.com to Oslo", [Entity(23, 27, "CITY")])
    Scrubbed(text='Mail [EMAIL] to Oslo', entities=(Entity(start=16, end=20, label='CITY'),), found=('EMAIL',))
    """
    _check(text, entities)
    _check(text, also, KINDS)
    spans = find(text)
    wanted = [*_people(entities), *also] if names else also
    if not wanted:
        return _without(text, entities, spans)
    first = _without(text, entities, sorted([*spans, *free(text, wanted, spans)]))
    rest = _without(first.text, first.entities, find(first.text))  # without these, more may be told apart
    return Scrubbed(rest.text, rest.entities, tuple(sorted({*first.found, *rest.found})))


def _without(text: str, entities: Sequence[Entity], spans: Sequence[Entity]) -> Scrubbed:
    moved = _moved(entities, spans) if spans and entities else entities
    return Scrubbed(_replaced(text, spans), _apart(moved), tuple(sorted({span.label for span in spans})))


def _check(text: str, entities: Sequence[Entity], labels: Sequence[str] | None = None) -> None:
    for entity in entities:
        if labels is not None and entity.label not in labels:
            raise InvalidInput(
                f"{entity.label!r} is no kind of personal data.", mend="Use a known one.", options=labels
            )
        if not 0 <= entity.start < entity.end <= len(text):
            raise InvalidInput(
                f"The entity {entity.label} at {entity.start}:{entity.end} is not in its text.",
                why=f"The text has {len(text)} characters.",
                mend="Give start (inclusive) and end (exclusive) in characters of this text.",
            )


def _replaced(text: str, spans: Sequence[Entity]) -> str:
    if not spans:
        return text
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


def _people(entities: Iterable[Entity]) -> tuple[Entity, ...]:
    return _apart(Entity(entity.start, entity.end, PERSON) for entity in entities if entity.label in PEOPLE)


def free(text: str, wanted: Sequence[Entity], spans: Sequence[Entity]) -> Iterator[Entity]:
    """What of the spans wanted is neither found otherwise, nor taken by an earlier one, nor a placeholder already."""
    taken = sorted([*((span.start, span.end) for span in spans), *(p.span() for p in PLACEHOLDER.finditer(text))])
    for one in wanted:
        for start, end in _between(one, taken):
            piece = text[start:end]
            if any(map(str.isalnum, piece)):
                first = end - len(piece.lstrip())
                yield Entity(first, first + len(piece.strip()), one.label)
        insort(taken, (one.start, one.end))


def _between(whole: Entity, taken: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The parts of one span that others, in order of their starts, leave free."""
    free = whole.start
    for start, end in taken:
        if end > free and start < whole.end:
            yield free, max(free, start)
            free = end
    yield free, max(free, whole.end)
