"""What stands in the event files, record by record, checksums and all."""

from __future__ import annotations

import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onward.core import ManualClock, MissingExtra, Unavailable
from onward.monitoring import LearningProgressTracker
from onward.monitoring.sinks import TensorBoardSink
from onward.monitoring.tracker import Measurement, Source

from .conftest import ODD, closing, fill


def masked(data: bytes) -> int:
    """The checksum of TFRecord files."""
    from tensorboardX.crc32c import crc32c

    crc = crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def events(folder: Path) -> Iterator[Any]:
    from tensorboardX.proto.event_pb2 import Event

    for file in sorted(folder.glob("*tfevents*")):
        data, at = file.read_bytes(), 0
        while at < len(data):
            (length,) = struct.unpack_from("<Q", data, at)
            body = data[at + 12 : at + 12 + length]
            assert struct.unpack_from("<I", data, at + 8) == (masked(data[at : at + 8]),)
            assert struct.unpack_from("<I", data, at + 12 + length) == (masked(body),)
            yield Event.FromString(body)
            at += 16 + length


def scalars(folder: Path) -> dict[str, list[tuple[float, int, float]]]:
    found: dict[str, list[tuple[float, int, float]]] = {}
    for event in events(folder):
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, []).append((value.simple_value, event.step, event.wall_time))
    return found


def test_everything_is_in_the_event_file(tmp_path: Path, clock: ManualClock) -> None:
    tracker = LearningProgressTracker(clock=clock)
    with closing(tracker):
        tracker.add_sink(TensorBoardSink(tmp_path / "runs" / "first"))
        fill(tracker)
        tracker.flush()
        found = scalars(tmp_path / "runs" / "first")
        assert tracker.sinks[0].missed == 0
    wanted = [(event.performance_score, event.episode_count, event.timestamp) for event in tracker.learning_events]
    assert found["task/a/score"] == [(pytest.approx(score, rel=1e-6), step, time) for score, step, time in wanted[:300]]
    assert found["metric/loss/task/t/client/c"] == [(-2.5, 0, 1.0)]
    assert found["metric/loss"] == [(pytest.approx(3.4028235e38), 5, 2.0)]
    assert [one[1] for one in found["goal/g/performance"]] == [0, 1]
    assert len(found["task/a/converged"]) == 1
    assert len(found) == 11
    texts = {
        value.tag: value.tensor.string_val[0].decode()
        for event in events(tmp_path / "runs" / "first")
        for value in event.summary.value
        if value.tensor.string_val
    }
    assert texts["experiment/e/layers/text_summary"] == "[64,32]"
    first = next(events(tmp_path / "runs" / "first"))
    assert first.file_version == "brain.Event:2"


def test_two_sinks_share_a_folder(tmp_path: Path) -> None:
    for value in (1.0, 2.0):
        sink = TensorBoardSink(tmp_path)
        sink.write([Measurement(Source("metric", ODD), 0.0, one, 3) for one in (value, float("nan"))])
        sink.flush()
        sink.close()
    assert len(list(tmp_path.iterdir())) == 2
    (values,) = scalars(tmp_path).values()
    assert sorted(value for value, *_ in values) == [1.0, 2.0]


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="No events can be written"):
        TensorBoardSink(tmp_path / "file" / "runs")


def test_without_tensorboard_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX.event_file_writer", None)
    with pytest.raises(MissingExtra, match=r"pip install 'onward\[tensorboard\]'"):
        TensorBoardSink(tmp_path)
