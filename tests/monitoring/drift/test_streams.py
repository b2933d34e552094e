from __future__ import annotations

import sys

import numpy as np
import pytest

from onward.core import InvalidInput, MissingExtra
from onward.monitoring.drift import DETECTORS, Adwin, StreamDetector, detector


def stream(name: str, seed: int = 0) -> np.ndarray:
    """2,000 items, then 2,000 that are larger; errors for all, so that every detector takes them."""
    rng = np.random.default_rng(seed)
    return (rng.random(4000) < np.repeat([0.1, 0.6], 2000)).astype(float)


@pytest.fixture(params=DETECTORS)
def name(request: pytest.FixtureRequest) -> str:
    if request.param != "adwin":
        pytest.importorskip("river")
    return request.param


def test_every_detector_follows_the_protocol_and_finds_a_drift(name: str) -> None:
    watch = detector(name)
    assert isinstance(watch, StreamDetector)
    assert not watch.drift_detected
    found = watch.update_many(stream(name))
    assert ((found >= 2000) & (found < 2500)).any()


def test_one_by_one_is_the_same_as_many(name: str) -> None:
    options = {"seed": 3} if name == "kswin" else {}
    many, single = detector(name, **options), detector(name, **options)
    values = stream(name, 1)
    told = []
    for at, value in enumerate(values.tolist()):
        if single.update(value):
            told.append(at)
            assert single.drift_detected
    assert many.update_many(values).tolist() == told


def test_after_a_reset_it_is_new(name: str) -> None:
    options = {"seed": 3} if name == "kswin" else {}
    watch, values = detector(name, **options), stream(name)
    first = watch.update_many(values).tolist()
    watch.reset()
    assert watch.update_many(values).tolist() == first


def test_bad_items_are_refused(name: str) -> None:
    watch = detector(name)
    for wrong in ([float("nan")], [float("inf")], ["x"], [[0.0]]):
        with pytest.raises(InvalidInput):
            watch.update_many(wrong)
    with pytest.raises(InvalidInput):
        watch.update(float("nan"))


@pytest.mark.parametrize("name_", ["ddm", "hddm_a", "hddm_w"])
def test_detectors_of_errors_take_errors_only(name_: str) -> None:
    pytest.importorskip("river")
    with pytest.raises(InvalidInput, match="looks at errors"):
        detector(name_).update_many([0.5])


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InvalidInput, match="adwin, ddm, hddm_a, hddm_w, kswin, page_hinkley"):
        detector("adwim")


def test_an_unknown_option_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be made"):
        detector(name, nothing=3)


def test_options_reach_the_detector() -> None:
    watch = detector("adwin", delta=0.1, block=4)
    assert isinstance(watch, Adwin)
    assert (watch.delta, watch.block) == (0.1, 4)


def test_without_river_the_extra_is_named_and_adwin_works(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river", None)
    for module in ("river.drift", "river.drift.binary"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra, match=r"onward\[streams\]"):
        detector("ddm")
    assert detector().update(0.5) is False
