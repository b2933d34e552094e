"""Losses too small to refuse, one cycle at a time, must not add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from onward.config import GateSettings
from onward.core import Check

from ._finding import Finding
from ._outcomes import Outcomes


def slipped(candidate: Sequence[Outcomes], standards: Mapping[str, float], gate: GateSettings) -> list[Finding]:
    """Whether the candidate, on all older work together, is more than `gate.max_loss` below what was once reached.

    Args:
        candidate: its outcomes.
        standards: older set -> accuracy (0..1) on it of the version that was promoted when the set was frozen.

    Returns:
        One finding; none while the older sets with a standard hold fewer than `gate.min_set` examples.
    """
    older = [part for part in candidate if not part.new and part.name in standards and len(part.scores)]
    count = sum(len(part.scores) for part in older)
    if count < gate.min_set:
        return []
    once = sum(standards[part.name] * len(part.scores) for part in older) / count
    now = sum(float(part.scores.sum()) for part in older) / count
    passed = once - now <= gate.max_loss
    reason = (
        f"{'holds' if passed else 'has slipped from'} what was once reached on all older work: {once:.3f} -> {now:.3f} "
        f"on {count} examples (at most {gate.max_loss:g} may be lost over all cycles)"
    )
    return [Finding(Check("slip", passed, once - now, gate.max_loss, reason), "refuse")]
