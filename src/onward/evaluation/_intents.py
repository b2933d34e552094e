"""Which intents a candidate has forgotten."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ._outcomes import HeadOutcomes
from ._pairs import Pair


@dataclass(frozen=True, slots=True)
class Recall:
    """How many of an intent's examples each model finds."""

    intent: str
    count: int
    before: int
    after: int

    @property
    def lost(self) -> float:
        """Loss of recall from champion to candidate, -1..1."""
        return (self.before - self.after) / self.count


def recalls(pair: Pair, min_intent: int) -> list[Recall]:
    """Every intent with at least `min_intent` examples, by name. One that the champion never found cannot lose."""
    if "intent" not in pair.candidate.heads:
        return []
    counts = Counter(pair.candidate.heads["intent"].wanted)
    before, after = _found(pair.champion.heads["intent"]), _found(pair.candidate.heads["intent"])
    return [
        Recall(intent, count, before[intent], after[intent])
        for intent, count in sorted(counts.items())
        if count >= min_intent
    ]


def _found(head: HeadOutcomes) -> Counter[str]:
    return Counter(want for want, say in zip(head.wanted, head.said, strict=True) if want == say)
