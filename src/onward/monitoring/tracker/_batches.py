"""Many events at once, as dicts or as columns."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np

from onward.core import InvalidInput

from ._check import RANGES, check_time, is_event, metadata_body, refuse, shown
from ._records import Measurement, Source

NEEDED: Final = ("task_type", "performance_score", "learning_rate")
FIELDS: Final = frozenset({*NEEDED, "episode_count", "convergence_metric", "timestamp"})
DEFAULTS: Final = {"episode_count": 0, "convergence_metric": 0.0}


def measurements_of(
    events: Iterable[Mapping[str, Any]] | Mapping[str, Any], now: float, task: Callable[[object], Source]
) -> list[Measurement]:
    """The events as measurements, all of them checked.

    Raises:
        InvalidInput: saying which one is wrong.
    """
    if not isinstance(events, Iterable):
        raise InvalidInput(f"The events are {shown(events)}.", mend="Give dicts, or a dict of columns.")
    rows = _rows(events) if isinstance(events, Mapping) else events
    return [_measurement(number, one, now, task) for number, one in enumerate(rows)]


def _rows(columns: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Columns as dicts; one value stands for all."""
    lists = {name: _list(values) for name, values in columns.items()}
    lengths = {name: len(values) for name, values in lists.items() if values is not None}
    if len(set(lengths.values())) != 1:
        raise InvalidInput(
            f"The columns have different lengths: {lengths}." if lengths else "No column has several values.",
            mend="Give sequences of one length; one value for all may stand alone.",
        )
    (length,) = set(lengths.values())
    spread = {name: [columns[name]] * length if values is None else values for name, values in lists.items()}
    return [dict(zip(spread, row, strict=True)) for row in zip(*spread.values(), strict=True)]


def _list(values: Any) -> list[Any] | None:
    if isinstance(values, np.ndarray) or hasattr(values, "tolist"):
        found = np.asarray(values).tolist()
        return found if isinstance(found, list) else None
    return list(values) if isinstance(values, Sequence) and not isinstance(values, str | bytes) else None


def _measurement(number: int, event: Mapping[str, Any], now: float, task: Callable[[object], Source]) -> Measurement:
    try:
        return _checked(event, now, task)
    except InvalidInput as error:
        why = f"It is event {number}, counted from 0; none was recorded."
        raise InvalidInput(error.what, why=why, mend=error.mend, options=error.options) from error


def _checked(event: Mapping[str, Any], now: float, task: Callable[[object], Source]) -> Measurement:
    if not isinstance(event, Mapping):
        raise InvalidInput(f"An event is {shown(event)}.", mend="Give a dict.")
    missing = [name for name in NEEDED if name not in event]
    if missing:
        raise InvalidInput(f"An event has no {missing[0]}.", mend=f"Give {', '.join(NEEDED)}.")
    values = {name: event.get(name, DEFAULTS.get(name)) for name in RANGES}
    if not is_event(*values.values()):
        raise refuse(*values.values())
    time = event.get("timestamp")
    return Measurement(
        task(event["task_type"]),
        now if time is None else check_time(time),
        float(values["performance_score"]),
        int(values["episode_count"]),
        float(values["learning_rate"]),
        float(values["convergence_metric"]),
        metadata_body(_metadata(event)),
    )


def _metadata(event: Mapping[str, Any]) -> dict[str, Any]:
    """Every further key; and what is under `metadata`, as `LearningEvent.to_dict` has it."""
    further = {name: value for name, value in event.items() if name not in FIELDS}
    told = further.get("metadata")
    if isinstance(told, Mapping):
        del further["metadata"]
        further = {**told, **further}
    return further
