"""Curation, from what happened to what is learned from. Read `curate`; each step is a file beside this one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
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
from ._personal import second_finder
from ._pieces import UNLABELLED, Sieve, piece_of
from ._records import Draft, Piece
from ._repeats import harmful_repeats
from ._splits import as_frozen, as_said, people_only, splits

NOTHING: Mapping[str, Example] = MappingProxyType({})
WINDOW = 10_000

Exchange = tuple[Interaction, Sequence[Feedback]]
"""An interaction, and everything that was said of it."""


def untold(_: SetAside) -> None:
    """Tell nobody what is set aside; the data set version counts it by reason all the same."""


@dataclass(frozen=True, slots=True)
class Curation:
    """A data set version and what waits for a later one.

    Args:
        deferred: new examples left for a later cycle (settings.learning.max_training_examples).
        read_all: whether all of `recent` was read; else the rest of it was left, unread, for a later cycle.
    """

    dataset: DatasetVersion
    deferred: int
    read_all: bool


def curate(  # noqa: PLR0913 - what happened, and all that earlier cycles decided
    known: Iterable[Exchange],
    recent: Iterable[Exchange] = (),
    *,
    tenant: str,
    now: datetime,
    settings: Settings,
    champion: DatasetVersion | None = None,
    judged: DatasetVersion | None = None,
    frozen: Mapping[str, Example] = NOTHING,
    withdrawn: Container[str] = frozenset(),
    quarantined: frozenset[str] = frozenset(),
    vouched: frozenset[str] = frozenset(),
    unmatched: int = 0,
    passed: Callable[[], int] = int,
    told: Callable[[SetAside], None] = untold,
) -> Curation:
    """Make a data set version of what may be, and is worth being, learned from.

    A pure function: the same records in any order give the same version with the same id. Nothing in the records makes
    it fail; what cannot be used is set aside with the reason. Memory is bounded by `known` and by a window of
    `recent`, however long that is.

    Args:
        known: exchanges that earlier cycles have looked at and this one should look at again: what was learned from,
            and what was spoken of since. Each interaction once.
        recent: exchanges that no cycle has looked at, none of them in `known`. It is read until it has given 10,000
            usable ones, or twice settings.learning.max_training_examples where that is more: give the latest first.
        champion: the data set that the champion learned from: what is not in it, or had other labels, is `new`.
        judged: the data set of the last cycle that reached a verdict: what is in neither it, `champion` nor `frozen`
            is *fresh*, and is audited and counted against settings.learning.max_training_examples.
        frozen: example id -> example of every frozen evaluation set. They judge for good, with the labels they had.
        withdrawn: users who withdrew consent: what they said and the feedback they gave is not used.
        quarantined: ids of interactions that an earlier refusal has set aside.
        vouched: ids of those that a person let out again: the audit does not ask about them any more.
        unmatched: how much feedback speaks of interactions that are not there; it is counted with what is set aside.
        passed: how many of the recent ones were passed over and are not in `recent`, since nobody gave them a label or
            spoke of them; asked once `recent` is read.
        told: called with each interaction that is set aside and the reason.

    >>> from datetime import UTC
    >>> from onward.core import Labels
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> said = [Interaction(id="1", text="where is my card?", at=noon, labels=Labels(intent="card_arrival"))]
    >>> made = curate([(one, []) for one in said], tenant="default", now=noon, settings=Settings())
    >>> [(e.text, e.labels.intent) for e in made.dataset.examples]
    [('where is my card?', 'card_arrival')]
    """
    sieve = Sieve(tenant=tenant, settings=settings, withdrawn=withdrawn, quarantined=quarantined)
    aside = Counter({"feedback on an unknown interaction": unmatched} if unmatched else {})

    def put_aside(one: SetAside) -> None:
        aside[one.reason] += 1
        told(one)

    usable, _ = _usable(known, sieve, put_aside)
    more, read_all = _usable(recent, sieve, put_aside, max(WINDOW, 2 * settings.learning.max_training_examples))
    if passed():
        aside[UNLABELLED] += passed()
    before = [dataset for dataset in (champion, judged) if dataset is not None]
    drafts = [as_frozen(draft, frozen) for draft in merged([*usable, *more])]
    split = splits(drafts, settings.training.validation_split, frozen, before)
    judging = as_said if settings.curation.judge_by_confirmed else people_only
    drafts = [judging(d) if split[d.id] == "evaluation" else d for d in drafts]
    past = compare(drafts, champion, judged, frozen)
    drafts = _harmless(drafts, split, frozen, past, settings, put_aside)
    drafts, waiting = _affordable(drafts, split, past, settings)
    examples, labels = _finished(drafts, split, past, frozen, vouched)
    dataset = DatasetVersion(
        id=content_hash([_identity(example) for example in examples]),
        tenant=tenant,
        parent=None if champion is None else champion.id,
        created=now,
        examples=examples,
        audit=labels,
        set_aside=dict(sorted(aside.items())),
    )
    return Curation(dataset, waiting, read_all)


def _usable(
    exchanges: Iterable[Exchange], sieve: Sieve, put_aside: Callable[[SetAside], None], most: int | None = None
) -> tuple[list[Piece], bool]:
    """The usable pieces, `most` of them where that is said, and whether all exchanges were taken or set aside.

    Where there is a most, one user has at most their share of it: a flood by one must not hide what others said before.
    """
    found: list[Piece] = []
    second, sent, left = second_finder(sieve.settings), Counter[str | None](), False
    allowed = None if most is None else most * sieve.settings.curation.max_user_share
    for interaction, feedback in exchanges:
        if len(found) == most:
            return found, False
        made = piece_of(interaction, feedback, sieve, second)
        if isinstance(made, str):
            put_aside(SetAside(interaction.id, made))
        elif allowed is not None and made.user is not None and sent[made.user] >= allowed:
            left = True
        else:
            sent[made.user] += 1
            found.append(made)
    return found, not left


def merged(usable: Iterable[Piece]) -> list[Draft]:
    by_text: dict[str, list[Piece]] = {}
    for piece in usable:
        by_text.setdefault(piece.id, []).append(piece)
    return [merge(by_text[key]) for key in sorted(by_text)]


def _without(drafts: Iterable[Draft], why: Mapping[str, str], put_aside: Callable[[SetAside], None]) -> list[Draft]:
    kept = []
    for draft in drafts:
        if draft.id in why:
            for interaction in draft.interactions:
                put_aside(SetAside(interaction, why[draft.id]))
        else:
            kept.append(draft)
    return kept


def _harmless(
    drafts: Sequence[Draft],
    split: Mapping[str, Split],
    frozen: Mapping[str, Example],
    past: Past,
    settings: Settings,
    put_aside: Callable[[SetAside], None],
) -> list[Draft]:
    """Without harmful repeats, then without what is beyond anybody's share of the new."""
    judging = [e for e in frozen.values() if e.part != "support"]
    repeats = harmful_repeats(drafts, split, judging, settings.curation.near_duplicate, past.new)
    kept = _without(drafts, repeats, put_aside)
    new = [draft for draft in kept if draft.id in past.new]
    shares = over_share(new, settings.curation.max_user_share, settings.curation.max_source_share)
    return _without(kept, shares, put_aside)


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
    taught = len({draft.unit for draft in teaching if draft.id in past.fresh})
    left_out = not_replayed(old, learning.replay_budget - taught)
    return [draft for draft in taken if draft.id not in left_out], len(waiting)


def _identity(example: Example) -> list[object]:
    """What makes two data set versions one and the same: everything but which of it is new."""
    e = example
    said = [e.id, e.text, plain(e.labels), e.split, e.weight, e.source, e.interactions, e.trusted]
    return said if e.task is None else [*said, e.task, e.part]


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
            task=draft.task,
            part=draft.part,
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
