"""When to consolidate: to replay older work, fold memories together, or distil. It says when; the caller acts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any

from onward.core import InvalidInput
from onward.learners.neural import above, at_least, is_number, plain_number, whole

from ._forgetting import ROUNDING, ForgettingReport


class ConsolidationScheduler:
    """Counts what was learned since the last consolidation and says when the next is due.

    It reads no clock: seconds are told.

    Args:
        every_examples: due after so many, at least 1.
        every_steps: due after so many, at least 1.
        every_seconds: due after so many, above 0.
        drop: due when a score falls this far below the best since the last consolidation, above 0.
        on_forgetting: due when a `ForgettingReport` names a task.

    Raises:
        InvalidInput: a setting is out of its range, or it would never be due.

    >>> scheduler = ConsolidationScheduler(every_examples=1000, drop=0.1)
    >>> scheduler.saw(examples=600)
    >>> scheduler.due
    ()
    >>> scheduler.saw(examples=600)
    >>> scheduler.judged("digits", 0.9); scheduler.judged("digits", 0.7)
    >>> scheduler.due
    ('1200 examples', 'digits dropped by 0.2')
    >>> scheduler.consolidated()
    >>> scheduler.due
    ()
    """

    def __init__(
        self,
        *,
        every_examples: int | None = None,
        every_steps: int | None = None,
        every_seconds: float | None = None,
        drop: float | None = None,
        on_forgetting: bool = True,
    ) -> None:
        bounds = {"examples": every_examples, "steps": every_steps, "seconds": every_seconds}
        self._bounds = {name: bound for name, bound in bounds.items() if bound is not None}
        whole(1, **{f"every_{name}": bound for name, bound in self._bounds.items() if name != "seconds"})
        if every_seconds is not None:
            above(every_seconds=every_seconds)
        if drop is not None:
            above(drop=drop)
        if not self._bounds and drop is None and not on_forgetting:
            raise InvalidInput("It would never be due.", mend="Give one of the settings.")
        self._drop, self._on_forgetting = drop, on_forgetting
        self._seen: dict[str, float] = dict.fromkeys(bounds, 0)
        self._best: dict[str, float] = {}
        self._latest: dict[str, float] = {}
        self._forgotten: dict[str, float] = {}

    def saw(self, *, examples: int = 0, steps: int = 0, seconds: float = 0.0) -> None:
        """So much more was learned.

        Raises:
            InvalidInput: a number is below 0.
        """
        whole(0, examples=examples, steps=steps)
        at_least(0, seconds=seconds)
        for name, more in (("examples", examples), ("steps", steps), ("seconds", seconds)):
            self._seen[name] += plain_number(more)

    def judged(self, task: str, score: float) -> None:
        """A task was judged: higher is better.

        Raises:
            InvalidInput: the task is no text, or the score no finite number.
        """
        given: Any = task
        if not isinstance(given, str):
            raise InvalidInput(f"The task is {task!r}.", mend="Give its name, a text.")
        if not (is_number(score, Real) and math.isfinite(score)):
            raise InvalidInput(f"The score of {task!r} is {score!r}.", mend="Give a finite number.")
        self._latest[task] = own = plain_number(score)
        self._best[task] = max(own, self._best.get(task, own))

    def found(self, report: ForgettingReport) -> None:
        """A comparison was made."""
        self._forgotten |= {one.task: one.loss for one in report.findings if one.forgotten}

    @property
    def due(self) -> tuple[str, ...]:
        """Why a consolidation is due; empty where none is."""
        spent = [
            f"{_told(self._seen[name])} {name}" for name, bound in self._bounds.items() if self._seen[name] >= bound
        ]
        drops = {task: self._best[task] - score for task, score in self._latest.items()}
        least = math.inf if self._drop is None else self._drop - ROUNDING
        fell = [f"{task} dropped by {by:.3g}" for task, by in drops.items() if by >= least]
        forgot = [f"{task} forgotten by {by:.3g}" for task, by in self._forgotten.items() if self._on_forgetting]
        return (*spent, *fell, *forgot)

    def consolidated(self) -> None:
        """One was made: counting begins anew, and scores are held against the latest."""
        self._seen = dict.fromkeys(self._seen, 0)
        self._best = dict(self._latest)
        self._forgotten = {}

    def state_dict(self) -> dict[str, Any]:
        """What was counted, as JSON."""
        parts = {"seen": self._seen, "best": self._best, "latest": self._latest, "forgotten": self._forgotten}
        return {name: dict(part) for name, part in parts.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from there.

        Raises:
            InvalidInput: it is not what `state_dict` gave.
        """
        try:
            parts = [
                {str(key): float(value) for key, value in state[name].items()}
                for name in ("seen", "best", "latest", "forgotten")
            ]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InvalidInput(
                f"This is no state of a scheduler: {error!r}.", mend="Give what `state_dict` gave."
            ) from error
        if parts[0].keys() != self._seen.keys() or parts[1].keys() != parts[2].keys():
            raise InvalidInput("This is no state of a scheduler.", mend="Give what `state_dict` gave.")
        self._seen, self._best, self._latest, self._forgotten = parts


def _told(seen: float) -> str:
    """A count in full, however large; seconds to a few digits."""
    return f"{seen:.0f}" if float(seen).is_integer() else f"{seen:.6g}"
