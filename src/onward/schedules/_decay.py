"""Curves that fall."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

from ._checks import count, number, positive
from ._curve import Curve


def exponential_decay(start: float, rate: float, steps: float, *, floor: float = 0.0) -> Curve:
    """max(floor, start * rate ** (step / steps)): a constant share is lost in every stretch of `steps` steps.

    With steps=1 and no floor it is torch's ExponentialLR.

    Args:
        start: value at step 0, at least the floor.
        rate: above 0, at most 1; the share left after `steps` steps.
        steps: above 0.
        floor: at least 0; the value never falls below.

    Raises:
        InvalidInput: something else is given.

    >>> rate = exponential_decay(0.1, rate=0.5, steps=10, floor=0.02)
    >>> [round(rate.at(step), 4) for step in (0, 5, 10, 20, 100)]
    [0.1, 0.0707, 0.05, 0.025, 0.02]
    """
    settings: dict[str, Any] = {
        "start": number(start, "start", least=number(floor, "floor", least=0)),
        "rate": positive(rate, "rate", most=1),
        "steps": positive(steps, "steps"),
        "floor": number(floor, "floor", least=0),
    }
    return Curve(partial(_exponential, **settings), "exponential_decay", settings)


def _exponential(step: float, *, start: float, rate: float, steps: float, floor: float) -> float:
    return max(floor, start * math.pow(rate, step / steps))


def step_decay(start: float, factor: float, every: int, *, floor: float = 0.0) -> Curve:
    """max(floor, start * factor ** floor(step / every)): falls at once after every so many steps.

    Without a floor it is torch's StepLR.

    Args:
        start: value at step 0, at least the floor.
        factor: above 0, at most 1.
        every: steps between two falls, a whole number of at least 1.
        floor: at least 0; the value never falls below.

    Raises:
        InvalidInput: something else is given.

    >>> rate = step_decay(0.8, factor=0.5, every=10)
    >>> [rate.at(step) for step in (0, 9, 10, 20)]
    [0.8, 0.8, 0.4, 0.2]
    """
    settings: dict[str, Any] = {
        "start": number(start, "start", least=number(floor, "floor", least=0)),
        "factor": positive(factor, "factor", most=1),
        "every": count(every, "every", 1),
        "floor": number(floor, "floor", least=0),
    }
    return Curve(partial(_falls, **settings), "step_decay", settings)


def _falls(step: float, *, start: float, factor: float, every: int, floor: float) -> float:
    return max(floor, start * math.pow(factor, step // every))
