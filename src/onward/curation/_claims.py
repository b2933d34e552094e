"""Who says what of an interaction. A model's own view, unless somebody confirmed it, is nobody's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from onward.core import HEADS, Feedback, Head, Interaction, Labels, LabelSource, encode

from ._quality import reliability
from ._records import Claim, Value
from ._validity import label_name, sound_entities


def _sound(labels: Labels, head: Head, text: str) -> Value | None:
    if head == "entities":
        return None if labels.entities is None else sound_entities(labels.entities, text)
    name = labels.intent if head == "intent" else labels.sentiment
    return None if name is None else label_name(name)


def _said(
    labels: Labels, interaction: Interaction, source: LabelSource, at: float, speaker: str, score: float = 1.0
) -> Iterable[Claim]:
    sure = reliability(source, interaction.context, score)
    for head in HEADS:
        value = _sound(labels, head, interaction.text)
        if value is not None:
            yield Claim(head, value, source, sure, at, speaker)


def order_key(value: Value) -> bytes:
    """A key by which values of any head can be put in one order, the same on every machine."""
    return value.encode() if isinstance(value, str) else encode(value)


def latest(claims: Sequence[Claim]) -> Claim:
    """The latest claim; of several at that time, one of the value that most of them name, else the first by name."""
    last = max(claim.at for claim in claims)
    rivals = [claim for claim in claims if claim.at == last]
    votes = Counter(claim.value for claim in rivals)
    return min(rivals, key=lambda c: (-votes[c.value], order_key(c.value), c.speaker, -c.reliability))


def _corrections(interaction: Interaction, feedback: Sequence[Feedback]) -> Iterable[Claim]:
    said = [
        claim
        for f in feedback
        if f.correction is not None
        for claim in _said(f.correction, interaction, "correction", f.at.timestamp(), _speaker(f, interaction))
    ]
    for head in HEADS:
        rivals = [claim for claim in said if claim.head == head]
        if rivals:
            winner = latest(rivals)
            yield winner
            others = {c.speaker: c for c in sorted(rivals, key=lambda c: (c.at, order_key(c.value)))}
            yield from (replace(c, standing=False) for s, c in others.items() if s != winner.speaker)


def _speaker(feedback: Feedback, interaction: Interaction) -> str:
    return feedback.user or interaction.user or f"\x00{interaction.id}"


def _confirmation(interaction: Interaction, feedback: Sequence[Feedback], confirm_score: float) -> Iterable[Claim]:
    scored = [f for f in feedback if f.score is not None]
    if not scored or interaction.prediction is None:
        return
    last = max(scored, key=lambda f: (f.at.timestamp(), -(f.score or 0.0), _speaker(f, interaction)))
    if last.score is not None and last.score >= confirm_score:
        labels, at = interaction.prediction.labels, last.at.timestamp()
        yield from _said(labels, interaction, "confirmed", at, _speaker(last, interaction), last.score)


def claims_of(interaction: Interaction, feedback: Sequence[Feedback], confirm_score: float) -> tuple[Claim, ...]:
    """Every usable claim about one interaction.

    - Corrections: the latest wins; corrections by others stay as dissent.
    - Labels that came with the record.
    - The prediction, head by head, where the latest score given is at least `confirm_score`. A low score says that
      something is wrong, not what is right, and so is no label.

    Names and spans that cannot be labels (see `_validity`) are dropped.
    """
    at, speaker = interaction.at.timestamp(), interaction.user or f"\x00{interaction.id}"
    given = tuple(_said(interaction.labels, interaction, "given", at, speaker))
    if not feedback:
        return given
    confirmed = _confirmation(interaction, feedback, confirm_score)
    return (*_corrections(interaction, feedback), *given, *confirmed)
