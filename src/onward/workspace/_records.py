"""What a workspace answers with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from onward.core import (
    CycleResult,
    Feedback,
    Interaction,
    ModelVersion,
    Scorecard,
    Transition,
    Verdict,
)
from onward.experience import BadLine


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a file: how many interactions and feedback were new, known already, and the lines set aside."""

    interactions: int
    feedback: int
    known: int
    bad: tuple[BadLine, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions on the same evaluation sets, scored now; the verdict is on `second` against `first`."""

    first: ModelVersion
    second: ModelVersion
    first_scorecard: Scorecard
    second_scorecard: Scorecard
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Teacher:
    """An interaction that taught a version, and how alike its text is (Jaccard similarity of words, 0..1)."""

    interaction: str
    text: str
    intent: str | None
    likeness: float


@dataclass(frozen=True, slots=True)
class Trace:
    """Where a prediction came from, and where its interaction went.

    Args:
        interaction: the record itself, personal data as it was recorded.
        feedback: what was said of it.
        version: the version that predicted; `None` when none of ours did.
        service: how that version came into service.
        dataset: id of the data set version it learned from, and how many interactions taught it; `None`: retention
            dropped what it held.
        teachers: the interactions with the same intent whose words are most alike.
        taught: numbers of the versions that learned from this interaction.
        unknown: numbers of versions of which nobody knows any more: retention dropped what they learned from.
    """

    interaction: Interaction
    feedback: tuple[Feedback, ...]
    version: ModelVersion | None
    service: Transition | None
    dataset: str | None
    interactions_taught_from: int | None
    teachers: tuple[Teacher, ...]
    taught: tuple[int, ...]
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Status:
    """How a workspace stands.

    Args:
        degraded: what works only in part, and why; empty when all is well.
    """

    folder: str
    tenant: str
    champion: int | None
    versions: int
    interactions: int
    feedback: int
    quarantined: int
    withdrawn_users: int
    last_cycle: CycleResult | None
    running_cycle: str | None
    learners: Mapping[str, str]
    degraded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What forgetting a user did: their interactions teach no later version; these versions had learned from them.

    Of `unknown_versions` nobody knows: retention dropped their artifacts, and what they had learned from.
    """

    user: str
    interactions: int
    marked_versions: tuple[int, ...]
    unknown_versions: tuple[int, ...] = ()
