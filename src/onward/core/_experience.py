"""What happened, and what somebody said of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from ._labels import Labels, Prediction

DEFAULT_TENANT = "default"

Part = Literal["support", "query"]
"""What an example is in its task: one that teaches it, or one that is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interaction:
    """One thing that happened: an input, the prediction given, which version gave it, tenant, time, context.

    Args:
        id: unique in its tenant; recording the same id twice is recording it once.
        tenant: whose it is; nothing is ever shared between tenants.
        text: what the user said.
        at: when, time zone aware.
        user: who said it; consent and caps go by it.
        response: what the assistant answered.
        labels: labels that came with the record (given by people, not by a model).
        prediction: what the model in service said.
        consent: whether it may be learned from; `None` where the record says nothing of it.
        source: the channel, file or batch it came by; caps against poisoning go by it.
        context: anything else, JSON only.
        task: name of the few-shot task that it belongs to; its labels mean something within that task only.
        part: with `task`: whether it teaches the task (then it has labels) or is asked.
    """

    id: str
    text: str
    at: datetime
    tenant: str = DEFAULT_TENANT
    user: str | None = None
    response: str | None = None
    labels: Labels = field(default_factory=Labels)
    prediction: Prediction | None = None
    consent: bool | None = None
    source: str = "live"
    context: Mapping[str, Any] = field(default_factory=dict)
    task: str | None = None
    part: Part | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """What somebody said of an interaction: a score, a correction, a structured remark; at least one of them.

    Args:
        id: unique in its tenant; recording the same id twice is recording it once.
        interaction: id of the interaction spoken of.
        at: when, time zone aware.
        user: who said it.
        score: 0 (bad) to 1 (good). A high score confirms the prediction given.
        correction: what the labels should have been.
        remark: anything structured, JSON only.
    """

    id: str
    interaction: str
    at: datetime
    tenant: str = DEFAULT_TENANT
    user: str | None = None
    score: float | None = None
    correction: Labels | None = None
    remark: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Mark:
    """How far recording had come at some moment: the number of the last interaction, and of the last feedback."""

    interaction: int = 0
    feedback: int = 0
