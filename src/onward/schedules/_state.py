"""What is saved of a schedule, and whether it may be loaded into another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onward.core import InvalidInput

MEND = "Give what state_dict() of a schedule made with the same settings gave."


def saved(kind: str, settings: Mapping[str, Any], **position: Any) -> dict[str, Any]:
    """A state: what the schedule is, how it was made, where it stands."""
    return {"kind": kind, "settings": dict(settings), **position}


def same(state: Any, kind: str, settings: Mapping[str, Any], position: tuple[str, ...]) -> list[Any]:
    """Where the state stands: the values of the keys `position`.

    Raises:
        InvalidInput: a key is missing, or the state is of another kind or other settings.
    """
    if not isinstance(state, Mapping):
        raise InvalidInput(f"A state is a mapping, not {type(state).__name__}.", mend=MEND)
    missing = [key for key in ("kind", "settings", *position) if key not in state]
    if missing:
        raise InvalidInput(f"The state lacks {', '.join(missing)}.", mend=MEND)
    if state["kind"] != kind:
        raise InvalidInput(f"The state is of {state['kind']!r}, and this schedule is {kind!r}.", mend=MEND)
    if state["settings"] != settings:
        raise InvalidInput(f"The state was made with {state['settings']}, this schedule with {settings}.", mend=MEND)
    return [state[key] for key in position]
