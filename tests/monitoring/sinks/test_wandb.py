"""What stands in an offline run of Weights & Biases."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from onward.core import InvalidInput, ManualClock, MissingExtra, Unavailable
from onward.monitoring import LearningProgressTracker
from onward.monitoring.sinks import WandbSink
from onward.monitoring.tracker import Measurement, Source

from .conftest import closing, fill

BLOCK = 32_768


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody's key, and no settings of whoever runs the tests."""
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_PROJECT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("WANDB_CACHE_DIR", str(tmp_path / "cache"))


def records(folder: Path) -> list[Any]:
    """The records of a run's file, once its last one is there."""
    end, found = monotonic() + 60, list(_records(folder))
    while not any(one.HasField("exit") for one in found):
        assert monotonic() < end, "The run was never finished."
        sleep(0.05)
        found = list(_records(folder))
    return found


def _records(folder: Path) -> Iterator[Any]:
    """LevelDB's log format after a header of seven bytes."""
    from wandb.proto.wandb_internal_pb2 import Record

    (file,) = folder.glob("run-*.wandb")
    data, at, part = file.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while at + 7 <= len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        if at + 7 + length > len(data):
            return
        part += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in {1, 4}:  # whole, or the last part
            yield Record.FromString(part)
            part = b""


def rows(folder: Path) -> list[dict[str, Any]]:
    return [
        {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in one.history.item}
        for one in records(folder)
        if one.HasField("history")
    ]


def test_everything_is_in_one_offline_run(tmp_path: Path, clock: ManualClock) -> None:
    tracker = LearningProgressTracker(clock=clock)
    sink = WandbSink(tmp_path / "runs", run="first")
    with closing(tracker):
        tracker.add_sink(sink)
        fill(tracker)
    found = rows(sink.folder)
    assert sink.folder.parent == tmp_path / "runs" / "wandb"
    own = [row for row in found if "task/a/score" in row]
    assert [(row["task/a/score"], row["task/a/step"], row["task/a/time"]) for row in own] == [
        (event.performance_score, event.episode_count, event.timestamp) for event in tracker.learning_events[:300]
    ]
    assert own[0]["task/a/learning_rate"] == 0.01
    assert [row["metric/loss"] for row in found if "metric/loss" in row] == [1e90]
    assert [row["goal/g/performance"] for row in found if "goal/g/performance" in row] == [0.45, 0.95]
    assert len([row for row in found if "task/a/converged" in row]) == 1
    (run,) = {one.run.display_name for one in records(sink.folder) if one.HasField("run")}
    assert run == "first"
    config = {
        item.key: json.loads(item.value_json)
        for one in records(sink.folder)
        if one.HasField("config")
        for item in one.config.update
    }
    assert config["experiment/e/layers"] == "[64,32]"
    over = {one.metric.name: one.metric.step_metric for one in records(sink.folder) if one.HasField("metric")}
    assert len(found) == 307
    assert over["task/a/score"] == "task/a/step"


def test_a_run_of_the_users_own_is_left_alone(tmp_path: Path) -> None:
    import wandb

    with wandb.init(dir=str(tmp_path), mode="offline", settings=wandb.Settings(silent=True)) as own:
        sink = WandbSink(tmp_path)
        sink.write(
            [Measurement(Source("metric", "m"), 0.0, 1.0, 0), Measurement(Source("metric", "m"), 0.0, float("nan"))]
        )
        sink.configure({"a": "1"})
        sink.configure({"a": "2"})
        sink.flush()
        sink.close()
        assert wandb.run is own
        own.log({"mine": 1})
        folder = Path(own.dir).parent
    assert folder != sink.folder
    assert [row["metric/m"] for row in rows(sink.folder)] == [1.0]
    assert [row["mine"] for row in rows(folder)] == [1]


def test_nobody_is_asked_to_log_in(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no WANDB_API_KEY"):
        WandbSink(tmp_path, mode="online")
    with pytest.raises(InvalidInput, match="Known: offline, online"):
        WandbSink(tmp_path, mode="shared")  # type: ignore[arg-type]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="No run can be written"):
        WandbSink(tmp_path / "file" / "runs")


def test_without_wandb_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(MissingExtra, match=r"pip install 'onward\[wandb\]'"):
        WandbSink(tmp_path)
