"""The tracker's data as one file, and back: JSON for people and scripts, Parquet and HDF5 for much of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from onward.core import InvalidInput, NotFound, OnwardError
from onward.monitoring._whole import whole

from ._admit import FORMAT, Beside, admit, admit_notes, admit_standings
from ._check import metadata_body
from ._records import Kind, Measurement, Source
from ._store import Store
from ._tables import read_hdf5, read_parquet, write_hdf5, write_parquet
from ._views import event_of

SECTIONS: Final[Mapping[str, Kind]] = {
    "learning_events": "task",
    "metrics": "metric",
    "goal_history": "goal",
    "convergence_history": "convergence",
}
AT_ONCE: Final = 5_000
ENDINGS: Final = (".json", ".parquet", ".h5")
UNREADABLE: Final = (
    msgspec.MsgspecError,
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)
"""What msgspec, pyarrow and h5py raise over files that are none of ours."""


class Event(msgspec.Struct, forbid_unknown_fields=True):
    """A learning event in a file."""

    timestamp: float
    task_type: str
    performance_score: float
    learning_rate: float
    episode_count: float
    convergence_metric: float
    metadata: dict[str, Any] = {}


class Metric(msgspec.Struct, forbid_unknown_fields=True):
    """A value of a metric in a file."""

    name: str
    timestamp: float
    value: float
    step: float | None = None
    task_id: str = ""
    client_id: str = ""
    metadata: dict[str, Any] = {}


class Moment(msgspec.Struct, forbid_unknown_fields=True):
    """A value of a goal, or a moment of convergence, in a file."""

    name: str
    timestamp: float
    value: float


class Contents(Beside, forbid_unknown_fields=True, kw_only=True):
    """A whole file."""

    learning_events: list[Event]
    metrics: list[Metric]
    goal_history: list[Moment]
    convergence_history: list[Moment]


def write_export(store: Store, file: Path, report: Mapping[str, Any]) -> Path:
    """Write all that a store keeps, and a report; the file appears whole or not at all.

    Raises:
        InvalidInput, MissingExtra, Unavailable: it cannot be written.
    """
    writers: Mapping[str, Callable[[Path], None]] = {
        ".json": lambda path: _write_json(store, beside, path),
        ".parquet": lambda path: write_parquet(_all(store), beside, path),
        ".h5": lambda path: write_hdf5(_all(store), beside, path),
    }
    write, beside = writers[_ending(file)], _beside(store, report)
    with whole(file) as part:
        part.touch(mode=0o600)
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
    readers: Mapping[str, Callable[[Path], tuple[Iterable[Measurement], Beside]]] = {
        ".json": _read_json,
        ".parquet": lambda path: _with_beside(*read_parquet(path)),
        ".h5": lambda path: _with_beside(*read_hdf5(path)),
    }
    try:
        found, beside = readers[ending](file)
        notes, measurements = admit_notes(beside), admit(found)
        standings = admit_standings(beside, measurements)
    except (InvalidInput, *UNREADABLE) as error:
        raise _refused(file, error) from error
    store.restore(measurements, notes, standings)
    return sum(one.source.kind == "task" for one in measurements)


def _refused(file: Path, error: Exception) -> InvalidInput:
    why = f"{error.what} {error.why}".strip() if isinstance(error, OnwardError) else f"{error}."
    mend = "Give what tracker.export_learning_data wrote."
    return InvalidInput(f"{file} is no export of a tracker.", why=why, mend=mend)


def _with_beside(measurements: Iterable[Measurement], said: bytes) -> tuple[Iterable[Measurement], Beside]:
    return measurements, msgspec.json.decode(said, type=Beside)


def _ending(file: Path) -> str:
    ending = file.suffix.lower()
    if ending not in ENDINGS:
        raise InvalidInput(f"{file.name} has an ending that is not known.", mend="Choose one.", options=ENDINGS)
    return ending


def _all(store: Store) -> Iterator[Measurement]:
    return chain.from_iterable(store.rows(kind, 0, store.kept(kind)) for kind in SECTIONS.values())


def _beside(store: Store, report: Mapping[str, Any]) -> bytes:
    notes = {"goals": store.notes("goal"), "experiments": store.notes("experiment"), "standings": store.standings()}
    return msgspec.json.encode({"format": FORMAT, **notes, "report": report})


# JSON ----------------------------------------------------------------------------------------------------------------


def _write_json(store: Store, beside: bytes, path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"{")
        for section, kind in SECTIONS.items():
            file.write(b'"%s":[\n' % section.encode())
            _write_rows(file, store.rows(kind, 0, store.kept(kind)))
            file.write(b"\n],\n")
        file.write(beside[1:])


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


def _read_json(file: Path) -> tuple[Iterable[Measurement], Beside]:
    contents = msgspec.json.decode(file.read_bytes(), type=Contents)
    moments: tuple[tuple[Kind, list[Moment]], ...] = (
        ("goal", contents.goal_history),
        ("convergence", contents.convergence_history),
    )
    found = chain(
        map(_event, contents.learning_events),
        map(_metric, contents.metrics),
        (Measurement(Source(kind, one.name), one.timestamp, one.value) for kind, some in moments for one in some),
    )
    return found, contents


def _event(one: Event) -> Measurement:
    episodes: Any = one.episode_count  # what is no whole number is refused with all the rest
    values = (one.timestamp, one.performance_score, episodes, one.learning_rate, one.convergence_metric)
    return Measurement(Source("task", one.task_type), *values, metadata_body(one.metadata))


def _metric(one: Metric) -> Measurement:
    step: Any = one.step
    source = Source("metric", one.name, one.task_id, one.client_id)
    return Measurement(source, one.timestamp, one.value, step, body=metadata_body(one.metadata))
