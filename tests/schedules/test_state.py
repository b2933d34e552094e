"""To stop and go on is never to have stopped; a state of something else is refused and changes nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.schedules import (
    Bandit,
    Curve,
    ExponentialMovingAverage,
    Plateau,
    Schedule,
    cosine_restarts,
    cyclical,
    drive,
    exponential_decay,
    one_cycle,
    step_decay,
)

MAKERS: dict[str, Callable[[], Schedule]] = {
    "exponential_decay": lambda: exponential_decay(0.1, 0.7, 3, floor=0.01),
    "step_decay": lambda: step_decay(0.1, 0.7, 3),
    "cosine_restarts": lambda: cosine_restarts(0.1, 4, multiply=2),
    "cyclical": lambda: cyclical(0.1, 0.3, 4, mode="exp_range", gamma=0.9),
    "one_cycle": lambda: one_cycle(0.1, 30),
    "own": lambda: Curve(lambda step: 1 / (1 + step), "own"),
    "plateau": lambda: Plateau(0.1, factor=0.7, patience=1, cooldown=1, growth=1.1, highest=0.2),
    "bandit": lambda: Bandit([0.1, 0.2, 0.3], seed=np.int64(3)),
    "drive": lambda: drive(
        SimpleNamespace(param_groups=[{"lr": 0.0}]), Plateau(np.float32(0.1), patience=np.int64(0)), "lr"
    ),
}
performances = st.lists(st.floats(allow_nan=True, allow_infinity=True) | st.floats(0, 1), max_size=40)


@pytest.mark.parametrize("name", MAKERS)
@given(performances, performances)
def test_to_resume_is_never_to_have_stopped(name: str, before: list[float], after: list[float]) -> None:
    one = MAKERS[name]()
    for loss in before:
        one.step(loss)
    kept = json.dumps(one.state_dict(), allow_nan=False)
    other = MAKERS[name]()
    other.load_state_dict(json.loads(kept))
    assert other.value == one.value
    assert [one.step(loss) for loss in after] == [other.step(loss) for loss in after]
    assert one.state_dict() == other.state_dict()


@pytest.mark.parametrize("name", MAKERS)
def test_a_state_is_a_copy(name: str) -> None:
    one = MAKERS[name]()
    for loss in (1.0, 0.9, 0.9, 0.95, 0.7):
        one.step(loss)
    kept = one.state_dict()
    text = json.dumps(kept)
    other = MAKERS[name]()
    other.load_state_dict(kept)
    for loss in (0.6, 0.9, 0.9, 0.9):
        one.step(loss)
        other.step(loss)
    assert json.dumps(kept) == text


@pytest.mark.parametrize("name", MAKERS)
def test_what_is_no_state_of_it_is_refused(name: str) -> None:
    one = MAKERS[name]()
    for loss in (1.0, 0.9, 0.8):
        one.step(loss)
    before = one.state_dict()
    others = [MAKERS[other]().state_dict() for other in MAKERS if other != name]
    lacking = [{key: value for key, value in before.items() if key != gone} for gone in before]
    for bad in [*others, *lacking, {**before, "settings": {"start": 7}}, None, [], "state"]:
        with pytest.raises(InvalidInput, match="state"):
            one.load_state_dict(bad)  # type: ignore[arg-type]
        assert one.state_dict() == before


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("step_decay", {"step": -1}),
        ("step_decay", {"step": 1.5}),
        ("plateau", {"value": 0.9}),
        ("plateau", {"best": math.nan}),
        ("plateau", {"worse_in_a_row": -1}),
        ("plateau", {"resting": "1"}),
        ("bandit", {"arm": 3}),
        ("bandit", {"arm": -1}),
        ("bandit", {"steps": None}),
        ("bandit", {"last": "x"}),
        ("bandit", {"weights": [1, 2]}),
        ("bandit", {"weights": [1, 2, -1]}),
        ("bandit", {"means": [0, 0, -3]}),
        ("bandit", {"spreads": None}),
        ("drive", {"schedule": {}}),
    ],
)
def test_positions_out_of_range_are_refused(name: str, changes: dict[str, Any]) -> None:
    one = MAKERS[name]()
    for loss in (1.0, 0.9):
        one.step(loss)
    before = one.state_dict()
    with pytest.raises(InvalidInput):
        one.load_state_dict({**before, **changes})
    assert one.state_dict() == before


def test_other_settings_are_refused_but_the_place_can_be_taken_over() -> None:
    one, longer = one_cycle(0.1, 30), one_cycle(0.1, 60)
    for _ in range(7):
        one.step()
    with pytest.raises(InvalidInput, match="'steps': 30"):
        longer.load_state_dict(one.state_dict())
    longer.load_state_dict({**longer.state_dict(), "step": one.state_dict()["step"]})
    assert longer.steps == 7


values = st.recursive(
    st.floats(-1e9, 1e9) | st.lists(st.floats(-1e9, 1e9), max_size=4).map(np.array),
    lambda inner: st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@given(values, st.floats(0, 0.999), st.booleans(), st.integers(0, 5), st.integers(0, 5))
def test_an_average_resumes_exactly(value: Any, decay: float, corrected: bool, before: int, after: int) -> None:
    def scaled(part: Any, by: float) -> Any:
        return {key: scaled(one, by) for key, one in part.items()} if isinstance(part, dict) else part * by

    one, other = (ExponentialMovingAverage(decay, corrected=corrected) for _ in range(2))
    for at in range(before):
        one.update(scaled(value, 1 / (1 + at)))
    other.load_state_dict(json.loads(json.dumps(one.state_dict(), allow_nan=False)))
    for at in range(after):
        np.testing.assert_equal(one.update(scaled(value, 1.5**at)), other.update(scaled(value, 1.5**at)))
    np.testing.assert_equal(one.value, other.value)
    assert json.dumps(one.state_dict()) == json.dumps(other.state_dict())
