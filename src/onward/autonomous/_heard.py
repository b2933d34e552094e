"""What was handed in of an exchange, made safe: nothing raised, nothing dropped in silence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from onward.core import DEFAULT_TENANT

SHARES: Final = ("satisfaction_score", "response_quality")
KNOWN: Final = (*SHARES, "correction")


@dataclass(frozen=True, slots=True)
class Heard:
    """An exchange that can be worked with.

    Args:
        recordable: whether it can be said whose it is and what was said.
        problems: what was wrong with what was handed in.
    """

    tenant: str
    text: str
    feedback: Mapping[str, Any]
    recordable: bool
    problems: tuple[str, ...]


def hear(tenant: object, text: object, feedback: object) -> Heard:
    """Take what can be used, and say what cannot.

    >>> hear("t", "hello", {"satisfaction_score": 9}).problems
    ('user_feedback: satisfaction_score is 9, not a number from 0 to 1',)
    """
    problems = []
    if not isinstance(tenant, str):
        problems.append(f"tenant_id is {tenant!r}, not a text; the exchange was not recorded")
    if not isinstance(text, str):
        problems.append(f"user_text is a {type(text).__name__}, not a text; the exchange was not recorded")
    said, wrong = _usable(feedback)
    return Heard(
        tenant if isinstance(tenant, str) else DEFAULT_TENANT,
        text if isinstance(text, str) else "",
        said,
        not problems,
        (*problems, *(f"user_feedback: {one}" for one in wrong)),
    )


def _usable(feedback: object) -> tuple[dict[str, Any], list[str]]:
    if feedback is None:
        return {}, []
    if not isinstance(feedback, Mapping):
        return {}, [f"it is a {type(feedback).__name__}, not a mapping with {', '.join(KNOWN)}"]
    wrong = [f"{key} is unknown; known: {', '.join(KNOWN)}" for key in feedback if key not in KNOWN]
    said = {key: feedback[key] for key in KNOWN if feedback.get(key) is not None}
    unusable = {key for key in SHARES if key in said and not _is_share(said[key])}
    wrong += [f"{key} is {said[key]!r}, not a number from 0 to 1" for key in SHARES if key in unusable]
    return {key: value for key, value in said.items() if key not in unusable}, wrong


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
