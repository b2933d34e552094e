"""Exact duplicates: all interactions with one text become one draft, and their claims one set of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onward.core import Labels, LabelSource

from ._claims import latest, order_key
from ._records import STRENGTH, Claim, Draft, Piece

# Weight of a label by its source, before reliability and agreement: a prediction that somebody liked is still the
# model's own view, and learning it at full weight would let a model convince itself.
SOURCE_WEIGHT: Mapping[LabelSource, float] = {"correction": 1.0, "given": 1.0, "confirmed": 0.7}


def _one_voice_each(claims: Sequence[Claim]) -> list[Claim]:
    by_speaker: dict[str, list[Claim]] = {}
    for claim in claims:
        by_speaker.setdefault(claim.speaker, []).append(claim)
    return [latest(said) for said in by_speaker.values()]


def _strongest(claims: Sequence[Claim]) -> list[Claim]:
    standing = [c for c in claims if c.standing]
    top = max(STRENGTH[c.source] for c in standing)
    return _one_voice_each([c for c in standing if STRENGTH[c.source] == top])


def _winner(claims: Sequence[Claim]) -> Claim:
    rivals = _strongest(claims)
    votes = Counter(c.value for c in rivals)
    return min(rivals, key=lambda c: (-votes[c.value], -c.at, order_key(c.value), -c.reliability, c.speaker))


@dataclass(frozen=True, slots=True)
class _Decision:
    """How one head is decided.

    Args:
        claim: the one that wins.
        agreement: share of claims for its value, 0..1, among those for it and those by others against it.
        agreed: whether all claims are for it. Where people speak, a model's view counts neither for nor against.
    """

    claim: Claim
    agreement: float = 1.0
    agreed: bool = True


def _decide(claims: Sequence[Claim]) -> _Decision:
    if len(claims) == 1:
        return _Decision(claims[0])
    winner = _winner(claims)
    peers = [c for c in claims if winner.source == "confirmed" or c.source != "confirmed"]
    same = [c for c in peers if c.value == winner.value]
    supporters = {c.speaker for c in same}
    against = sum(c.speaker not in supporters for c in peers)
    return _Decision(winner, len(same) / (len(same) + against), len(same) == len(peers))


def _text_of(pieces: Sequence[Piece]) -> str:
    """The commonest spelling; of the pieces with the strongest entity marks where there are any, as offsets need it."""
    strength = {id(p): max((STRENGTH[c.source] for c in p.claims if c.head == "entities"), default=-1) for p in pieces}
    top = max(strength.values())
    spelled = Counter(p.text for p in pieces if strength[id(p)] == top)
    return min(spelled, key=lambda text: (-spelled[text], text))


def _only(values: Iterable[str | None]) -> str | None:
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _decisions(pieces: Sequence[Piece], text: str) -> dict[str, _Decision]:
    if len(pieces) == 1 and len({c.head for c in pieces[0].claims}) == len(pieces[0].claims):
        return {claim.head: _Decision(claim) for claim in pieces[0].claims}
    heads: dict[str, list[Claim]] = {}
    for piece in pieces:
        for claim in piece.claims:
            if claim.head != "entities" or piece.text == text:
                heads.setdefault(claim.head, []).append(claim)
    return {head: _decide(claims) for head, claims in heads.items()}


def merge(pieces: Sequence[Piece]) -> Draft:
    """One draft of all pieces of one text; a text that teaches its task is not asked of it.

    Per head the strongest source wins (correction, given, confirmed); within it the value that most speakers name,
    each speaking once with the latest they said; then the latest. The weight is, on average over the heads, the
    source's weight (1, 1, 0.7) x the winner's reliability x the share of claims that agree with it (what supporters of
    the winner said otherwise is a change of mind, not dissent; but the label is no longer agreed either).
    """
    text = pieces[0].text if len(pieces) == 1 else _text_of(pieces)
    decided = _decisions(pieces, text)
    won = [d.claim for d in decided.values()]
    weights = [SOURCE_WEIGHT[d.claim.source] * d.claim.reliability * d.agreement for d in decided.values()]
    return Draft(
        id=pieces[0].id,
        text=text,
        labels=Labels(**{claim.head: claim.value for claim in won}),  # type: ignore[arg-type]
        source=max((claim.source for claim in won), key=STRENGTH.__getitem__),
        weight=round(sum(weights) / len(weights), 6),
        confirmed=tuple(claim.head for claim in won if claim.source == "confirmed"),
        agreed=all(d.agreed for d in decided.values()),
        interactions=tuple(sorted(p.interaction for p in pieces)),
        user=_only(p.user for p in pieces),
        origin=_only(p.origin for p in pieces),
        at=max(p.at for p in pieces),
        task=pieces[0].task,
        part="support" if any(p.part == "support" for p in pieces) else pieces[0].part,
    )
