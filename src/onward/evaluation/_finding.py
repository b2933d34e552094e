"""One check, and what follows when it fails."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from onward.core import Check, Decision


class Finding(NamedTuple):
    """A check, and the decision that its failing calls for."""

    check: Check
    otherwise: Decision


def told(findings: Sequence[Finding]) -> list[Finding]:
    """Of one question asked of many: every finding that failed; where none did, that with the highest figure."""
    failed = [finding for finding in findings if not finding.check.passed]
    return failed or sorted(findings, key=lambda finding: -finding.check.figure)[:1]


def decision(findings: Sequence[Finding]) -> Decision:
    """Refuse if any failed check calls for it, else keep if any does, else promote."""
    wanted = {finding.otherwise for finding in findings if not finding.check.passed}
    return "refuse" if "refuse" in wanted else "keep" if "keep" in wanted else "promote"
