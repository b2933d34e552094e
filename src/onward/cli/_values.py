"""What the values of arguments and options look like, and how they are read."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import msgspec
import typer

LARGEST: Final = 2**63 - 1
Number = Annotated[int, typer.Argument(min=1, max=LARGEST, metavar="NUMBER", help="Number of a version.")]


def read_time(text: str) -> datetime:
    """A time in ISO 8601, in UTC where it names no zone.

    >>> read_time("2026-03-02T09:00+01:00")
    datetime.datetime(2026, 3, 2, 8, 0, tzinfo=datetime.timezone.utc)
    """
    try:
        time = datetime.fromisoformat(text)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise typer.BadParameter(f"{text!r} is no time. Write it like 2026-03-02T08:00:00+00:00.") from error


def read_seconds(text: str) -> float:
    """Seconds, more than none and no more than a year.

    >>> read_seconds("0.5")
    0.5
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0.01 <= seconds <= 366 * 86_400:
        raise typer.BadParameter(f"{text!r} is no interval. Give seconds, from 0.01 to a year.")
    return seconds


def read_remark(text: str) -> dict[str, Any]:
    """A JSON object.

    >>> read_remark('{"agent": 7}')
    {'agent': 7}
    """
    try:
        remark = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise typer.BadParameter(f'It is not JSON: {error}. Write an object: {{"agent": 7}}.') from error
    if not isinstance(remark, dict):
        raise typer.BadParameter('It is no JSON object. Write one: {"agent": 7}.')
    return remark


def read_entity(text: str) -> dict[str, Any]:
    """START:END:LABEL, in characters of the text; the end is exclusive.

    >>> read_entity("4:12:PRODUCT")
    {'start': 4, 'end': 12, 'label': 'PRODUCT'}
    """
    start, _, rest = text.partition(":")
    end, _, label = rest.partition(":")
    if not (_is_position(start) and _is_position(end) and label and int(start) < int(end)):
        raise typer.BadParameter(f"{text!r} is no entity. Write START:END:LABEL, like 4:12:PRODUCT.")
    return {"start": int(start), "end": int(end), "label": label}


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10
