"""What stays the same for long: configurations of experiments and the targets of goals, as names and texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from onward.monitoring.tracker import GoalProgress, Store
from onward.monitoring.tracker._goals import goal_of

from ._points import joined


def settled(store: Store) -> dict[str, str]:
    """Everything of the kind that a store knows."""
    found: dict[str, str] = {}
    for name, configuration in store.notes("experiment").items():
        found |= of_experiment(name, configuration)
    for body in store.notes("goal").values():
        found |= of_goal(goal_of(body))
    return found


def of_experiment(name: str, configuration: Mapping[str, Any]) -> dict[str, str]:
    """The configuration of an experiment, as JSON holds it: `experiment/NAME/KEY`, and a part more for each level.

    >>> of_experiment("e", {"layers": [64, 32], "optimizer": {"name": "adam"}})
    {'experiment/e/layers': '[64,32]', 'experiment/e/optimizer/name': 'adam'}
    """
    return {joined("experiment", name, *keys): text for keys, text in _leaves(configuration, ())}


def _leaves(value: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(inner, (*keys, str(key)))
    elif keys:
        yield keys, value if isinstance(value, str) else msgspec.json.encode(value).decode()


def of_goal(goal: GoalProgress) -> dict[str, str]:
    """What a goal is after."""
    target, direction = (joined("goal", goal.goal_id, word) for word in ("target", "direction"))
    return {target: f"{goal.target_performance:g}", direction: goal.direction}
