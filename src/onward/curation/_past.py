"""What earlier cycles have seen, and what is new against it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onward.core import DatasetVersion, Example

from ._records import Draft


@dataclass(frozen=True, slots=True)
class Past:
    """How each draft stands to what earlier cycles have seen; all by draft id.

    Args:
        new: those that the champion has not learned from, or from other labels.
        fresh: those on which, with these labels, no verdict has been reached.
        distrusted: those found unfit to judge before, where nothing has changed since.
    """

    new: frozenset[str]
    fresh: frozenset[str]
    distrusted: frozenset[str]


def compare(
    drafts: Iterable[Draft],
    champion: DatasetVersion | None,
    judged: DatasetVersion | None,
    frozen: Mapping[str, Example],
) -> Past:
    """How the drafts stand to the champion's data set, the last one judged, and the frozen evaluation sets."""
    learned = {e.id: e for e in champion.examples} if champion else {}
    others = [frozen, {e.id: e for e in judged.examples} if judged and judged is not champion else {}]
    new, fresh, distrusted = set(), set(), set()
    for draft in drafts:
        if not _same(draft, learned.get(draft.id)):
            new.add(draft.id)
        same = [e for seen in (learned, *others) if (e := seen.get(draft.id)) is not None and _same(draft, e)]
        if not same:
            fresh.add(draft.id)
        if any(not e.trusted and e.source == draft.source for e in same):
            distrusted.add(draft.id)
    return Past(frozenset(new), frozenset(fresh), frozenset(distrusted))


def _same(draft: Draft, example: Example | None) -> bool:
    return example is not None and (example.labels is draft.labels or example.labels == draft.labels)
