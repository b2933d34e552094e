"""What was tried on which task, and how it went."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from onward.core import Damaged, InvalidInput
from onward.learners.neural import whole

from . import _file
from ._inputs import Floats, number_of
from ._strategy import Strategy, strategy_of

LIMIT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Experience:
    """One configuration tried on one task.

    Args:
        task_id: the task's name; may be empty.
        vector: what the task is like.
        strategy: what it was trained with; its confidence is 0.
        outcome: how well it went; higher is better, e.g. an accuracy or an AUC.
    """

    task_id: str
    vector: tuple[float, ...]
    strategy: Strategy
    outcome: float

    @property
    def task(self) -> tuple[str, tuple[float, ...]]:
        """What tells its task from others: name and vector."""
        return self.task_id, self.vector


class ExperienceBuffer:
    """Experiences, at most so many. When it is full, the oldest of the task that has the most makes room.

    Not for several threads at once. In memory until `save`, which is durable when it returns.

    Args:
        limit: experiences at most, at least 1.

    Raises:
        InvalidInput: `limit` is no whole number, or below 1.

    >>> buffer = ExperienceBuffer(limit=2)
    >>> for rate in (0.1, 0.01, 0.001):
    ...     buffer.add("t", [0.0, 1.0], {"learning_rate": rate}, outcome=0.5)
    >>> [one.strategy.learning_rate for one in buffer]
    [0.01, 0.001]
    """

    def __init__(self, limit: int = LIMIT) -> None:
        whole(1, limit=limit)
        self.limit = int(limit)
        self._tasks: dict[tuple[str, tuple[float, ...]], dict[int, Experience]] = {}
        self._added = self._held = 0

    def __len__(self) -> int:
        return self._held

    def __iter__(self) -> Iterator[Experience]:
        """Oldest first."""
        numbered = {at: one for held in self._tasks.values() for at, one in held.items()}
        return (numbered[at] for at in sorted(numbered))

    @property
    def added(self) -> int:
        """Experiences ever added; grows with each."""
        return self._added

    def add(
        self,
        task_id: str,
        vector: Floats | Sequence[float],
        configuration: Mapping[str, Any] | Strategy,
        outcome: float,
        defaults: Strategy | None = None,
    ) -> None:
        """Keep one.

        Raises:
            InvalidInput: the outcome or something in the vector is no finite number, the vector has another length than
                those before, or the configuration is none.
        """
        numbers, result = tuple(map(number_of, vector)), number_of(outcome)
        held = next(iter(self._tasks), None)
        if not all(map(math.isfinite, (*numbers, result))) or (held and len(held[1]) != len(numbers)):
            raise InvalidInput(
                f"An experience of {len(numbers)} numbers and outcome {outcome!r} cannot be kept.",
                why=f"Those before have {len(held[1])} numbers." if held else "",
                mend="Give finite numbers, as many as before.",
            )
        strategy = strategy_of(configuration, defaults or Strategy())
        one = Experience(task_id, numbers, strategy, result)
        self._tasks.setdefault(one.task, {})[self._added] = one
        self._added += 1
        self._held += 1
        if self._held > self.limit:
            self._make_room()

    def by_task(self) -> list[list[Experience]]:
        """The experiences of each task, the task of the oldest first."""
        return [list(held.values()) for held in sorted(self._tasks.values(), key=lambda held: next(iter(held)))]

    def vectors(self) -> Floats:
        """(T, d) vectors of the tasks, in that order."""
        return np.array([held[0].vector for held in self.by_task()])

    def task_ids(self) -> list[str]:
        """T names, in that order."""
        return [held[0].task_id for held in self.by_task()]

    def save(self, file: Path | str) -> Path:
        """Write one JSON file, in whole or not at all; it is on disk when this returns.

        Raises:
            Unavailable: it cannot be written; what stood there stays.
        """
        return _file.write(Path(file), card_of(self))

    @staticmethod
    def load(file: Path | str) -> ExperienceBuffer:
        """Read such a file.

        Raises:
            NotFound: there is none.
            Damaged: it is not what was written.
        """
        return buffer_of(_file.read(Path(file), BufferCard))

    def _make_room(self) -> None:
        most = max(self._tasks.values(), key=lambda held: (len(held), -next(iter(held))))
        one = most.pop(next(iter(most)))
        self._held -= 1
        if not most:
            del self._tasks[one.task]


@dataclass(frozen=True, slots=True)
class BufferCard:
    """A buffer as it is stored: each task's vector once."""

    limit: int
    tasks: tuple[tuple[str, tuple[float, ...]], ...]
    rows: tuple[tuple[int, Strategy, float], ...]


def card_of(buffer: ExperienceBuffer) -> BufferCard:
    """A buffer, to be stored."""
    rows = list(buffer)
    places = {task: at for at, task in enumerate(dict.fromkeys(one.task for one in rows))}
    return BufferCard(buffer.limit, tuple(places), tuple((places[one.task], one.strategy, one.outcome) for one in rows))


def buffer_of(card: BufferCard) -> ExperienceBuffer:
    """A stored buffer.

    Raises:
        Damaged: a row names a task that is not there, or cannot be kept.
    """
    try:
        buffer = ExperienceBuffer(card.limit)
        tasks = dict(enumerate(card.tasks))
        for at, strategy, outcome in card.rows:
            name, vector = tasks[at]
            buffer.add(name, vector, strategy, outcome)
    except (KeyError, InvalidInput) as error:
        raise Damaged("Stored experience cannot be read.", why=f"{error}", mend="Restore a back-up.") from error
    return buffer
