"""The support set of a task, as it is adapted to: what curation makes of the interactions that teach the task."""

from __future__ import annotations

from collections.abc import Container, Iterable

from onward.config import Settings
from onward.core import Example

from ._curate import Exchange, merged
from ._personal import second_finder
from ._pieces import Sieve, piece_of
from ._records import Piece


def support_of(
    exchanges: Iterable[Exchange],
    *,
    tenant: str,
    settings: Settings,
    withdrawn: Container[str] = frozenset(),
    quarantined: frozenset[str] = frozenset(),
) -> tuple[Example, ...]:
    """The examples of a support set, ordered by id; what may not be learned from is left out.

    Args:
        exchanges: the interactions that teach one task, with what was said of them.
        tenant, settings, withdrawn, quarantined: as in `curate`.

    >>> from datetime import UTC, datetime
    >>> from onward.core import Interaction, Labels
    >>> noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    >>> labels = Labels(intent="refund")
    >>> one = Interaction(id="1", text="money back", at=noon, labels=labels, task="t1", part="support")
    >>> [(e.text, e.labels.intent) for e in support_of([(one, [])], tenant="default", settings=Settings())]
    [('money back', 'refund')]
    """
    sieve = Sieve(tenant=tenant, settings=settings, withdrawn=withdrawn, quarantined=quarantined)
    second = second_finder(sieve.settings)
    pieces = (piece_of(interaction, feedback, sieve, second) for interaction, feedback in exchanges)
    return tuple(
        Example(
            id=draft.id,
            text=draft.text,
            labels=draft.labels,
            split="train",
            source=draft.source,
            weight=draft.weight,
            interactions=draft.interactions,
            task=draft.task,
            part=draft.part,
        )
        for draft in merged(piece for piece in pieces if isinstance(piece, Piece))
    )
