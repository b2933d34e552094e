"""Losses too small to refuse, one cycle at a time, must not add up."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from onward.config import GateSettings
from onward.core import Check, HeadScore, SetScore

from ._finding import Finding, told
from ._intents import Recall, once_found, recalls_since
from ._outcomes import HeadOutcomes, Outcomes
from ._pairs import neighbours
from ._relative import ROUNDING, not_by_chance, short
from ._scorecard import head_accuracy
from ._significance import at_least, holm


@dataclass(frozen=True, slots=True)
class Slip:
    """What one older set, or neighbouring ones, or all of them lost since it was frozen.

    Only heads that somebody could answer then count.

    Args:
        name: the set's, or "first..last" of neighbours.
        count: examples with such a head.
        wrong: of them, those on which the candidate is not all right.
        once: accuracy then, 0..1.
        now: accuracy of the candidate, 0..1.
    """

    name: str
    count: int
    wrong: int
    once: float
    now: float

    @property
    def lost(self) -> float:
        """Loss in accuracy, -1..1; negative where it is better now."""
        return self.once - self.now

    def chance(self, loss: float) -> float:
        """Of so many wrong answers or more, if a share `loss` more of the examples were wrong than once.

        An example is one answer at most, however many entities it has.
        """
        wrong = min(self.wrong, math.floor(self.count * (1 - self.now) + ROUNDING))
        return at_least(wrong, self.count, min(1.0, 1 - self.once + loss))


def slipped(candidate: Sequence[Outcomes], standards: Mapping[str, SetScore], gate: GateSettings) -> list[Finding]:
    """Whether the candidate is more than `gate.max_loss` below what was once reached, on all older work together; or
    on any older set, and not by chance, however much better it is on the others.

    Not by chance: so many wrong answers would be seen with a chance of at most `gate.significance`, over all sets
    together (Holm), if half of `gate.max_loss` had been lost.

    Args:
        candidate: its outcomes.
        standards: older set -> figures on it of the version that was promoted when the set was frozen.

    Returns:
        One finding on all of it, and one on every set that slipped; where none did and there are several, on that
        which lost most. None while the older sets with a standard hold fewer than `gate.min_set` examples.
    """
    older = [part for one in candidate if not one.new and (part := _part(one, standards)).count]
    if sum(map(_size, older)) < gate.min_set:
        return []
    groups = neighbours(older, _size, gate.min_set)
    return [_all(_slip(older), gate), *(_each(groups, gate) if len(groups) > 1 else [])]


@dataclass(frozen=True, slots=True)
class Part:
    """One older set.

    Args:
        name: the set's.
        count: examples with a head that somebody could answer then; another has no figure to slip from.
        wrong: of them, those on which the candidate is not all right.
        heads: of each such head: its answers, its accuracy then, its accuracy now.
    """

    name: str
    count: int
    wrong: int
    heads: tuple[tuple[int, float, float], ...]


def _part(found: Outcomes, standards: Mapping[str, SetScore]) -> Part:
    then = standards[found.name].heads if found.name in standards else {}
    both = [(own, then[head]) for head, own in found.heads.items() if head in then]
    heads = tuple((len(own.right), _once(own, score), head_accuracy(own)) for own, score in both)
    judged = {at for own, _ in both for at in own.where.tolist()}
    wrong = {at for own, _ in both for at in own.where[own.right < 1 - ROUNDING].tolist()}
    return Part(found.name, len(judged), len(wrong), heads)


def _size(part: Part) -> int:
    return part.count


def _once(own: HeadOutcomes, then: HeadScore) -> float:
    """Accuracy then on what is left of the set: a sample does not hold as large a share of every label as all of it."""
    return sum(once_found(own, then).values()) / len(own.wanted) if own.wanted else then.accuracy


def _slip(parts: Sequence[Part]) -> Slip:
    """Neighbours as one; each head counts as often as it has answers."""
    heads = [head for part in parts for head in part.heads]
    answers = sum(count for count, _, _ in heads)
    once = sum(count * before for count, before, _ in heads) / answers
    now = sum(count * after for count, _, after in heads) / answers
    name = parts[0].name if len(parts) == 1 else f"{parts[0].name}..{parts[-1].name}"
    return Slip(name, sum(map(_size, parts)), sum(part.wrong for part in parts), once, now)


def _all(slip: Slip, gate: GateSettings) -> Finding:
    passed = slip.lost <= gate.max_loss + ROUNDING
    reason = (
        f"{'holds' if passed else 'has slipped from'} what was once reached on all older work: {_figures(slip)} "
        f"(at most {gate.max_loss:g} may be lost over all cycles)"
    )
    return Finding(Check("slip", passed, slip.lost, gate.max_loss, reason), "refuse")


def _each(groups: Sequence[Sequence[Part]], gate: GateSettings) -> list[Finding]:
    slips = [_slip(group) for group in groups]
    chances = holm([slip.chance(gate.max_loss / 2) for slip in slips])
    return told(
        [
            _one(short(slip.name), slip.lost, _figures(slip), chance, gate.max_loss, gate.significance)
            for slip, chance in zip(slips, chances, strict=True)
        ]
    )


def slipped_intents(
    candidate: Sequence[Outcomes], standards: Mapping[str, SetScore], gate: GateSettings
) -> list[Finding]:
    """Whether any intent lost more than `gate.max_intent_loss` of the recall once reached on it, and not by chance.

    Not by chance: so many would be missed with a chance of at most `gate.significance`, over all intents together
    (Holm), if each example of it were missed as often as once, and with chance `gate.max_loss` more.
    """
    judged = recalls_since(candidate, standards, gate.min_intent)
    chances = holm([_missed(one, gate.max_loss) for one in judged])
    return told(
        [
            _one(f"intent {one.intent}", one.lost, one.figures, chance, gate.max_intent_loss, gate.significance)
            for one, chance in zip(judged, chances, strict=True)
        ]
    )


def _missed(one: Recall, more: float) -> float:
    return at_least(one.count - one.after, one.count, min(1.0, 1 - one.before / one.count + more))


def _one(name: str, lost: float, figures: str, chance: float, bound: float, level: float) -> Finding:
    passed, said = not_by_chance(lost, bound, chance, level)
    reason = (
        f"{'holds' if passed else 'has slipped from'} what was once reached on {name}: {figures} "
        f"(at most {bound:g} may be lost over all cycles){said}"
    )
    return Finding(Check(f"slip {name}", passed, lost, bound, reason), "refuse")


def _figures(slip: Slip) -> str:
    return f"{slip.once:.3f} -> {slip.now:.3f} on {slip.count} examples"
