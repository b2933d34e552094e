"""Checks that need no champion: evidence, trust in the labels, thresholds, and sense."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from onward.config import GateSettings, ThresholdSettings
from onward.core import Check, LabelAudit, LabelSource

from ._finding import Finding
from ._outcomes import Judged, Outcomes, always_the_same
from ._scorecard import head_accuracy
from ._significance import at_least, sign_flip

SAID: Final[Mapping[LabelSource, str]] = {"given": "given", "correction": "corrected", "confirmed": "confirmed"}


def evidence(candidate: Sequence[Outcomes], gate: GateSettings, *, of_all: bool = False) -> Finding:
    """Whether there are enough new examples to judge by; or, `of_all`, enough new and old ones."""
    count = sum(len(part.scores) for part in candidate if part.new or of_all)
    enough = count >= gate.min_evidence
    said = "enough" if enough else "too little"
    reason = f"{said} evidence: {count} {'' if of_all else 'new '}evaluation examples, {gate.min_evidence} needed"
    return Finding(Check("evidence", enough, float(count), float(gate.min_evidence), reason), "keep")


def trust(audit: LabelAudit, gate: GateSettings) -> Finding:
    """Whether the new labels agree with the rest of the data: all of them, and those of each source apart.

    They do not when the share contradicted is above the usual one by more than `gate.max_contradicted`, and so many
    would be seen with a chance of at most `gate.significance`, shared among these checks, if the true excess were
    half of that. The half allows for the usual share being an estimate too, and 0 where nothing was accepted before.
    """
    parts = [("new", audit), *((f"new {SAID[source]}", part) for source, part in audit.sources.items())]
    chance = gate.significance / len(parts)
    checks = [_agreement(part, gate.max_contradicted, chance, which) for which, part in parts]
    return Finding(min(checks, key=lambda check: check.passed), "refuse")


def _agreement(audit: LabelAudit, most: float, significance: float, which: str) -> Check:
    excess = audit.share - audit.expected
    benign = min(1.0, audit.expected + most / 2)
    chance = at_least(audit.contradicted, audit.judged, benign) if audit.judged else 1.0
    passed = excess <= most or chance > significance
    reason = (
        f"{audit.contradicted} of {audit.judged} {which} labels are contradicted by other examples "
        f"({audit.share:.0%}; usual here: {audit.expected:.0%}, at most {most:.0%} more)"
    )
    if passed and excess > most:
        reason += f", too few to tell from chance (p = {chance:.2g})"
    return Check("trust", passed, excess, most, reason)


def reached(candidate: Outcomes, champion: Outcomes | None, thresholds: ThresholdSettings) -> Iterator[Finding]:
    """Whether the candidate reaches each absolute figure, whatever the champion does."""
    bounds: dict[Judged, float] = {
        "intent": thresholds.intent,
        "sentiment": thresholds.sentiment,
        "entities": thresholds.entity,
        "task": thresholds.task,
    }
    if len(candidate.scores):
        before = None if champion is None else champion.accuracy
        yield _threshold("accuracy", candidate.accuracy, before, thresholds.accuracy)
    for head, found in candidate.heads.items():
        before = None if champion is None else head_accuracy(champion.heads[head])
        yield _threshold(head, head_accuracy(found), before, bounds[head])


def first(candidate: Outcomes, level: float) -> Finding:
    """Whether the first version is better than always answering each head's, or task's, most frequent label, and no
    entities."""
    constant = always_the_same(candidate.heads, len(candidate.scores))
    chance = sign_flip(candidate.scores - constant)
    said = "better" if chance <= level else "no better"
    before = float(constant.mean()) if len(constant) else 0.0
    reason = (
        f"{said} than always answering the most frequent label: {before:.3f} -> {candidate.accuracy:.3f} "
        f"on {len(constant)} examples (p = {chance:.2g}, at most {level:.2g})"
    )
    return Finding(Check("better", chance <= level, chance, level, reason), "keep")


def _threshold(name: str, figure: float, before: float | None, bound: float) -> Finding:
    measures = {"entities": "entity F1", "accuracy": "accuracy over all heads", "task": "accuracy on few-shot tasks"}
    measure = measures.get(name, f"{name} accuracy")
    champion = "" if before is None else f"; the champion has {before:.3f}"
    reason = f"{measure} {figure:.3f} (at least {bound:g} needed{champion})"
    return Finding(Check(f"threshold {name}", figure >= bound, figure, bound, reason), "refuse")
