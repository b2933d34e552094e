"""What became of each intent: since the champion, and since its examples were frozen."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from onward.core import HeadScore, SetScore

from ._outcomes import HeadOutcomes, Outcomes
from ._pairs import Pair


@dataclass(frozen=True, slots=True)
class Recall:
    """How many of an intent's examples were found, and are.

    Args:
        before: of as many examples as there are now.
    """

    intent: str
    count: int
    before: float
    after: int

    @property
    def lost(self) -> float:
        """Loss of recall, -1..1."""
        return (self.before - self.after) / self.count

    @property
    def figures(self) -> str:
        """For people."""
        return f"recall {self.before / self.count:.2f} -> {self.after / self.count:.2f} on {self.count} examples"


def recalls(pair: Pair, min_intent: int) -> list[Recall]:
    """Every intent with at least `min_intent` examples, by name: before is the champion, after the candidate."""
    if "intent" not in pair.candidate.heads:
        return []
    before, after = (found_by_label(side.heads["intent"]) for side in (pair.champion, pair.candidate))
    counts = sorted(Counter(pair.candidate.heads["intent"].wanted).items())
    return [Recall(name, count, before[name], after[name]) for name, count in counts if count >= min_intent]


def recalls_since(candidate: Sequence[Outcomes], standards: Mapping[str, SetScore], min_intent: int) -> list[Recall]:
    """Every intent with at least `min_intent` examples in older sets, by name: before is when each set was frozen."""
    parts: defaultdict[str, list[Recall]] = defaultdict(list)
    for part in candidate:
        if not part.new and part.name in standards:
            for one in _since(part, standards[part.name]):
                parts[one.intent].append(one)
    whole = [
        Recall(name, sum(one.count for one in own), sum(one.before for one in own), sum(one.after for one in own))
        for name, own in sorted(parts.items())
    ]
    return [one for one in whole if one.count >= min_intent]


def _since(part: Outcomes, once: SetScore) -> Iterator[Recall]:
    """The intents of one set."""
    if "intent" not in part.heads or "intent" not in once.heads:
        return
    own, then = part.heads["intent"], once.heads["intent"]
    counts, before, now = Counter(own.wanted), once_found(own, then), found_by_label(own)
    for intent in then.labels.keys() & counts.keys():
        yield Recall(intent, counts[intent], before[intent], now[intent])


def once_found(head: HeadOutcomes, then: HeadScore) -> dict[str, float]:
    """How many examples of each label that is left of a set were found then, if as large a share as of all of them.

    Where a standard says nothing of a label, its accuracy takes the place.
    """
    shares = {label: right / count for label, (right, count) in then.labels.items()}
    return {label: count * shares.get(label, then.accuracy) for label, count in Counter(head.wanted).items()}


def found_by_label(head: HeadOutcomes) -> Counter[str]:
    """How many examples of each label a model found."""
    return Counter(want for want, say in zip(head.wanted, head.said, strict=True) if want == say)
