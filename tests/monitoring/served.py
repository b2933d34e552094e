"""Versions, what served when, and cycles, as a workspace tells of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from onward.core import CycleResult, ModelVersion, Scorecard, SetScore, Transition, Verdict

BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)


def version(number: int, cycle: str, accuracy: float | None, decision: str | None, **more) -> ModelVersion:
    score = None if accuracy is None else SetScore("set", 100, accuracy, {})
    sets = None if score is None else Scorecard(score, (score, SetScore("older $x$ set", 50, accuracy - 0.1, {})))
    return ModelVersion(
        number=number,
        tenant="default",
        learner=more.pop("learner", "linear"),
        parent=None,
        dataset="ds",
        artifact="a" * 64,
        config={},
        created=BEGIN + timedelta(days=number),
        cycle=cycle,
        scorecard=sets,
        verdict=None if decision is None else Verdict(decision, ()),
        **more,
    )


VERSIONS = [
    version(1, "one", 0.8, "promote", marks=("learned from <u1>",)),
    version(2, "one", 0.7, None, learner="spacy"),
    version(3, "two", 0.9, "promote"),
    version(4, "three", 0.5, "refuse"),
    version(5, "four", None, None),
]


def transition(number: int, to: int, previous: int | None, cause: str = "promote") -> Transition:
    return Transition(
        sequence=number,
        tenant="default",
        alias="champion",
        version=to,
        previous=previous,
        at=BEGIN + timedelta(days=number),
        by="ann <ann>",
        cause=cause,
        reason="better",
    )


HISTORY = [transition(1, 1, None), transition(2, 3, 1), transition(5, 1, 3, "rollback")]


def cycle(name: str, status: str, reason: str) -> CycleResult:
    return CycleResult(
        id=name, tenant="default", status=status, started=BEGIN, seconds=3.25, champion=1, candidate=4, reason=reason
    )


CYCLES = [cycle(f"cy{n}", "promoted" if n == 1 else "refused", f"reason {n} <b>") for n in range(8)]
