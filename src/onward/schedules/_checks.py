"""Arguments checked, without numpy, so that the door stays light."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any

from onward.core import InvalidInput


def number(value: Any, name: str, *, least: float = -math.inf, most: float = math.inf) -> float:
    """A finite number within these bounds."""
    found = math.nan if isinstance(value, bool) or not isinstance(value, Real) else float(value)
    if not (math.isfinite(found) and least <= found <= most):
        raise InvalidInput(f"{name} is {value!r}.", mend=f"Give a finite number{_within(least, most)}.")
    return found


def positive(value: Any, name: str, *, most: float = math.inf) -> float:
    """A finite number above 0."""
    found = number(value, name, most=most)
    if found <= 0:
        raise InvalidInput(f"{name} is {value!r}.", mend=f"Give a number above 0{_within(-math.inf, most)}.")
    return found


def count(value: Any, name: str, least: int = 0) -> int:
    """A whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise InvalidInput(f"{name} is {value!r}.", mend=f"Give a whole number of at least {least}.")
    return int(value)


def choice(value: Any, name: str, options: Sequence[str]) -> str:
    """One of the options."""
    if value not in options:
        raise InvalidInput(f"{name} is {value!r}.", mend="Use a known one.", options=options)
    return str(value)


def as_float(value: Any) -> float:
    """A number, a tensor's or an array's only one among them; what is none is not a number."""
    try:
        return math.nan if isinstance(value, str | bytes) else float(value)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        return math.nan


def measured(performance: Any, who: str) -> float:
    """A performance as a number; not finite where training broke down. Tensors and arrays of one item will do."""
    if performance is None or isinstance(performance, str | bytes):
        raise InvalidInput(
            f"{who} goes by performance, and got {performance!r}.", mend="Give step() a number, such as the loss."
        )
    try:
        return float(performance)
    except (TypeError, ValueError, OverflowError) as error:
        raise InvalidInput(
            f"{performance!r:.80} is not a performance.", why=f"{error}.", mend="Give step() one number."
        ) from error


def _within(least: float, most: float) -> str:
    bounds = [f"at least {least:g}"] * math.isfinite(least) + [f"at most {most:g}"] * math.isfinite(most)
    return f", {' and '.join(bounds)}" if bounds else ""
