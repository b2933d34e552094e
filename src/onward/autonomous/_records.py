"""What the autonomous learner answers with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from onward.core import CycleResult, Scorecard, SetScore, plain


@dataclass(frozen=True, slots=True, kw_only=True)
class ConversationMetadata:
    """What was understood of one exchange.

    Args:
        conversation_id: id of the interaction it is recorded under.
        user_satisfaction, response_quality: 0..1, `None` where nobody said.
        entities_extracted: (text, label) pairs, in order.
        linguistic_features: counts and shares of the text.
        feedback_provided: whether the user said anything of the exchange.
        correction_needed: whether what they said is that it was wrong.
        degraded: why the analysis is a rule-based one; empty when the analyzer answered.
    """

    conversation_id: str
    user_id: str | None
    intent_detected: str | None
    sentiment_detected: str | None
    persona_selected: str | None = None
    user_satisfaction: float | None = None
    response_quality: float | None = None
    entities_extracted: tuple[tuple[str, str], ...] = ()
    linguistic_features: Mapping[str, float] = field(default_factory=dict)
    feedback_provided: bool = False
    correction_needed: bool = False
    degraded: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The same as plain JSON values."""
        return dict(plain(self))


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationResult:
    """Figures of a candidate over all evaluation sets, each 0..1; a head that was not judged is 0."""

    accuracy: float
    precision: float
    recall: float
    f1_score: float
    intent_accuracy: float
    sentiment_accuracy: float
    entity_accuracy: float
    passed_threshold: bool

    @classmethod
    def of(cls, scorecard: Scorecard, threshold: float) -> ValidationResult:
        """The figures of a scorecard; `passed_threshold` says whether accuracy reaches `threshold`."""
        overall = scorecard.overall
        heads = list(overall.heads.values())

        def mean(name: str) -> float:
            return sum(float(getattr(head, name)) for head in heads) / len(heads) if heads else 0.0

        return cls(
            accuracy=overall.accuracy,
            precision=mean("precision"),
            recall=mean("recall"),
            f1_score=mean("f1"),
            intent_accuracy=_accuracy(overall, "intent"),
            sentiment_accuracy=_accuracy(overall, "sentiment"),
            entity_accuracy=_accuracy(overall, "entities"),
            passed_threshold=overall.accuracy >= threshold,
        )


def _accuracy(score: SetScore, head: str) -> float:
    return score.heads[head].accuracy if head in score.heads else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningCycleResult:
    """What became of a learning cycle.

    Args:
        model_improved: whether a new version went into service.
        status: promoted, kept, refused, skipped or failed, as in `CycleResult`.
        reason: the gate's first reason, or why there was nothing to do.
        error_message: what went wrong; `None` when nothing did.
        validation: the candidate's figures; `None` when there was no candidate.
        backup_path: back-up of the version in service before (of the first one, when there was none before).
    """

    cycle_id: str
    status: str
    model_improved: bool
    reason: str
    error_message: str | None = None
    validation: ValidationResult | None = None
    backup_path: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LearningMetrics(Mapping[str, Any]):
    """Cycles so far, of all tenants; also a mapping by the same names.

    Args:
        successful_cycles: those that ended without failure (promoted, kept, refused, skipped).
        average_training_time: seconds per cycle that trained; 0 before the first.
        recent_cycles: the newest ten, newest last.
    """

    total_cycles: int
    successful_cycles: int
    failed_cycles: int
    model_improvements: int
    average_training_time: float
    recent_cycles: tuple[CycleResult, ...]
    last_cycle: datetime | None

    def __getitem__(self, name: str) -> Any:
        if name not in {one.name for one in fields(self)}:
            raise KeyError(name)
        return getattr(self, name)

    def __iter__(self) -> Iterator[str]:
        return (one.name for one in fields(self))

    def __len__(self) -> int:
        return len(fields(self))
