"""What a tracker writes to a file is what another reads from it."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onward.core import InvalidInput, MissingExtra, NotFound, Unavailable
from onward.monitoring import LearningProgressTracker
from onward.workspace import Workspace

ENDINGS = [".json", ".parquet", ".h5"]


@pytest.fixture
def tracker() -> LearningProgressTracker:
    """One that recorded everything there is."""
    made = LearningProgressTracker()
    noise = np.random.default_rng(1).normal(0, 0.01, 700)
    for number, score in enumerate(0.9 + noise):
        made.record_learning_event(
            "a", min(float(score), 1.0), 0.01, number, 0.5, timestamp=number, who=["me", 'ü"', None]
        )
    made.record_learning_event("b", 0.1, 1.0)
    made.log_metric("loss", -2.5, step=3, task_id="t", client_id="c", metadata={"x": 1})
    made.log_metric("loss", 1e90)
    made.create_goal("g", "words", target_performance=0.9)
    made.create_goal("h", target_performance=0.1, direction="minimize")
    made.update_goal_progress("g", 0.5)
    made.update_goal_progress("g", 0.95)
    made.configure_experiment("e", {"layers": [1, 2]})
    return made


@pytest.mark.parametrize("ending", ENDINGS)
def test_import_gives_what_export_took(ending: str, tracker: LearningProgressTracker, tmp_path: Path) -> None:
    file = tracker.export_learning_data(tmp_path / f"out{ending}")
    again = LearningProgressTracker()
    assert again.import_learning_data(file) == 701
    assert again.learning_events == tracker.learning_events
    assert dict(again.goals) == dict(tracker.goals)
    assert again.generate_dashboard_view() == tracker.generate_dashboard_view()
    assert again.get_convergence_analysis()["total_convergences"] == 1
    twice = again.export_learning_data(tmp_path / f"twice{ending}")
    third = LearningProgressTracker()
    third.import_learning_data(twice)
    assert third.generate_dashboard_view() == tracker.generate_dashboard_view()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([file.name, twice.name])
    assert file.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("ending", ENDINGS)
def test_who_converged_does_not_converge_again(ending: str, workspace: Workspace, tmp_path: Path) -> None:
    first = LearningProgressTracker()
    flat = {"task_type": "a", "learning_rate": 0.1, "timestamp": 0.0}
    first.record_learning_events(flat | {"performance_score": [0.5] * 700})
    file = first.export_learning_data(tmp_path / f"out{ending}")
    second, lasting = LearningProgressTracker(), LearningProgressTracker(workspace=workspace)
    for tracker in (second, lasting):
        tracker.import_learning_data(file)
    for tracker in (first, second, lasting):
        tracker.record_learning_events(flat | {"performance_score": [0.5] * 300})
        assert tracker.get_convergence_analysis()["total_convergences"] == 1
    assert first.store.standings() == second.store.standings() == lasting.store.standings()


@pytest.mark.parametrize("ending", ENDINGS)
def test_what_memory_forgot_is_not_waited_for(ending: str, tmp_path: Path) -> None:
    """A task whose events were dropped is looked at again as soon as any other."""
    first = LearningProgressTracker(max_history=100)
    first.record_learning_events({"task_type": "gone", "performance_score": [0.5] * 60, "learning_rate": 0.1})
    rising = np.linspace(0, 1, 5_000)
    first.record_learning_events({"task_type": "a", "performance_score": rising, "learning_rate": 0.1})
    again = LearningProgressTracker()
    assert again.import_learning_data(first.export_learning_data(tmp_path / f"out{ending}")) == 100
    assert again.store.standings() == {"a": (100, None, None)}


@pytest.mark.parametrize("ending", ENDINGS)
def test_three_hundred_tasks(ending: str, tmp_path: Path) -> None:
    """Their report, goals and configurations are longer than an attribute of HDF5 may be."""
    tracker = LearningProgressTracker()
    for number in range(300):
        tracker.record_learning_event(f"task {number}", 0.5, 0.1)
        tracker.configure_experiment(f"experiment {number}", {"said": "x" * 300})
    again = LearningProgressTracker()
    assert again.import_learning_data(tracker.export_learning_data(tmp_path / f"out{ending}")) == 300
    assert again.get_experiments() == tracker.get_experiments()


def rounded(value: Any) -> Any:
    """Sums of the same figures in another order differ in their last digits."""
    if isinstance(value, dict):
        return {name: rounded(one) for name, one in value.items()}
    return float(f"{value:.9g}") if isinstance(value, float) else value


def test_into_a_workspace_and_out_again(tracker: LearningProgressTracker, workspace: Workspace, tmp_path: Path) -> None:
    lasting = LearningProgressTracker(workspace=workspace)
    lasting.import_learning_data(tracker.export_learning_data(tmp_path / "out.json"))
    assert lasting.learning_events == tracker.learning_events
    assert rounded(lasting.generate_dashboard_view()) == rounded(tracker.generate_dashboard_view())
    lasting.record_learning_event("a", 0.9, 0.01)
    assert lasting.get_convergence_analysis()["total_convergences"] == 1


def test_json_is_for_people(tracker: LearningProgressTracker, tmp_path: Path) -> None:
    said = json.loads(tracker.export_learning_data(tmp_path / "out.json").read_text())
    assert said["learning_events"][0] == tracker.learning_events[0].to_dict()
    assert said["metrics"][0] == {
        "name": "loss",
        "timestamp": said["metrics"][0]["timestamp"],
        "value": -2.5,
        "step": 3,
        "task_id": "t",
        "client_id": "c",
        "metadata": {"x": 1},
    }
    assert said["report"] == json.loads(json.dumps(tracker.generate_learning_report()))
    assert [one["value"] for one in said["goal_history"]] == [0.5, 0.95]
    assert len(said["convergence_history"]) == 1


@pytest.mark.parametrize("ending", ENDINGS)
def test_an_empty_tracker(ending: str, tmp_path: Path) -> None:
    file = LearningProgressTracker().export_learning_data(tmp_path / f"out{ending}")
    assert LearningProgressTracker().import_learning_data(file) == 0


def test_only_into_an_empty_tracker(tracker: LearningProgressTracker, tmp_path: Path) -> None:
    file = tracker.export_learning_data(tmp_path / "out.json")
    with pytest.raises(InvalidInput, match="holds something already"):
        tracker.import_learning_data(file)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize(
    "content", [b"", b"{}", b'{"format": "other"}', b"\x89HDF\r\n\x1a\n", b"PAR1PAR1", b"\xff" * 300]
)
def test_files_of_others_are_refused(ending: str, content: bytes, tmp_path: Path) -> None:
    file = tmp_path / f"out{ending}"
    file.write_bytes(content)
    tracker = LearningProgressTracker()
    with pytest.raises(InvalidInput, match="is no export of a tracker"):
        tracker.import_learning_data(file)
    assert tracker.generate_learning_report()["total_learning_events"] == 0


@pytest.mark.parametrize(
    "change",
    [
        {"format": "onward learning data 2"},
        {"learning_events": [{"timestamp": 0}]},
        {"learning_events": [dict.fromkeys(("timestamp", "performance_score", "learning_rate"), 2.0)]},
        {"metrics": [{"name": "x", "timestamp": 0, "value": 1e999}]},
        {"more": 1},
    ],
)
def test_contents_that_cannot_be(change: dict[str, Any], tracker: LearningProgressTracker, tmp_path: Path) -> None:
    file = tracker.export_learning_data(tmp_path / "out.json")
    said = json.loads(file.read_text())
    file.write_text(json.dumps(said | change))
    again = LearningProgressTracker()
    with pytest.raises(InvalidInput, match="is no export of a tracker"):
        again.import_learning_data(file)
    assert len(again.goals) == 0


@pytest.mark.parametrize("field", ["performance_score", "learning_rate", "convergence_metric", "timestamp"])
def test_an_event_out_of_range(field: str, tracker: LearningProgressTracker, tmp_path: Path) -> None:
    file = tracker.export_learning_data(tmp_path / "out.json")
    said = json.loads(file.read_text())
    said["learning_events"][3][field] = -1 if field != "timestamp" else 1e999
    file.write_text(json.dumps(said))
    with pytest.raises(InvalidInput, match="is no export of a tracker"):
        LearningProgressTracker().import_learning_data(file)


def test_names_that_cannot_be(tracker: LearningProgressTracker, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match=r"Known: \.h5, \.json, \.parquet"):
        tracker.export_learning_data(tmp_path / "out.txt")
    with pytest.raises(InvalidInput, match="ending that is not known"):
        LearningProgressTracker().import_learning_data(tmp_path / "out")
    with pytest.raises(NotFound, match="There is no file"):
        LearningProgressTracker().import_learning_data(tmp_path / "out.json")


@pytest.mark.parametrize("ending", ENDINGS)
def test_nowhere_to_write(ending: str, tracker: LearningProgressTracker, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="cannot be written"):
        tracker.export_learning_data(tmp_path / "missing" / f"out{ending}")


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_full_disk_leaves_the_old_file(ending: str, tracker: LearningProgressTracker, tmp_path: Path) -> None:
    file = tracker.export_learning_data(tmp_path / f"out{ending}")
    before = file.read_bytes()
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    tracker.log_metric("more", 1.0)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (512, hard))
        with pytest.raises(Unavailable):
            tracker.export_learning_data(file)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.mark.parametrize(("ending", "package"), [(".parquet", "pyarrow"), (".h5", "h5py")])
def test_what_is_not_installed(
    ending: str, package: str, tracker: LearningProgressTracker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tracker.export_learning_data(tmp_path / f"out{ending}")
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtra, match=package):
        tracker.export_learning_data(tmp_path / f"again{ending}")
    with pytest.raises(MissingExtra, match=package):
        LearningProgressTracker().import_learning_data(file)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


@pytest.fixture(scope="module")
def exports(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A small file of each format."""
    tracker, place = LearningProgressTracker(), tmp_path_factory.mktemp("exports")
    tracker.record_learning_events({"task_type": ["a", "b"], "performance_score": 0.5, "learning_rate": 0.1, "by": "ü"})
    tracker.log_metric("loss", 1.0, step=3, task_id="t")
    tracker.create_goal("g", target_performance=0.9)
    tracker.update_goal_progress("g", 0.3)
    tracker.configure_experiment("e", {"layers": [1]})
    return {ending: tracker.export_learning_data(place / f"out{ending}").read_bytes() for ending in ENDINGS}


@pytest.mark.parametrize("ending", ENDINGS)
@given(data=st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_file_is_read_or_refused(
    ending: str, exports: dict[str, bytes], tmp_path: Path, data: st.DataObject
) -> None:
    content = bytearray(exports[ending])
    places = st.lists(st.integers(0, len(content) - 1), max_size=4)
    for place in data.draw(places):
        content[place] ^= data.draw(st.integers(1, 255))
    file, tracker = tmp_path / f"out{ending}", LearningProgressTracker()
    file.write_bytes(content[: data.draw(st.integers(0, len(content)) | st.just(len(content)))])
    try:
        count = tracker.import_learning_data(file)
    except InvalidInput:
        assert tracker.generate_dashboard_view() == LearningProgressTracker().generate_dashboard_view()
    else:
        assert count == len(tracker.learning_events)
        tracker.generate_dashboard_view()
