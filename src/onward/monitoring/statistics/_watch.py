"""Convergence of a series that goes on, told at the moment it comes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from onward.core import InvalidInput

from ._checks import LARGEST, checked_convergence_level, checked_count, checked_number, checked_tolerance
from ._convergence import SHORTEST, WINDOW, fifths_of
from ._standing import Standing, standing

if TYPE_CHECKING:
    from collections.abc import Mapping

SELDOM: Final = 100  # updates between two looks, at least
KEYS: Final = ("window", "tolerance", "level", "values", "waiting", "extremes", "standing")


class ConvergenceWatch:
    """Watches a series one value at a time; looks every half window, and at most every 100 updates.

    It judges as `standing` does: like `convergence`, at a smaller level as it looks often; once settled, it arms itself
    again when the series leaves its place. Not safe for threads: one watch for one series.

    Args:
        window: as in `convergence`.
        tolerance: as in `convergence`.
        level: as in `convergence`.

    Raises:
        InvalidInput: something else is given.

    >>> from random import Random
    >>> random, watch = Random(1), ConvergenceWatch(tolerance=0.01)
    >>> learning = [0.9 - 0.5 * 0.97**at + random.gauss(0, 0.01) for at in range(600)]
    >>> [at for at, value in enumerate(learning) if watch.update(value)]
    [499]
    >>> watch.converged
    True
    """

    def __init__(self, *, window: int = WINDOW, tolerance: float | None = None, level: float = 0.05) -> None:
        self._window, self._tolerance = checked_count(window, "window", SHORTEST), checked_tolerance(tolerance)
        self._level = checked_convergence_level(level)
        self._every = max(window // 2, SELDOM)
        self._values: deque[float] = deque(maxlen=window)
        self._waiting = 0
        self._extremes = (LARGEST, -LARGEST)  # lowest and highest mean of a fifth so far
        self._standing: Standing | None = None

    @property
    def converged(self) -> bool:
        """Whether the series has settled and not left its level since."""
        return self._standing is not None

    def update(self, value: float) -> bool:
        """Take the next value; True at the moment the series is found settled.

        Raises:
            InvalidInput: the value is not a finite number up to 1e100; the watch stays as it was.
        """
        self._values.append(checked_number(value))
        self._waiting += 1
        if self._waiting < self._every or len(self._values) < self._window:
            return False
        self._waiting = 0
        return self._look()

    def _look(self) -> bool:
        import numpy as np

        newest = np.fromiter(self._values, dtype=np.float64, count=self._window)
        fifths = fifths_of(newest).tolist()
        self._extremes = min(self._extremes[0], *fifths), max(self._extremes[1], *fifths)
        before = self._standing
        self._standing = standing(
            newest, before, self._extremes, tolerance=self._tolerance, level=self._level, window=self._window
        )
        return before is None and self._standing is not None

    def state_dict(self) -> dict[str, Any]:
        """All of it, as JSON takes it."""
        return {
            "window": self._window,
            "tolerance": self._tolerance,
            "level": self._level,
            "values": list(self._values),
            "waiting": self._waiting,
            "extremes": list(self._extremes),
            "standing": None if self._standing is None else list(self._standing),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another watch stood.

        Raises:
            InvalidInput: not what `state_dict` gives; the watch stays as it was.
        """
        missing = [key for key in KEYS if key not in state]
        if missing:
            raise InvalidInput(f"The state of a watch lacks {', '.join(missing)}.", mend="Give what state_dict() gave.")
        fresh = ConvergenceWatch(window=state["window"], tolerance=state["tolerance"], level=state["level"])
        fresh._restore(state)
        self.__dict__.update(fresh.__dict__)

    def _restore(self, state: Mapping[str, Any]) -> None:
        try:
            self._values.extend(checked_number(value) for value in state["values"])
            self._waiting = max(0, int(state["waiting"]))
            low, high = state["extremes"]
            self._extremes = checked_number(low), checked_number(high)
            if state["standing"] is not None:
                level, within = state["standing"]
                self._standing = Standing(checked_number(level), checked_number(within))
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(
                "The state of a watch cannot be read.", why=f"{error}.", mend="Give what state_dict() gave."
            ) from error
