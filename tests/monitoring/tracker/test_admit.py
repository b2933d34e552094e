"""What recording refuses is refused in a file, too, before anything of it is stored."""

import io
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from onward.core import InvalidInput
from onward.monitoring import LearningProgressTracker
from onward.monitoring.tracker._tables import NUMBERS, TEXTS, sealed
from onward.workspace import Workspace

Said = dict[str, Any]
ENDINGS = [".json", ".parquet", ".h5"]
DEEP = "[" * 100_000 + "]" * 100_000


@pytest.fixture
def tracker() -> LearningProgressTracker:
    made = LearningProgressTracker()
    made.record_learning_events({"task_type": "a", "performance_score": [0.5] * 60, "learning_rate": 0.1, "by": "me"})
    made.log_metric("latency", 2.5, step=3, task_id="t", client_id="c")
    made.create_goal("g", "words", target_performance=0.9)
    made.update_goal_progress("g", 0.5)
    made.configure_experiment("e", {"layers": [1, 2]})
    return made


def exported(tracker: LearningProgressTracker, file: Path) -> Path:
    return tracker.export_learning_data(file)


def is_refused(file: Path, workspace: Workspace, why: str = "") -> None:
    for into in (LearningProgressTracker(), LearningProgressTracker(workspace=workspace)):
        with pytest.raises(InvalidInput, match="is no export of a tracker") as refusal:
            into.import_learning_data(file)
        assert why in str(refusal.value.why)
        assert len(into.learning_events) == len(into.goals) == len(into.get_experiments()) == 0


# JSON ----------------------------------------------------------------------------------------------------------------


def change(path: str, value: Any) -> Callable[[Said], None]:
    """Set what is at a place, such as `metrics/0/name`."""

    def work(said: Said) -> None:
        *way, last = (int(step) if step.isdigit() else step for step in path.split("/"))
        place: Any = said
        for step in way:
            place = place[step]
        place[last] = value

    return work


def drop(path: str, name: str) -> Callable[[Said], None]:
    def work(said: Said) -> None:
        place: Any = said
        for step in path.split("/"):
            place = place[step]
        del place[name]

    return work


NAMES = ["", "  ", "a\0b", "x" * 5_001, "\ud800", None, 3]
HOSTILE = [
    *(change("learning_events/0/task_type", name) for name in NAMES),
    *(change("metrics/0/name", name) for name in NAMES),
    *(change("metrics/0/task_id", name) for name in NAMES[1:]),
    *(change("goal_history/0/name", name) for name in NAMES),
    *(change("learning_events/0/episode_count", count) for count in (-1, 2.5, 2**60, None, "1")),
    *(change("learning_events/0/timestamp", time) for time in (1e99, -1e30, None)),
    change("learning_events/0/performance_score", 1.01),
    change("learning_events/0/learning_rate", 1e101),
    change("learning_events/0/metadata", [1]),
    change("learning_events/0/metadata", "text"),
    change("learning_events/0/more", 1),
    *(change("metrics/0/step", step) for step in (-1, 2.5, 2**60)),
    *(change("metrics/0/value", value) for value in (-0.5, 1e101, None, "1")),
    *(change("goal_history/0/value", value) for value in (1e101, None)),
    change("convergence_history", [{"name": "a", "timestamp": 0, "value": -1}]),
    change("goals/g", {}),
    change("goals/g/more", 1),
    change("goals/g/goal_id", "other"),
    change("goals/g/target_performance", "high"),
    change("goals/g/target_performance", 1e101),
    change("goals/g/direction", "up"),
    change("goals/g/creation_time", 1e99),
    change("goals/g/completion_time", 1e99),
    change("goals/g/current_performance", 1e101),
    change("goals/g/completion_percentage", 101),
    change("goals/g/estimated_completion_interval", [1.0]),
    drop("goals/g", "direction"),
    change("goals", []),
    change("experiments", {"": {}}),
    change("experiments", {"e": [1]}),
    *(change("standings/a", stands) for stands in ([-1, None, None], [60, 0.5, None], [60, 0.5, -1.0], [60, 1e101, 1])),
    change("standings/a", [60]),
    change("standings", {"a": None}),
]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_json(
    hostile: Callable[[Said], None], tracker: LearningProgressTracker, workspace: Workspace, tmp_path: Path
) -> None:
    file = exported(tracker, tmp_path / "out.json")
    said = json.loads(file.read_text())
    hostile(said)
    file.write_text(json.dumps(said))
    is_refused(file, workspace)


def test_json_too_deep(tracker: LearningProgressTracker, workspace: Workspace, tmp_path: Path) -> None:
    file = exported(tracker, tmp_path / "out.json")
    file.write_text(file.read_text().replace('"me"', DEEP, 1))
    is_refused(file, workspace)


def test_the_refusal_says_what_is_wrong(tracker: LearningProgressTracker, workspace: Workspace, tmp_path: Path) -> None:
    file = exported(tracker, tmp_path / "out.json")
    said = json.loads(file.read_text())
    said["learning_events"][7]["performance_score"] = 2.0
    file.write_text(json.dumps(said))
    is_refused(file, workspace, "performance_score is 2.0. It is measurement 7, counted from 0.")


@pytest.mark.parametrize("report", [None, [1], "text", {"goals": 1e300}])
def test_the_report_is_for_people(report: Any, tracker: LearningProgressTracker, tmp_path: Path) -> None:
    file = exported(tracker, tmp_path / "out.json")
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | {"report": report}))
    again = LearningProgressTracker()
    assert again.import_learning_data(file) == 60
    assert again.generate_dashboard_view() == tracker.generate_dashboard_view()


def test_the_report_must_be_json(tracker: LearningProgressTracker, workspace: Workspace, tmp_path: Path) -> None:
    file = exported(tracker, tmp_path / "out.json")
    file.write_text(file.read_text().replace('"report":{', '"report":{,'))
    is_refused(file, workspace)


# Tables --------------------------------------------------------------------------------------------------------------

ROWS = [
    ("kind", 0, "alert"),
    ("kind", 0, ""),
    *(("name", row, name) for row in (0, 60, 61) for name in ("", "x" * 5_001)),
    ("task", 0, "t"),
    ("client", 61, "c"),
    ("task", 60, "x" * 201),
    *(("body", row, body) for row in (0, 60) for body in ("[1]", "{", "3", '{"a": NaN}', DEEP)),
    ("body", 61, '{"a": 1}'),
    *((name, 0, value) for name in NUMBERS for value in (None, 1e300, float("inf"), float("nan"))),
    *((name, 0, -1.0) for name in NUMBERS if name != "time"),
    ("step", 0, 2.5),
    ("step", 60, 2.5),
    ("step", 60, float("inf")),
    ("step", 61, 3.0),
    ("rate", 60, 0.1),
    ("convergence", 61, 0.1),
    ("value", 60, -1.0),
]


def columns_of(file: Path) -> tuple[dict[str, list[Any]], bytes]:
    table = parquet.read_table(file)
    return table.to_pydict(), table.schema.metadata[b"onward"]


def write_table(file: Path, columns: dict[str, list[Any]], beside: bytes) -> None:
    """As an export is written, whatever the values."""
    if file.suffix == ".parquet":
        kinds = [(name, pyarrow.string() if name in TEXTS else pyarrow.float64()) for name in columns]
        parquet.write_table(pyarrow.table(columns, schema=pyarrow.schema(kinds, metadata={"onward": beside})), file)
        return
    with hdf5_of(file) as made:
        made["onward"] = np.frombuffer(beside, np.uint8)
        for name, values in columns.items():
            texts = name in TEXTS
            made.create_dataset(
                name, data=values if texts else np.array(values, float), dtype=h5py.string_dtype() if texts else float
            )


@contextmanager
def hdf5_of(file: Path, content: bytes = b"") -> Iterator[h5py.File]:
    """An HDF5 file that is sealed in the end."""
    memory = io.BytesIO(content)
    with h5py.File(memory, "a" if content else "w") as made:
        yield made
    file.write_bytes(sealed(memory.getvalue()))


@pytest.mark.parametrize("ending", [".parquet", ".h5"])
@pytest.mark.parametrize(("name", "row", "value"), ROWS)
def test_a_value_in_a_table(
    ending: str,
    name: str,
    row: int,
    value: Any,
    tracker: LearningProgressTracker,
    workspace: Workspace,
    tmp_path: Path,
) -> None:
    columns, beside = columns_of(exported(tracker, tmp_path / "source.parquet"))
    file = tmp_path / f"out{ending}"
    write_table(file, columns, beside)
    assert LearningProgressTracker().import_learning_data(file) == 60
    columns[name][row] = value
    write_table(file, columns, beside)
    is_refused(file, workspace)


@pytest.mark.parametrize("name", TEXTS)
def test_texts_that_are_missing(
    name: str, tracker: LearningProgressTracker, workspace: Workspace, tmp_path: Path
) -> None:
    columns, beside = columns_of(exported(tracker, tmp_path / "out.parquet"))
    columns[name][3] = None
    write_table(tmp_path / "out.parquet", columns, beside)
    is_refused(tmp_path / "out.parquet", workspace)


@pytest.mark.parametrize("ending", [".parquet", ".h5"])
@pytest.mark.parametrize("beside", [b"", b"{}", b"[]", b"\xff", b'{"format": "other"}', DEEP.encode()])
def test_what_is_said_beside(
    ending: str, beside: bytes, tracker: LearningProgressTracker, workspace: Workspace, tmp_path: Path
) -> None:
    columns, _ = columns_of(exported(tracker, tmp_path / "source.parquet"))
    write_table(tmp_path / f"out{ending}", columns, beside)
    is_refused(tmp_path / f"out{ending}", workspace)


def test_parquet_of_other_types(tracker: LearningProgressTracker, workspace: Workspace, tmp_path: Path) -> None:
    file = exported(tracker, tmp_path / "out.parquet")
    table = parquet.read_table(file)
    for number, name in enumerate(table.column_names):
        kind = pyarrow.binary() if name in TEXTS else pyarrow.float32()
        parquet.write_table(table.set_column(number, name, table.column(name).cast(kind)), file)
        is_refused(file, workspace, "its columns are others")
        parquet.write_table(table.drop_columns([name]), file)
        is_refused(file, workspace, "its columns are others")


def as_group(file: h5py.File, name: str) -> None:
    file.create_group(name)


def as_other_type(file: h5py.File, name: str) -> None:
    file[name] = np.zeros(62, np.int64)


def as_grid(file: h5py.File, name: str) -> None:
    file.create_dataset(name, shape=(62, 1), dtype=h5py.string_dtype() if name in TEXTS else float)


def as_one(file: h5py.File, name: str) -> None:
    file[name] = "text" if name in TEXTS else 0.0


def as_shorter(file: h5py.File, name: str) -> None:
    file.create_dataset(name, shape=(3,), dtype=h5py.string_dtype() if name in TEXTS else float)


def as_link(file: h5py.File, name: str) -> None:
    file[name] = h5py.ExternalLink("other.h5", name)


def as_attribute(file: h5py.File, name: str) -> None:
    file.attrs[name] = "text"


@pytest.mark.parametrize("name", ["onward", "body", "value"])
@pytest.mark.parametrize("put", [as_group, as_other_type, as_grid, as_one, as_shorter, as_link, as_attribute])
def test_hdf5_of_other_types(
    name: str,
    put: Callable[[h5py.File, str], None],
    tracker: LearningProgressTracker,
    workspace: Workspace,
    tmp_path: Path,
) -> None:
    file = exported(tracker, tmp_path / "out.h5")
    with hdf5_of(file, file.read_bytes()[:-32]) as made:
        del made[name]
        put(made, name)
    is_refused(file, workspace)


def test_hdf5_that_was_changed(tracker: LearningProgressTracker, workspace: Workspace, tmp_path: Path) -> None:
    """HDF5 itself may never come back from such a file."""
    file = exported(tracker, tmp_path / "out.h5")
    with h5py.File(file, "a") as opened:
        opened["value"][0] = 0.25
    is_refused(file, workspace, "its checksum differs")
