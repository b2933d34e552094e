"""The gate: every question that is asked of a candidate, and the verdict that follows from the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from onward.config import GateSettings, ThresholdSettings
from onward.core import LabelAudit, SetScore, Verdict

from ._absolute import evidence, first, reached, trust
from ._finding import Finding, decision
from ._outcomes import Outcomes, pooled
from ._pairs import joined, side_by_side
from ._relative import better, forgotten, forgotten_intents, leaves, not_worse
from ._slip import slipped, slipped_intents


def judge(
    candidate: Sequence[Outcomes],
    champion: Sequence[Outcomes] | None,
    *,
    audit: LabelAudit,
    gate: GateSettings,
    thresholds: ThresholdSettings,
    candidates: int = 1,
    standards: Mapping[str, SetScore] | None = None,
    leaving: bool = False,
) -> Verdict:
    """Decide whether a candidate may take the champion's place. Every check that applies is listed.

    In order: `evidence`, `trust`, `threshold ...`, `better`, and, where there is a champion, `not worse ...`,
    `forgetting ...`, `intent ...` and `slip ...`. A candidate that is no better than the champion, on the new work and
    on all work together, is promoted with a chance of at most `gate.significance`. The folder's README.md says how.

    Args:
        candidate: its outcomes, oldest set first.
        champion: outcomes of the version in service on the same sets; `None` when nothing is in service.
        audit: of the data set version that the candidate learned from.
        candidates: how many candidates of this cycle the gate judges; any of them being promoted by chance then has
            the stated chance at most.
        standards: older set -> accuracy on it of the version that was promoted when the set was frozen.
        leaving: the champion learned from what was withdrawn and is to go: the candidate need not be better, nor judged
            on anything new; it must pass every check against harm, on `gate.min_evidence` examples at least.

    Raises:
        InvalidInput: candidate and champion were not scored on the same examples.
    """
    everything = pooled(candidate, "all")
    reference = None if champion is None else pooled(champion, "all")
    leaving = leaving and champion is not None
    findings = [
        evidence(candidate, gate, of_all=leaving),
        trust(audit, gate),
        *reached(everything, reference, thresholds),
    ]
    level = gate.significance / candidates
    if champion is None:
        findings.append(first(everything, level))
    else:
        findings += _against(candidate, champion, gate, None if leaving else level)
        findings += slipped(candidate, standards or {}, gate)
        findings += slipped_intents(candidate, standards or {}, gate)
    return Verdict(decision(findings), tuple(replace(f.check, otherwise=f.otherwise) for f in findings))


def _against(
    candidate: Sequence[Outcomes], champion: Sequence[Outcomes], gate: GateSettings, level: float | None
) -> list[Finding]:
    pairs = side_by_side(candidate, champion)
    new = joined([pair for pair in pairs if pair.new], "new work")
    old = joined([pair for pair in pairs if not pair.new], "older work")
    return [
        leaves(new, old) if level is None else better(new, old, gate.margin, level),
        *not_worse(new, gate),
        *forgotten(candidate, champion, gate),
        *forgotten_intents(old, gate),
    ]
