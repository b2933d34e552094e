"""What every schedule can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol


class Schedule(Protocol):
    """A number that changes from step to step: a learning rate, a weight decay, a temperature.

    A step is whatever its user calls one: a batch, an epoch, a cycle. Not safe for several threads at once.

    >>> from onward.schedules import Plateau, exponential_decay
    >>> def last(schedule: Schedule, losses: list[float]) -> float:
    ...     return [schedule.step(loss) for loss in losses][-1]
    >>> last(exponential_decay(0.1, rate=0.5, steps=1), [3.0, 2.0])
    0.025
    >>> last(Plateau(0.1, factor=0.5, patience=0), [3.0, 3.0])
    0.05
    """

    @property
    def value(self) -> float:
        """To be used now; finite."""
        ...

    def step(self, performance: float | None = None) -> float:
        """One step is over and led to this performance; the value for the next.

        Raises:
            InvalidInput: it goes by performance and none is given; the schedule stays as it was.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """All that is needed to go on, as JSON takes it; shares nothing with the schedule."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where a schedule of the same settings stood.

        Raises:
            InvalidInput: the state is of another kind or of other settings; the schedule stays as it was.
        """
        ...
