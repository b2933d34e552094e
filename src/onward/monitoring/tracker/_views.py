"""Events and goals as a tracker shows them: sized, iterable, sliceable, read when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, overload

import msgspec

from ._goals import GoalProgress, goal_of
from ._records import LearningEvent, Measurement
from ._store import Store


def event_of(one: Measurement) -> LearningEvent:
    """A measurement of a task as the event that it was."""
    metadata = msgspec.json.decode(one.body, type=dict[str, Any]) if one.body else {}
    return LearningEvent(
        one.time, one.source.name, one.value, one.rate or 0.0, one.step or 0, one.convergence or 0.0, metadata
    )


class Events(Sequence[LearningEvent]):
    """Learning events in the order in which they came, oldest first."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __len__(self) -> int:
        return self._store.kept("task")

    def __iter__(self) -> Iterator[LearningEvent]:
        return map(event_of, self._store.rows("task", 0, len(self)))

    @overload
    def __getitem__(self, place: int) -> LearningEvent: ...
    @overload
    def __getitem__(self, place: slice) -> list[LearningEvent]: ...
    def __getitem__(self, place: int | slice) -> LearningEvent | list[LearningEvent]:
        places = range(len(self))[place]
        if isinstance(places, int):
            one = next(self._store.rows("task", places, places + 1), None)
            if one is None:
                raise IndexError("it was dropped meanwhile, for newer ones")
            return event_of(one)
        if not places:
            return []
        low, high = min(places), max(places)
        found = [event_of(one) for one in self._store.rows("task", low, high + 1)]
        return [found[number - low] for number in places]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Events | list | tuple):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # what changes has no hash

    def __repr__(self) -> str:
        return f"<{len(self)} learning events>"


class Goals(Mapping[str, GoalProgress]):
    """Goals by their ids; a number or a slice gives them in that order."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _all(self) -> dict[str, GoalProgress]:
        return {name: goal_of(body) for name, body in self._store.notes("goal").items()}

    def __len__(self) -> int:
        return len(self._store.notes("goal"))

    def __iter__(self) -> Iterator[str]:
        return iter(self._store.notes("goal"))

    @overload
    def __getitem__(self, goal: str | int) -> GoalProgress: ...
    @overload
    def __getitem__(self, goal: slice) -> list[GoalProgress]: ...
    def __getitem__(self, goal: str | int | slice) -> GoalProgress | list[GoalProgress]:
        goals = self._all()
        return goals[goal] if isinstance(goal, str) else list(goals.values())[goal]

    def __repr__(self) -> str:
        return f"<{len(self)} goals: {', '.join(self)}>"
