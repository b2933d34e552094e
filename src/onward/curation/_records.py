"""What the steps of curation hand to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onward.core import Entity, Head, Labels, LabelSource, Part, unit_of

Value = str | tuple[Entity, ...]

# People before machines, the considered before the casual.
STRENGTH: Mapping[LabelSource, int] = {"correction": 2, "given": 1, "confirmed": 0}


@dataclass(frozen=True, slots=True)
class Claim:
    """What one speaker says of one head of a text.

    Args:
        reliability: 0..1, see `_quality`.
        at: when, seconds since 1970.
        speaker: who says it; a speaker has one vote on a text.
        standing: false for a correction that a later one of the same interaction has replaced: it can no longer win,
            but it still shows that people disagree.
    """

    head: Head
    value: Value
    source: LabelSource
    reliability: float
    at: float
    speaker: str
    standing: bool = True


@dataclass(frozen=True, slots=True)
class Piece:
    """One usable interaction: its text without personal data, and what was claimed of it."""

    id: str
    text: str
    claims: tuple[Claim, ...]
    interaction: str
    user: str | None
    origin: str
    at: float
    task: str | None = None
    part: Part | None = None


@dataclass(frozen=True, slots=True)
class Draft:
    """An example in the making: all pieces of one text together.

    Args:
        confirmed: heads that only a confirmed prediction speaks for.
        agreed: whether nobody contradicts the labels chosen.
        user, origin: the one user and the one source that it comes from; `None` where there are several or none.
        at: when the latest of its interactions happened.
        task, part: as in `onward.core.Example`.
    """

    id: str
    text: str
    labels: Labels
    source: LabelSource
    weight: float
    confirmed: tuple[Head, ...]
    agreed: bool
    interactions: tuple[str, ...]
    user: str | None
    origin: str | None
    at: float
    task: str | None = None
    part: Part | None = None

    @property
    def unit(self) -> str:
        """As `onward.core.Example.unit`."""
        return unit_of(self.id, self.task)
