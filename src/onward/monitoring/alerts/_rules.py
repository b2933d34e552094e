"""Rules from onward.toml."""

from __future__ import annotations

from typing import Any

from onward.config import AlertSettings

from ._records import Rule


def rules_of(settings: AlertSettings) -> tuple[Rule, ...]:
    """The rules that are enabled: the defaults, changed and added to by `[alerts.rules]`.

    >>> [rule.raise_at for rule in rules_of(AlertSettings()) if rule.name == "latency"]
    [200.0]
    """
    in_force = settings.rules_in_force().items()
    return tuple(_rule(name, given.model_dump(exclude_none=True, exclude={"enabled"})) for name, given in in_force)


def _rule(name: str, given: dict[str, Any]) -> Rule:
    return Rule(name=name, **given)
