"""The tracker's data as one file, and back: JSON for people and scripts, Parquet and HDF5 for much of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from math import isfinite
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from onward.core import InvalidInput, NotFound
from onward.monitoring._whole import whole

from ._check import is_event, metadata_body
from ._records import Kind, LearningEvent, Measurement, Source
from ._store import Store
from ._tables import FORMAT, Notes, notes_of, read_hdf5, read_parquet, write_hdf5, write_parquet
from ._views import event_of

SECTIONS: Final[Mapping[str, Kind]] = {
    "learning_events": "task",
    "metrics": "metric",
    "goal_history": "goal",
    "convergence_history": "convergence",
}
AT_ONCE: Final = 5_000
ENDINGS: Final = (".json", ".parquet", ".h5")


class Metric(msgspec.Struct, forbid_unknown_fields=True):
    """A value of a metric in a file."""

    name: str
    timestamp: float
    value: float
    step: int | None = None
    task_id: str = ""
    client_id: str = ""
    metadata: dict[str, Any] = {}


class Moment(msgspec.Struct, forbid_unknown_fields=True):
    """A value of a goal, or a moment of convergence, in a file."""

    name: str
    timestamp: float
    value: float


class Contents(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A whole file."""

    format: str
    learning_events: list[LearningEvent]
    metrics: list[Metric]
    goal_history: list[Moment]
    convergence_history: list[Moment]
    goals: dict[str, dict[str, Any]]
    experiments: dict[str, dict[str, Any]]
    report: dict[str, Any]


def write_export(store: Store, file: Path, report: Mapping[str, Any]) -> Path:
    """Write all that a store keeps, and a report; the file appears whole or not at all.

    Raises:
        InvalidInput, MissingExtra, Unavailable: it cannot be written.
    """
    writers: Mapping[str, Callable[[Path], None]] = {
        ".json": lambda path: _write_json(store, path, report),
        ".parquet": lambda path: write_parquet(_all(store), _notes(store, report), path),
        ".h5": lambda path: write_hdf5(_all(store), _notes(store, report), path),
    }
    write = writers.get(_ending(file))
    with whole(file) as part:
        part.touch(mode=0o600)
        if write is not None:
            write(part)
    return file


def read_export(store: Store, file: Path) -> int:
    """Take over what a file holds into an empty store; return how many events.

    Raises:
        NotFound, InvalidInput: there is no such file, or it cannot be used.
    """
    if any(store.kept(kind) for kind in SECTIONS.values()) or store.notes("goal") or store.notes("experiment"):
        raise InvalidInput("This tracker holds something already.", mend="Import into a new one.")
    ending = _ending(file)
    if not file.is_file():
        raise NotFound(f"There is no file {file}.", mend="Export one with: tracker.export_learning_data")
    try:
        if ending == ".json":
            measurements, notes = _read_json(file)
        else:
            measurements, notes = (read_parquet if ending == ".parquet" else read_hdf5)(file)
        _check(measurements)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, OSError) as error:
        mend = "Give what tracker.export_learning_data wrote."
        raise InvalidInput(f"{file} is no export of a tracker.", why=f"{error}.", mend=mend) from error
    for kind, name, body in notes:
        store.revise(kind, name, partial(_instead, body))
    store.restore(measurements)
    return sum(one.source.kind == "task" for one in measurements)


def _check(measurements: list[Measurement]) -> None:
    """Raises: ValueError: a value is out of its range."""
    for number, one in enumerate(measurements):
        if one.source.kind == "task" and not is_event(one.value, one.rate, one.step, one.convergence):
            raise ValueError(f"event {number}, counted from 0, has a value out of its range")
        if not (isfinite(one.time) and isfinite(one.value)):
            raise ValueError(f"measurement {number}, counted from 0, is not finite")


def _instead(body: dict[str, Any], _: dict[str, Any] | None) -> dict[str, Any]:
    return body


def _ending(file: Path) -> str:
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        raise InvalidInput(f"{file.name} has an ending that is not known.", mend="Choose one.", options=ENDINGS)
    return ending


def _all(store: Store) -> Iterator[Measurement]:
    return chain.from_iterable(store.rows(kind, 0, store.kept(kind)) for kind in SECTIONS.values())


def _notes(store: Store, report: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "goals": store.notes("goal"),
        "experiments": store.notes("experiment"),
        "report": dict(report),
    }


# JSON ----------------------------------------------------------------------------------------------------------------


def _write_json(store: Store, path: Path, report: Mapping[str, Any]) -> None:
    with path.open("wb") as file:
        file.write(b"{")
        for section, kind in SECTIONS.items():
            file.write(b'"%s":[\n' % section.encode())
            _write_rows(file, store.rows(kind, 0, store.kept(kind)))
            file.write(b"\n],\n")
        file.write(msgspec.json.encode(_notes(store, report))[1:])


def _write_rows(file: IO[bytes], rows: Iterator[Measurement]) -> None:
    """One a line, a few thousand at once."""
    between = b""
    while some := [msgspec.json.encode(_told(one)) for one in islice(rows, AT_ONCE)]:
        file.write(between + b",\n".join(some))
        between = b",\n"


def _told(one: Measurement) -> Any:
    """A measurement as a person reads it."""
    if one.source.kind == "task":
        return event_of(one).to_dict()
    if one.source.kind == "metric":
        metadata = msgspec.json.decode(one.body) if one.body else {}
        return Metric(one.source.name, one.time, one.value, one.step, one.source.task, one.source.client, metadata)
    return Moment(one.source.name, one.time, one.value)


def _read_json(file: Path) -> tuple[list[Measurement], Notes]:
    contents = msgspec.json.decode(file.read_bytes(), type=Contents)
    notes = notes_of({"format": contents.format, "goals": contents.goals, "experiments": contents.experiments})
    moments: tuple[tuple[Kind, list[Moment]], ...] = (
        ("goal", contents.goal_history),
        ("convergence", contents.convergence_history),
    )
    found = [
        *map(_event, contents.learning_events),
        *map(_metric, contents.metrics),
        *(Measurement(Source(kind, one.name), one.timestamp, one.value) for kind, some in moments for one in some),
    ]
    return found, notes


def _event(one: LearningEvent) -> Measurement:
    source, body = Source("task", one.task_type), metadata_body(one.metadata)
    return Measurement(
        source,
        one.timestamp,
        one.performance_score,
        one.episode_count,
        one.learning_rate,
        one.convergence_metric,
        body,
    )


def _metric(one: Metric) -> Measurement:
    source = Source("metric", one.name, one.task_id, one.client_id)
    return Measurement(source, one.timestamp, one.value, one.step, body=metadata_body(one.metadata))
