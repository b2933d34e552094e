"""What may be recorded; what may not is said with its name, its value and its range."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from math import inf
from typing import Any, Final

import msgspec

from onward.core import InvalidInput

LARGEST: Final = 1e100
LONGEST: Final = 2**53
EARLIEST, LATEST = -62_135_596_800.0, 253_402_300_799.0
LONGEST_SHOWN: Final = 100
RANGES: Final[Mapping[str, tuple[float, float, str]]] = {
    "performance_score": (0.0, 1.0, "between 0 and 1"),
    "learning_rate": (5e-324, LARGEST, f"above 0, up to {LARGEST:g}"),
    "episode_count": (0, LONGEST, f"whole, 0 or more, up to {LONGEST:,}"),
    "convergence_metric": (0.0, LARGEST, f"0 or more, up to {LARGEST:g}"),
}
LONGEST_NAME: Final = 200


def is_event(score: Any, rate: Any, episodes: Any, convergence: Any) -> bool:
    """Whether all four are numbers in their ranges."""
    try:
        return bool(
            0.0 <= score <= 1.0
            and 0.0 < rate < inf
            and 0 <= episodes < inf
            and 0.0 <= convergence < inf
            and float(rate) <= LARGEST  # NumPy's short floats cannot be compared with it
            and float(convergence) <= LARGEST
            and int(episodes) == episodes
            and episodes <= LONGEST
        )
    except (TypeError, ValueError, ArithmeticError):
        return False


def refuse(*values: Any) -> InvalidInput:
    """What is wrong with the first of an event's values that is out of range; they come as `RANGES` has them."""
    for (name, (low, high, said)), value in zip(RANGES.items(), values, strict=True):
        try:
            good = bool(low <= value < inf) and float(value) <= high and (high != LONGEST or int(value) == value)
        except (TypeError, ValueError, ArithmeticError):
            good = False
        if not good:
            return InvalidInput(f"{name} is {shown(value)}.", mend=f"Give a number that is {said}.")
    return InvalidInput("These values cannot be recorded together.", mend="Give one number for each.")


def check_name(what: str, name: object) -> str:
    """A name of 1 to 200 characters that can be stored, as a plain text.

    Raises:
        InvalidInput: it is none.
    """
    if isinstance(name, str) and name.strip() and len(name) <= LONGEST_NAME and "\0" not in name:
        with suppress(UnicodeEncodeError):
            return name.encode().decode()
    mend = f"Give a text of 1 to {LONGEST_NAME} characters that Unicode knows."
    raise InvalidInput(f"{what} is {shown(name)}.", mend=mend)


def shown(value: object) -> str:
    """A value as an error shows it: short, whatever it is."""
    try:
        said = repr(value)
    except ValueError:  # Python writes no numbers of thousands of digits
        said = f"a {type(value).__name__}"
    return said if len(said) <= LONGEST_SHOWN else f"{said[:LONGEST_SHOWN]}..."


def check_number(what: str, value: object) -> float:
    """A number that can be added up.

    Raises:
        InvalidInput: it is none, or beyond 1e100.
    """
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ArithmeticError):
        number = inf
    if isinstance(value, str | bytes) or not abs(number) <= LARGEST:
        raise InvalidInput(f"{what} is {shown(value)}.", mend=f"Give a number between {-LARGEST:g} and {LARGEST:g}.")
    return number


def check_time(time: object) -> float:
    """A time in POSIX seconds, between the years 1 and 9999.

    Raises:
        InvalidInput: it is none.
    """
    number = check_number("timestamp", time)
    if not EARLIEST <= number <= LATEST:
        raise InvalidInput(f"timestamp is {shown(time)}.", mend="Give POSIX seconds: those of the years 1 to 9999.")
    return number


def check_step(step: object) -> int | None:
    """A whole number of 0 or more, or `None`.

    Raises:
        InvalidInput: it is neither.
    """
    if step is None:
        return None
    number = check_number("step", step)
    if number < 0 or number != int(number) or number > LONGEST:
        raise InvalidInput(f"step is {shown(step)}.", mend="Give a whole number, 0 or more.")
    return int(number)


def metadata_body(metadata: Mapping[str, Any]) -> str:
    """Metadata as a JSON object; NumPy's numbers become JSON's. Empty where there is none.

    Raises:
        InvalidInput: JSON cannot hold it.
    """
    if not isinstance(metadata, Mapping):
        raise InvalidInput(f"The metadata is {shown(metadata)}.", mend="Give a dict.")
    if not metadata:
        return ""
    try:
        return msgspec.json.encode(dict(metadata), enc_hook=_plain).decode()
    except (TypeError, ValueError, RecursionError, UnicodeEncodeError) as error:
        mend = "Give texts, numbers, lists and dicts."
        raise InvalidInput("The metadata is not JSON.", why=f"{error}.", mend=mend) from error


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"a {type(value).__name__} is no JSON")
