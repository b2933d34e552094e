"""A value that follows from the number of the step alone."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from onward.core import InvalidInput

from ._checks import as_float, count, number
from ._state import same, saved


class Curve:
    """A `Schedule` in closed form: any function of the step.

    `exponential_decay` and its like make them; `Curve(function)` makes one of your own. A curve can be pickled where
    its function can.

    Args:
        function: from a step, 0 or more and maybe a fraction, to a finite number.
        name: of the function; a state is loaded only under the same name and settings.
        settings: of the function, as JSON takes them.

    >>> rate = Curve(lambda step: 0.1 / (1 + step), "inverse time")
    >>> rate.value, rate.step(), rate.at(9), rate.value
    (0.1, 0.05, 0.01, 0.05)
    """

    def __init__(
        self, function: Callable[[float], float], name: str = "curve", settings: Mapping[str, Any] | None = None
    ) -> None:
        if not callable(function):
            raise InvalidInput(f"{function!r} is not a function.", mend="Give a function of the step.")
        self._function, self._name, self._settings = function, name, dict(settings or {})
        self._steps = 0

    def __repr__(self) -> str:
        settings = ", ".join(f"{key}={value!r}" for key, value in self._settings.items())
        return f"{self._name}({settings})"

    @property
    def value(self) -> float:
        """At the step where it stands."""
        return self.at(self._steps)

    @property
    def steps(self) -> int:
        """Taken so far."""
        return self._steps

    def at(self, step: float) -> float:
        """The value at any step, without going there.

        Raises:
            InvalidInput: the step is negative or no number, or the function gave no finite number.
        """
        found = self._function(number(step, "step", least=0))
        value = as_float(found)
        if not math.isfinite(value):
            raise InvalidInput(
                f"{self._name} gave {found!r:.80} at step {step}.",
                mend="Give a function whose values are finite numbers.",
            )
        return value

    def step(self, performance: float | None = None) -> float:
        """Go one step on; the value there. A curve does not go by performance."""
        del performance
        found = self.at(self._steps + 1)
        self._steps += 1
        return found

    def state_dict(self) -> dict[str, Any]:
        """Its name, settings and step."""
        return saved(self._name, self._settings, step=self._steps)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on at the step of a curve of the same name and settings.

        Raises:
            InvalidInput: the state is not of such a curve.
        """
        (step,) = same(state, self._name, self._settings, ("step",))
        self._steps = count(step, "step")
