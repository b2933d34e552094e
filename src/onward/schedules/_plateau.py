"""A value that follows performance."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, field, fields
from typing import Any, Final, Literal

from ._checks import choice, count, measured, number, positive
from ._state import same, saved

BETTER: Final = ("lower", "higher")
THRESHOLDS: Final = ("relative", "absolute")
POSITION: Final = ("value", "best", "worse_in_a_row", "resting")


@dataclass(eq=False)
class Plateau:
    """A `Schedule` that changes its value when performance no longer gets better; if asked, it raises it meanwhile.

    With a factor below 1 it is torch's ReduceLROnPlateau, but for its eps, and for a relative threshold that holds for
    negative performance as well. With `growth` it is the bold driver of Battiti (1989): up a little while things get
    better, down a lot when they do not. A performance that is not finite, as after a divergence, is not better.

    Args:
        start: first value, within lowest and highest.
        better: "lower" for losses, "higher" for accuracies.
        factor: on a plateau the value is taken times this: below 1 to lower it, above 1 to raise it.
        patience: so many steps in a row may fail to get better; the next one makes a plateau.
        threshold: better means better than the best so far by more than this; at least 0.
        threshold_mode: "relative", a share of the best so far, or "absolute".
        cooldown: steps after a plateau in which nothing is counted.
        lowest: the value never falls below; at least 0.
        highest: the value never rises above; None: no limit.
        growth: after each step that is better the value is taken times this, at least 1; None: never.

    Raises:
        InvalidInput: something else is given.

    >>> rate = Plateau(0.1, factor=0.5, patience=1, growth=1.2, highest=0.13)
    >>> [round(rate.step(loss), 3) for loss in (1.0, 0.9, 0.8, 0.8, 0.8, 0.7)]
    [0.1, 0.12, 0.13, 0.13, 0.065, 0.078]
    """

    start: float
    _: KW_ONLY
    better: Literal["lower", "higher"] = "lower"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    threshold_mode: Literal["relative", "absolute"] = "relative"
    cooldown: int = 0
    lowest: float = 0.0
    highest: float | None = None
    growth: float | None = None
    _value: float = field(init=False, repr=False)
    _best: float | None = field(default=None, init=False, repr=False)
    _worse_in_a_row: int = field(default=0, init=False, repr=False)
    _resting: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        self.lowest = number(self.lowest, "lowest", least=0)
        if self.highest is not None:
            self.highest = number(self.highest, "highest", least=self.lowest)
        self.start = self._value = self._within(positive(self.start, "start"), "start")
        choice(self.better, "better", BETTER)
        self.factor, self.patience = positive(self.factor, "factor"), count(self.patience, "patience")
        self.threshold = number(self.threshold, "threshold", least=0)
        choice(self.threshold_mode, "threshold_mode", THRESHOLDS)
        self.cooldown = count(self.cooldown, "cooldown")
        if self.growth is not None:
            self.growth = number(self.growth, "growth", least=1)

    @property
    def value(self) -> float:
        """To be used now."""
        return self._value

    @property
    def best(self) -> float | None:
        """Performance that others are held against; None before the first that is finite."""
        return self._best

    def step(self, performance: float | None = None) -> float:
        """Take the performance reached with the value; the next value.

        Raises:
            InvalidInput: there is no performance, or it is no number.
        """
        found, before = measured(performance, "A plateau"), self._best
        better = math.isfinite(found) and (before is None or self._exceeds(found, before))
        if better:
            self._best = found
        self._worse_in_a_row = 0 if better or self._resting else self._worse_in_a_row + 1
        if self._resting:
            self._resting -= 1
        elif self._worse_in_a_row > self.patience:
            self._take_times(self.factor)
            self._worse_in_a_row, self._resting = 0, self.cooldown
        elif better and before is not None and self.growth is not None:
            self._take_times(self.growth)
        return self._value

    def _exceeds(self, performance: float, best: float) -> bool:
        margin = self.threshold * abs(best) if self.threshold_mode == "relative" else self.threshold
        return performance < best - margin if self.better == "lower" else performance > best + margin

    def _take_times(self, factor: float) -> None:
        highest = sys.float_info.max if self.highest is None else self.highest
        self._value = float(min(max(self._value * factor, self.lowest), highest))

    def _within(self, value: Any, name: str) -> float:
        return number(value, name, least=self.lowest, most=math.inf if self.highest is None else self.highest)

    def _settings(self) -> dict[str, Any]:
        return {one.name: getattr(self, one.name) for one in fields(self) if one.init}

    def state_dict(self) -> dict[str, Any]:
        """Its settings, and what it has counted."""
        return saved("plateau", self._settings(), **{key: getattr(self, f"_{key}") for key in POSITION})

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where another of the same settings stood.

        Raises:
            InvalidInput: the state is not of such a one.
        """
        value, best, *counts = same(state, "plateau", self._settings(), POSITION)
        value, best = self._within(value, "value"), None if best is None else number(best, "best")
        worse, resting = (count(found, key) for found, key in zip(counts, POSITION[2:], strict=True))
        self._value, self._best, self._worse_in_a_row, self._resting = value, best, worse, resting
