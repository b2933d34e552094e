"""How much one cycle learns from: the best of the new, and a sample of the old that is fair to every intent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt

from onward.core import Split

from ._records import STRENGTH, Draft


def _stratified(drafts: Sequence[Draft]) -> list[Draft]:
    """The drafts in an order every beginning of which holds each intent about in proportion to the square root of its
    size: rare intents do not starve, and frequent ones still weigh more. Within an intent the given order stays. Tasks
    are one stratum.
    """
    strata: dict[tuple[bool, str | None], list[Draft]] = {}
    for draft in drafts:
        stratum = (False, draft.labels.intent) if draft.task is None else (True, None)
        strata.setdefault(stratum, []).append(draft)
    places = {d.id: rank / sqrt(len(all_)) for all_ in strata.values() for rank, d in enumerate(all_)}
    return sorted(drafts, key=lambda d: (places[d.id], d.id))


def _best_first(drafts: Sequence[Draft]) -> list[Draft]:
    """By source, strongest first; within it stratified, the latest first."""
    recent = sorted(drafts, key=lambda d: (-d.at, d.id))
    return [
        draft
        for strength in sorted(STRENGTH.values(), reverse=True)
        for draft in _stratified([d for d in recent if STRENGTH[d.source] == strength])
    ]


def _units(drafts: Sequence[Draft]) -> tuple[list[Draft], dict[str, list[str]]]:
    """One draft for each unit, the latest where a task has several; and unit -> ids of its drafts."""
    members: dict[str, list[str]] = {}
    first: dict[str, Draft] = {}
    for draft in drafts:
        members.setdefault(draft.unit, []).append(draft.id)
        known = first.setdefault(draft.unit, draft)
        if draft.at > known.at:
            first[draft.unit] = draft
    return list(first.values()), members


def deferred(fresh: Sequence[Draft], split: Mapping[str, Split], most: int, evidence: int) -> set[str]:
    """Ids of the fresh drafts that wait for a later cycle. A task is taken, or waits, as one, and counts as one.

    At most `most` teach. Of those that tune or judge the same part is taken, but at least `evidence` of each: were all
    used up in this cycle, the next one would have nothing to prove its candidate with.
    """
    by_split: dict[Split, list[Draft]] = {"train": [], "validation": [], "evaluation": []}
    units, members = _units(fresh)
    for draft in units:
        by_split[split[draft.id]].append(draft)
    teach = len(by_split["train"])
    if teach <= most:
        return set()
    waiting = _best_first(by_split.pop("train"))[most:]
    for drafts in by_split.values():
        waiting += _best_first(drafts)[max(evidence, ceil(len(drafts) * most / teach)) :]
    return {name for draft in waiting for name in members[draft.unit]}


def not_replayed(old: Sequence[Draft], room: int) -> set[str]:
    """Ids of the old training drafts, given by id, that find no room: the rest is a sample stratified by intent."""
    units, members = _units(old)
    return {name for draft in _stratified(units)[max(0, room) :] for name in members[draft.unit]}
