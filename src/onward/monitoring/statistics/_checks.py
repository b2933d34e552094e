"""Arguments checked without numpy, so that the door stays light."""

from __future__ import annotations

from numbers import Integral
from typing import Any, Final

from onward.core import InvalidInput

LARGEST: Final = 1e100  # squares and sums stay finite


def checked_level(level: Any) -> float:
    """The level of a test, above 0 and at most 0.5."""
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level <= 0.5:
        raise InvalidInput(f"level is {level!r}.", mend="Give a number above 0 and at most 0.5, such as 0.05.")
    return float(level)


def checked_count(count: Any, name: str, least: int) -> int:
    """A whole number of at least `least`."""
    if isinstance(count, bool) or not isinstance(count, Integral) or count < least:
        raise InvalidInput(f"{name} is {count!r}.", mend=f"Give a whole number of at least {least}.")
    return int(count)


def checked_tolerance(tolerance: Any) -> float | None:
    """A finite number of at least 0, or None."""
    if tolerance is None:
        return None
    if isinstance(tolerance, bool) or not isinstance(tolerance, int | float) or not 0 <= tolerance < float("inf"):
        raise InvalidInput(f"tolerance is {tolerance!r}.", mend="Give a number of at least 0, or leave it out.")
    return float(tolerance)


def checked_convergence_level(level: Any) -> float:
    """A level at most 0.25: both sides together must leave room."""
    checked = checked_level(level)
    if checked > 0.25:
        raise InvalidInput(f"level is {level!r}.", mend="Give at most 0.25 to a judgement on convergence.")
    return checked


def checked_number(value: Any) -> float:
    """A finite number up to 1e100."""
    if not isinstance(value, float):
        try:
            value = float(value)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidInput(f"{value!r} is not a number.", mend="Give a finite number.") from error
    if not abs(value) <= LARGEST:
        raise InvalidInput(f"{value} cannot be compared.", mend="Give a finite number up to 1e100.")
    return float(value)
