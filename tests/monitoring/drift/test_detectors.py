from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from onward.core import InvalidInput
from onward.monitoring.drift import DetectorScore, DriftStream, StreamDetector, detector, evaluate_detectors


class Told:
    """Tells of drift at given places of its stream."""

    drift_detected = False

    def __init__(self, *places: int) -> None:
        self.places = places

    def update(self, value: float) -> bool:
        raise AssertionError(value)

    def update_many(self, values: object) -> np.ndarray:
        return np.array(self.places, dtype=np.intp)

    def reset(self) -> None:
        self.places = ()


def scored(make: Callable[[], StreamDetector], streams: list[DriftStream], horizon: int = 100) -> DetectorScore:
    return evaluate_detectors({"it": make}, streams, horizon=horizon)[0]


def test_the_first_alarm_within_the_horizon_counts_and_every_other_one_is_false() -> None:
    stream = DriftStream(np.zeros(1000), [200, 600])
    found = scored(lambda: Told(100, 250, 260, 650, 900), [stream])
    assert (found.found, found.recall, found.false_alarms, found.median_delay) == (2, 1.0, 3, 50.0)
    assert found.false_alarms_per_10000 == 30.0


def test_the_horizon_ends_at_the_next_drift() -> None:
    found = scored(lambda: Told(260), [DriftStream(np.zeros(1000), [200, 250])], horizon=500)
    assert (found.found, found.recall, found.median_delay) == (1, 0.5, 10.0)


def test_an_alarm_after_the_horizon_is_false() -> None:
    found = scored(lambda: Told(300), [DriftStream(np.zeros(1000), [200])])
    assert (found.found, found.recall, found.false_alarms, found.median_delay) == (0, 0.0, 1, None)


def test_both_baselines_are_always_there() -> None:
    rows = evaluate_detectors({}, [DriftStream(np.zeros(1000), [300])])
    always, never = rows
    assert (always.name, always.recall, always.false_alarms, always.median_delay) == ("(always fires)", 1.0, 999, 0.0)
    assert (never.name, never.recall, never.false_alarms, never.median_delay) == ("(never fires)", 0.0, 0, None)


def test_the_baselines_are_detectors() -> None:
    from onward.monitoring.drift._detectors import _Always, _Never

    for make, fires in ((_Always, True), (_Never, False)):
        watch = make()
        assert isinstance(watch, StreamDetector)
        watch.reset()
        assert watch.update(0.5) is fires
        assert watch.drift_detected is fires
        assert len(watch.update_many([1.0, 2.0])) == 2 * fires


def test_without_drifts_there_is_no_recall() -> None:
    found = scored(detector, [DriftStream(np.zeros(1000))])
    assert (found.drifts, found.recall, found.false_alarms) == (0, None, 0)


def test_adwin_is_between_the_baselines() -> None:
    rng = np.random.default_rng(0)
    streams = [
        DriftStream((rng.random(4000) < np.repeat([0.1, 0.4], 2000)).astype(float), [2000], str(i)) for i in range(5)
    ]
    found = scored(detector, streams, horizon=1000)
    assert found.recall == 1.0
    assert found.false_alarms == 0
    assert 0 < found.median_delay < 200


@pytest.mark.parametrize(
    "stream",
    [
        DriftStream([], []),
        DriftStream([1.0], [1]),
        DriftStream([1.0, 2.0], [1, 0]),
        DriftStream([1.0, 2.0], [-1]),
        DriftStream([1.0, float("nan")], []),
    ],
)
def test_streams_that_cannot_be_are_refused(stream: DriftStream) -> None:
    with pytest.raises(InvalidInput):
        evaluate_detectors({}, [stream])


def test_no_stream_no_horizon_and_the_names_of_the_baselines_are_refused() -> None:
    with pytest.raises(InvalidInput):
        evaluate_detectors({}, [])
    with pytest.raises(InvalidInput):
        evaluate_detectors({}, [DriftStream([1.0])], horizon=0)
    with pytest.raises(InvalidInput, match="always there"):
        evaluate_detectors({"(never fires)": detector}, [DriftStream([1.0])])
