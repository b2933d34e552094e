"""Alerts in words: what happened, why it is an alert, what to do next."""

from __future__ import annotations

from typing import Final

from ._records import Observation, Rule

SHARES: Final = frozenset({"cycles.failed", "memory"})


def measure(rule: Rule, seen: Observation) -> float | None:
    """What is held against the thresholds; `None` where nothing can be: a drop from nowhere."""
    if rule.when != "drop":
        return seen.value
    return None if not seen.baseline else (seen.baseline - seen.value) / abs(seen.baseline)


def message(rule: Rule, seen: Observation, measured: float) -> str:
    """The message of an alert."""
    return f"{_what(rule, seen, measured)} {_why(rule)} Next: {rule.next}"


def _what(rule: Rule, seen: Observation, measured: float) -> str:
    about = f"{seen.figure} of {seen.subject}"
    if rule.when == "happens":
        return f"{seen.note or about}."
    if rule.when == "drop":
        return f"{about} fell by {measured:.1%} to {seen.value:.4g}: its best was {seen.baseline:.4g}."
    return f"{about} is {figure(rule, measured)}."


def _why(rule: Rule) -> str:
    if rule.when == "happens":
        return f"Rule {rule.name} tells whenever that happens."
    often = f" {rule.times} times in a row" if rule.times > 1 else ""
    beyond = "at a drop of more than" if rule.when == "drop" else rule.when
    return f"Rule {rule.name} raises {beyond} {figure(rule, rule.raise_at)}{often}."


def figure(rule: Rule, value: float) -> str:
    """A value as the rule's figure is written."""
    share = rule.when == "drop" or rule.figure in SHARES
    return f"{value:.1%}" if share else f"{value:.4g}"
