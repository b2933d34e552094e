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
from onward.experience import BadLine, Erased


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
        dataset: id of the data set version it learned from.
        interactions_taught_from: how many interactions taught it; `None`: nobody knows any more, for the database was
            rebuilt after retention had dropped what the data set held.
        teachers: the interactions with the same intent whose words are most alike.
        taught: numbers of the versions that learned from this interaction.
        erased: when its content was erased, and the hash of what was there; `None` where it was not.
    """

    interaction: Interaction
    feedback: tuple[Feedback, ...]
    version: ModelVersion | None
    service: Transition | None
    dataset: str | None
    interactions_taught_from: int | None
    teachers: tuple[Teacher, ...]
    taught: tuple[int, ...]
    erased: Erased | None = None


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
    """What forgetting a user did.

    Back-ups made before hold what they said until they are let go: back up again, then `Workspace.prune` the place to
    the newest (`onward backup PLACE --keep 1`). Whatever is restored from one that goes on is erased again.

    Args:
        interactions: how many were theirs, or were given feedback by them: none teaches any later version.
        marked_versions: numbers of the versions that had learned from them. They are listed and marked, not changed.
        unfinished: why something is left to be erased; it is finished by the next cycle or `forget` of the tenant, or
            by `onward doctor --mend`. `None`: all is done.
        cycle: what retraining without them came to, where that was asked for and the champion was marked.
    """

    user: str
    interactions: int
    marked_versions: tuple[int, ...]
    unfinished: str | None = None
    cycle: CycleResult | None = None
