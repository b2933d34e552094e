"""What near duplicates do harm, and are set aside."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from onward.core import Example, Split

from ._near import WordSets, nearest, word_sets
from ._records import STRENGTH, Draft
from ._text import normalise

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FLOOD = 5
_LATE = ("near duplicate of a training example", "near duplicate of a support example")


def _clusters(sets: WordSets, teaches: NDArray[np.bool_], threshold: float) -> list[list[int]]:
    """Near duplicates in training, each cluster in the order of the ids."""
    found: dict[int, list[int]] = {}
    leads = nearest(sets, teaches, teaches, threshold)
    for follower, first in enumerate(leads.tolist()):
        if first >= 0:
            found.setdefault(first, [first]).append(follower)
    return list(found.values())


def _evidence(draft: Draft) -> tuple[int, float, int, str]:
    return (-STRENGTH[draft.source], -draft.weight, -len(draft.interactions), draft.id)


def _contradicts(draft: Draft, best: Draft) -> bool:
    pairs = ((draft.labels.intent, best.labels.intent), (draft.labels.sentiment, best.labels.sentiment))
    return any(mine is not None and theirs is not None and mine != theirs for mine, theirs in pairs)


def _harmful(cluster: Sequence[Draft]) -> dict[str, str]:
    best = min(cluster, key=_evidence)
    aside = {d.id: "near duplicate with other labels" for d in cluster if _contradicts(d, best)}
    sent: dict[tuple[str, str], int] = {}
    for draft in cluster:
        if draft.id in aside or draft.user is None or draft.origin is None:
            continue
        by = (draft.user, draft.origin)
        sent[by] = sent.get(by, 0) + 1
        if sent[by] > FLOOD:
            aside[draft.id] = "flood of near duplicates from one user"
    return aside


def _judges(draft: Draft, split: Mapping[str, Split]) -> bool:
    return split[draft.id] == "evaluation" and draft.part != "support"


def harmful_repeats(
    drafts: Sequence[Draft],
    split: Mapping[str, Split],
    judging: Sequence[Example],
    threshold: float,
    new: Collection[str] = (),
) -> dict[str, str]:
    """Draft id -> why it is set aside; `drafts` by id. `judging`: what judges and need not be among the drafts.

    - A text to learn from that nearly duplicates one to judge by: it would be judged on what it has learned.
    - A new text to judge by that nearly duplicates one that the champion has learned.
    - A query of a task held out that nearly duplicates one of the task's support set.
    - Among near duplicates to learn from, those whose intent or sentiment differs from the best attested one (by
      source, weight, number of interactions, id): in short texts the difference is rarely meant.
    - From the sixth on, those that one user sent by one source.

    All others stay: texts made from few templates differ just in the words that matter. Only texts of one task, or of
    none, are compared; the support set of a task teaches, whether or not the task judges.
    """
    import numpy as np

    if not drafts:
        return {}
    both: tuple[Draft | Example, ...] = (*drafts, *judging)
    sets = word_sets([normalise(one.text) for one in both], [one.task for one in both])
    judges = np.array([*(_judges(d, split) for d in drafts), *(True for _ in judging)])
    latecomers = np.zeros(len(judges), bool)
    latecomers[: len(drafts)] = [_judges(d, split) and (d.id in new or d.part == "query") for d in drafts]
    learned = np.zeros(len(judges), bool)
    learned[: len(drafts)] = [d.part == "support" or (d.id not in new and split[d.id] != "evaluation") for d in drafts]
    late = latecomers & (nearest(sets, learned, latecomers, threshold) >= 0)
    near = nearest(sets, judges & ~late, ~judges, threshold)
    aside = {drafts[i].id: _LATE[drafts[i].part == "query"] for i in np.flatnonzero(late).tolist()}
    aside |= {drafts[i].id: "near duplicate of an evaluation example" for i in np.flatnonzero(near >= 0).tolist()}
    for cluster in _clusters(sets, ~judges & (near < 0), threshold):
        aside |= _harmful([drafts[i] for i in cluster])
    return aside
