"""Curation, from what happened to what is learned from. Read `curate`; each step is a file beside this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from onward.config import Settings
from onward.core import (
    DatasetVersion,
    Example,
    Feedback,
    Interaction,
    LabelAudit,
    SetAside,
    Split,
    content_hash,
    plain,
)

from ._audit import audit
from ._budget import deferred, not_replayed
from ._caps import over_share
from ._merge import merge
from ._past import Past, compare
from ._pieces import Sieve, pieces
from ._records import Draft, Piece
from ._repeats import harmful_repeats
from ._splits import as_frozen, as_said, people_only, splits

NOTHING: Mapping[str, Example] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Curation:
    """A data set version and what did not go into it.

    Args:
        set_aside: each interaction that is not used, and why; feedback on an interaction that is not there as well.
        deferred: new examples left for a later cycle (settings.learning.max_training_examples).
    """

    dataset: DatasetVersion
    set_aside: tuple[SetAside, ...]
    deferred: int


def curate(  # noqa: PLR0913 - what happened, and all that earlier cycles decided
    interactions: Sequence[Interaction],
    feedback: Sequence[Feedback],
    *,
    tenant: str,
    now: datetime,
    settings: Settings,
    champion: DatasetVersion | None = None,
    judged: DatasetVersion | None = None,
    frozen: Mapping[str, Example] = NOTHING,
    withdrawn: frozenset[str] = frozenset(),
    quarantined: frozenset[str] = frozenset(),
    vouched: frozenset[str] = frozenset(),
) -> Curation:
    """Make a data set version of what may be, and is worth being, learned from.

    A pure function: the same records in any order give the same version with the same id. Nothing in the records makes
    it fail; what cannot be used is set aside with the reason.

    Args:
        champion: the data set that the champion learned from: what is not in it, or had other labels, is `new`.
        judged: the data set of the last cycle that reached a verdict: what is in neither it, `champion` nor `frozen`
            is *fresh*, and is audited and counted against settings.learning.max_training_examples.
        frozen: example id -> example of every frozen evaluation set. They judge for good, with the labels they had.
        withdrawn: users who withdrew consent: what they said and the feedback they gave is not used.
        quarantined: ids of interactions that an earlier refusal has set aside.
        vouched: ids of those that a person let out again: the audit does not ask about them any more.

    >>> from datetime import UTC
    >>> from onward.core import Labels
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> said = [Interaction(id="1", text="where is my card?", at=noon, labels=Labels(intent="card_arrival"))]
    >>> made = curate(said, [], tenant="default", now=noon, settings=Settings())
    >>> [(e.text, e.labels.intent) for e in made.dataset.examples]
    [('where is my card?', 'card_arrival')]
    """
    sieve = Sieve(tenant=tenant, settings=settings, withdrawn=withdrawn, quarantined=quarantined)
    usable, aside = pieces(interactions, feedback, sieve)
    before = [dataset for dataset in (champion, judged) if dataset is not None]
    drafts = [as_frozen(draft, frozen) for draft in _merged(usable)]
    split = splits(drafts, settings.training.validation_split, frozen, before)
    judging = as_said if settings.curation.judge_by_confirmed else people_only
    drafts = [judging(d) if split[d.id] == "evaluation" else d for d in drafts]
    past = compare(drafts, champion, judged, frozen)
    drafts, harmful = _harmless(drafts, split, frozen, past, settings)
    drafts, waiting = _affordable(drafts, split, past, settings)
    examples, labels = _finished(drafts, split, past, frozen, vouched)
    aside = sorted([*aside, *harmful], key=lambda s: (s.interaction, s.reason))
    dataset = DatasetVersion(
        id=content_hash([_identity(example) for example in examples]),
        tenant=tenant,
        parent=None if champion is None else champion.id,
        created=now,
        examples=examples,
        audit=labels,
        set_aside=dict(sorted(Counter(s.reason for s in aside).items())),
    )
    return Curation(dataset, tuple(aside), waiting)


def _merged(usable: Iterable[Piece]) -> list[Draft]:
    by_text: dict[str, list[Piece]] = {}
    for piece in usable:
        by_text.setdefault(piece.id, []).append(piece)
    return [merge(by_text[key]) for key in sorted(by_text)]


def _without(drafts: Iterable[Draft], why: Mapping[str, str]) -> tuple[list[Draft], list[SetAside]]:
    kept, aside = [], []
    for draft in drafts:
        if draft.id in why:
            aside += [SetAside(interaction, why[draft.id]) for interaction in draft.interactions]
        else:
            kept.append(draft)
    return kept, aside


def _harmless(
    drafts: Sequence[Draft],
    split: Mapping[str, Split],
    frozen: Mapping[str, Example],
    past: Past,
    settings: Settings,
) -> tuple[list[Draft], list[SetAside]]:
    """Without harmful repeats, then without what is beyond anybody's share of the new."""
    repeats = harmful_repeats(
        drafts, split, [e.text for e in frozen.values()], settings.curation.near_duplicate, past.new
    )
    kept, aside = _without(drafts, repeats)
    new = [draft for draft in kept if draft.id in past.new]
    kept, more = _without(kept, over_share(new, settings.curation.max_user_share, settings.curation.max_source_share))
    return kept, aside + more


def _affordable(
    drafts: Sequence[Draft], split: Mapping[str, Split], past: Past, settings: Settings
) -> tuple[list[Draft], int]:
    """What this cycle takes, and how many new examples wait."""
    learning = settings.learning
    fresh = [draft for draft in drafts if draft.id in past.fresh]
    most = min(learning.max_training_examples, learning.replay_budget)
    waiting = deferred(fresh, split, most, settings.gate.min_evidence)
    taken = [draft for draft in drafts if draft.id not in waiting]
    teaching = [draft for draft in taken if split[draft.id] == "train"]
    old = [draft for draft in teaching if draft.id not in past.fresh]
    left_out = not_replayed(old, learning.replay_budget - (len(teaching) - len(old)))
    return [draft for draft in taken if draft.id not in left_out], len(waiting)


def _identity(example: Example) -> list[object]:
    """What makes two data set versions one and the same: everything but which of it is new."""
    e = example
    return [e.id, e.text, plain(e.labels), e.split, e.weight, e.source, e.interactions, e.trusted]


def _finished(
    drafts: Sequence[Draft],
    split: Mapping[str, Split],
    past: Past,
    frozen: Mapping[str, Example],
    vouched: frozenset[str],
) -> tuple[tuple[Example, ...], LabelAudit]:
    """The examples, and the audit that says which of them may judge."""
    checked = audit(drafts, past.fresh - {d.id for d in drafts if vouched.issuperset(d.interactions)})
    examples = tuple(
        Example(
            id=draft.id,
            text=draft.text,
            labels=draft.labels,
            split=split[draft.id],
            source=draft.source,
            weight=draft.weight,
            interactions=draft.interactions,
            new=draft.id in past.new,
            trusted=split[draft.id] != "evaluation" or _may_judge(draft, past, frozen, checked.doubted),
        )
        for draft in drafts
    )
    return examples, checked.labels


def _may_judge(draft: Draft, past: Past, frozen: Mapping[str, Example], doubted: Collection[str]) -> bool:
    """Whether people said so, nobody contradicts them and the second opinion does not either."""
    example = frozen.get(draft.id)
    if example is not None and example.labels == draft.labels:
        return example.trusted
    return draft.agreed and not draft.confirmed and draft.id not in doubted and draft.id not in past.distrusted
