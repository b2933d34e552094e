"""Settings that are numbers: Python's and NumPy's alike."""

from __future__ import annotations

from dataclasses import fields
from numbers import Integral, Real
from typing import Any

import numpy as np

from onward.core import InvalidInput


def above(**values: Any) -> None:
    """Refuse what is no finite number above 0.

    Raises:
        InvalidInput: naming the first one.
    """
    for name, value in values.items():
        if not (is_number(value, Real) and 0 < value < float("inf")):
            raise InvalidInput(f"{name} is {value!r}.", mend="Give a finite number above 0.")


def at_least(bound: float, **values: Any) -> None:
    """Refuse what is no finite number of at least a bound.

    Raises:
        InvalidInput: naming the first one.
    """
    for name, value in values.items():
        if not (is_number(value, Real) and bound <= value < float("inf")):
            raise InvalidInput(f"{name} is {value!r}.", mend=f"Give a finite number of at least {bound:g}.")


def whole(least: int | None, **values: Any) -> None:
    """Refuse what is no whole number, or is below a bound; `None`: there is none.

    Raises:
        InvalidInput: naming the first one.
    """
    wanted = "" if least is None else f" from {least} on"
    for name, value in values.items():
        if not is_number(value, Integral) or (least is not None and value < least):
            raise InvalidInput(f"{name} is {value!r}.", mend=f"Give a whole number{wanted}.")


def seed_of_torch(seed: int) -> int:
    """A whole number as torch's generators take it: the remainder by 2**64, which is what they make of those below 0.

    >>> seed_of_torch(7), seed_of_torch(2**64 + 7)
    (7, 7)
    """
    return int(seed) % 2**64


def share(**values: Any) -> None:
    """Refuse what is no number of 0..1.

    Raises:
        InvalidInput: naming the first one.
    """
    for name, value in values.items():
        if not (is_number(value, Real) and 0 <= value <= 1):
            raise InvalidInput(f"{name} is {value!r}.", mend="Give a number from 0 to 1.")


def is_number(value: Any, kind: type) -> bool:
    """Whether it is such a number, NumPy's among them; a truth value is none.

    >>> is_number(np.int64(3), Integral), is_number(2.5, Integral), is_number(True, Real)
    (True, False, False)
    """
    return isinstance(value, kind) and not isinstance(value, bool)


def plain_number(value: Any) -> Any:
    """Python's own number in place of NumPy's, which cannot be kept as JSON; anything else as it is.

    >>> plain_number(np.float64(0.5)), plain_number("fast")
    (0.5, 'fast')
    """
    return value.item() if isinstance(value, np.generic) else value


def plain_numbers(record: Any) -> None:
    """The same for every setting of a frozen dataclass, in place."""
    for field in fields(record):
        value = getattr(record, field.name, None)
        if isinstance(value, np.generic):
            object.__setattr__(record, field.name, value.item())
