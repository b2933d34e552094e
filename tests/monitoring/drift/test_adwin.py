from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.monitoring.drift import Adwin


def errors(seed: int, *parts: tuple[int, float]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([(rng.random(count) < rate).astype(float) for count, rate in parts])


def one_by_one(adwin: Adwin, values: np.ndarray) -> list[int]:
    return [at for at, value in enumerate(values.tolist()) if adwin.update(value)]


@settings(deadline=None, max_examples=60)
@given(
    st.integers(0, 1000),
    st.lists(st.integers(0, 700), min_size=1, max_size=12),
    st.lists(st.tuples(st.integers(1, 400), st.sampled_from([0.05, 0.3, 0.9])), min_size=1, max_size=5),
    st.sampled_from([2, 16, 32]),
    st.sampled_from([0.0, 1e6]),
)
def test_batches_of_any_size_give_the_answers_of_single_items(
    seed: int, sizes: list[int], parts: list[tuple[int, float]], block: int, offset: float
) -> None:
    values = errors(seed, *parts) + np.random.default_rng(seed).normal(0, 0.1, sum(n for n, _ in parts)) + offset
    single, batched = Adwin(block=block), Adwin(block=block)
    expected = one_by_one(single, values)
    found, at = [], 0
    for size in [*sizes, len(values)]:
        part = values[at : at + size]
        found += [at + place for place in batched.update_many(part).tolist()]
        at += len(part)
    assert found == expected
    assert batched.state_dict() == single.state_dict() or not len(part)
    assert (batched.width, batched.mean) == (single.width, single.mean)


@pytest.mark.parametrize("kind", ["errors", "uniform"])
def test_forty_thousand_flat_items_raise_no_alarm(kind: str) -> None:
    for seed in range(10):
        values = errors(seed, (40_000, 0.1)) if kind == "errors" else np.random.default_rng(seed).random(40_000)
        adwin = Adwin()
        assert adwin.update_many(values).tolist() == []
        assert adwin.width == 40_000
        assert adwin.mean == pytest.approx(values.mean())


@pytest.mark.parametrize("before", [1000, 2000, 5000])
def test_a_tripled_error_rate_is_seen_after_a_hundred_items(before: int) -> None:
    delays = []
    for seed in range(40):
        found = Adwin().update_many(errors(seed, (before, 0.1), (2000, 0.3)))
        delays.append(found[found >= before][0] - before + 1)
    assert np.median(delays) <= 111


def test_a_drift_is_told_once_and_the_window_is_what_came_after_it() -> None:
    adwin = Adwin()
    found = adwin.update_many(np.random.default_rng(0).random(9000) + np.repeat([0.0, 0.6, 0.0], 3000))
    assert len(found) == 2
    assert 2900 < adwin.width < 3100
    assert adwin.mean == pytest.approx(0.5, abs=0.05)


def test_falling_is_drift_too() -> None:
    assert len(Adwin().update_many(errors(1, (2000, 0.5), (2000, 0.1)))) == 1


def test_drift_detected_is_of_the_last_item() -> None:
    adwin = Adwin()
    (place,) = Adwin().update_many(np.repeat([0.0, 1.0], 500)).tolist()
    adwin.update_many(np.repeat([0.0, 1.0], 500)[: place + 1])
    assert adwin.drift_detected
    assert not adwin.update(1.0)
    assert not adwin.drift_detected
    adwin.update_many([1.0, 1.0])
    assert not adwin.drift_detected


def test_an_empty_batch_changes_nothing() -> None:
    adwin = Adwin()
    adwin.update_many(np.repeat([0.0, 1.0], 500)[:512])
    before = adwin.state_dict()
    assert adwin.update_many([]).tolist() == []
    assert adwin.state_dict() == before


def test_a_new_one_has_no_mean() -> None:
    adwin = Adwin()
    assert (adwin.width, adwin.drift_detected) == (0, False)
    assert math.isnan(adwin.mean)
    adwin.update(3.0)
    assert (adwin.width, adwin.mean) == (1, 3.0)
    adwin.reset()
    assert adwin.width == 0


def test_a_state_goes_through_json_and_on_as_if_nothing_had_been() -> None:
    values = errors(5, (3000, 0.1), (3000, 0.4)) / 3
    whole, half = Adwin(delta=0.01, block=8), Adwin(delta=0.01, block=8)
    expected = whole.update_many(values).tolist()
    found = half.update_many(values[:2507]).tolist()
    back = Adwin()
    back.load_state_dict(json.loads(json.dumps(half.state_dict())))
    assert found + (back.update_many(values[2507:]) + 2507).tolist() == expected
    assert back.state_dict() == whole.state_dict()


@pytest.mark.parametrize(
    "change",
    [
        {"sums": [[1.0]]},
        {"delta": 3.0},
        {"blocks": "many"},
        {"total": [1.0]},
        {"pending": ["x"]},
        {"powers": [math.nan]},
    ],
)
def test_another_state_is_refused_and_changes_nothing(change: dict[str, object]) -> None:
    adwin = Adwin()
    adwin.update_many(np.zeros(100))
    before = adwin.state_dict()
    with pytest.raises(InvalidInput):
        adwin.load_state_dict({**before, **change})
    with pytest.raises(InvalidInput):
        adwin.load_state_dict({})
    assert adwin.state_dict() == before


@pytest.mark.parametrize("values", [[1.0, math.nan], [math.inf], ["a"], [[1.0], [2.0]], np.zeros((2, 2)), 3])
def test_what_is_no_stream_is_refused_and_changes_nothing(values: object) -> None:
    adwin = Adwin()
    adwin.update_many(np.zeros(20))
    before = adwin.state_dict()
    with pytest.raises(InvalidInput):
        adwin.update_many(values)
    with pytest.raises(InvalidInput):
        adwin.update(math.nan)
    assert adwin.state_dict() == before


@pytest.mark.parametrize("options", [{"delta": 0.0}, {"delta": 1.0}, {"block": 3}, {"block": 1}, {"block": 8192}])
def test_options_out_of_range_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        Adwin(**options)


@pytest.mark.parametrize("value", ["x", None, [1.0], "1.5x"])
def test_what_is_no_number_is_refused_one_by_one(value: object) -> None:
    detector = Adwin()
    with pytest.raises(InvalidInput, match="stream"):
        detector.update(value)  # type: ignore[arg-type]
    assert detector.state_dict() == Adwin().state_dict()
