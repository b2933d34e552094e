"""What is watched and what is told: rules, observations, alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Any, Literal

from onward.config import Action, Severity, When
from onward.core import InvalidInput, plain

Progress = Literal["begun", "done", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """When an alert is raised, and when it clears.

    Args:
        name: its name in onward.toml.
        figure: what it looks at, as in `Observation.figure`.
        when: `above` or `below` a threshold; `drop`: how far the value is below its baseline, as a share of it (0.05 is
            5 %); `happens`: whenever it is observed.
        raise_at: beyond it an observation calls for an alert.
        clear_at: at it, or on its calm side, an observation calls for the alert's end. What lies between the two
            changes nothing.
        critical_at: beyond it the alert is critical; `None`: never.
        times: observations in a row that raise, clear or make critical; 1 and more.
        severity: of the alert.
        next: the command that the alert names.

    >>> Rule(name="slow", figure="metric.latency.p95", when="above", raise_at=200, clear_at=160).severity
    'warning'
    """

    name: str
    figure: str
    when: When
    raise_at: float = 0.0
    clear_at: float = 0.0
    critical_at: float | None = None
    times: int = 1
    severity: Severity = "warning"
    next: str = "onward alerts"

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON holds it."""
        found: dict[str, Any] = plain(self)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One value of a figure.

    Args:
        figure: which, e.g. `performance` or `metric.latency.p95`.
        subject: of what, e.g. `task intents`.
        value: finite; of a happening, whatever number tells it apart.
        baseline: what a drop is measured from; `None` where there is none.
        place: counts up with what the value was taken from; an observation whose place was looked at before is passed
            over. `None`: each one is new.
        note: what happened, in words, for a rule of the kind `happens`.

    Raises:
        InvalidInput: a number is not finite.
    """

    figure: str
    subject: str
    value: float
    baseline: float | None = None
    place: int | None = None
    note: str = ""

    def __post_init__(self) -> None:
        if not isfinite(self.value) or not isfinite(self.baseline or 0.0):
            raise InvalidInput(
                f"{self.figure} of {self.subject} is {self.value}, its baseline {self.baseline}.",
                mend="Observe finite numbers only.",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an alert set off by itself, at most once.

    Args:
        action: `retrain`, `roll_back` or `hold`.
        progress: `begun` until it is known what came of it.
        at: when it began.
        champion: the version in service then; nothing is rolled back once another one serves.
        outcome: what came of it.
    """

    action: Action
    progress: Progress
    at: datetime
    champion: int | None = None
    outcome: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """Something that somebody should know. One of a rule and subject is open at a time.

    Args:
        id: never used twice.
        tenant: whose.
        rule, subject: of what.
        severity: `info`, `warning` or `critical`; while it is open it never becomes less.
        message: what happened, why that is an alert, and the next command.
        value: what was observed last.
        threshold: what it is beyond; `None` for something that happened.
        baseline: what a drop is measured from.
        times: observations that called for it since it was opened.
        opened, updated, resolved: when; it is open while `resolved` is `None`.
        acknowledged_by, acknowledged_at: who has seen it, and when.
        told: the severity that it was last told with; empty while it was told to nobody, as while it is silenced.
        answer: what it set off.
    """

    id: str
    tenant: str
    rule: str
    subject: str
    severity: Severity
    message: str
    value: float
    opened: datetime
    updated: datetime
    threshold: float | None = None
    baseline: float | None = None
    times: int = 1
    resolved: datetime | None = None
    acknowledged_by: str | None = None
    acknowledged_at: datetime | None = None
    told: Severity | Literal[""] = ""
    answer: Answer | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is not resolved."""
        return self.resolved is None

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON holds it."""
        found: dict[str, Any] = plain(self)
        return found


@dataclass(frozen=True, slots=True)
class Standing:
    """How near a rule is to raising, or clearing, the alert of a subject.

    Args:
        place: of the newest observation.
        bad, critical, calm: observations in a row, counted up to the rule's `times`.
    """

    place: int = -1
    bad: int = 0
    critical: int = 0
    calm: int = 0
