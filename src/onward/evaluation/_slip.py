"""Losses too small to refuse, one cycle at a time, must not add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onward.config import GateSettings
from onward.core import Check, SetScore

from ._finding import Finding
from ._outcomes import Outcomes
from ._scorecard import head_accuracy


def slipped(candidate: Sequence[Outcomes], standards: Mapping[str, SetScore], gate: GateSettings) -> list[Finding]:
    """Whether the candidate, on all older work together, is more than `gate.max_loss` below what was once reached.

    Args:
        candidate: its outcomes.
        standards: older set -> accuracy (0..1) on it of the version that was promoted when the set was frozen.

    Returns:
        One finding; none while the older sets with a standard hold fewer than `gate.min_set` examples.
    """
    older = [part for part in candidate if not part.new and part.name in standards and len(part.scores)]
    count = sum(len(part.scores) for part in older)
    pairs = [
        (len(found.right), standards[part.name].heads[head].accuracy, head_accuracy(found))
        for part in older
        for head, found in part.heads.items()
        if head in standards[part.name].heads  # a head that nobody could answer then had no figure to slip from
    ]
    if count < gate.min_set or not pairs:
        return []
    judged = sum(answers for answers, _, _ in pairs)
    once = sum(answers * before for answers, before, _ in pairs) / judged
    now = sum(answers * after for answers, _, after in pairs) / judged
    passed = once - now <= gate.max_loss
    reason = (
        f"{'holds' if passed else 'has slipped from'} what was once reached on all older work: {once:.3f} -> {now:.3f} "
        f"on {count} examples (at most {gate.max_loss:g} may be lost over all cycles)"
    )
    return [Finding(Check("slip", passed, once - now, gate.max_loss, reason), "refuse")]
