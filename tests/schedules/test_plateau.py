from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.schedules import Plateau


def of_torch(losses: list[float], mode: str, **settings: Any) -> list[float]:
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.5)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, mode=mode, eps=0, **settings)
    found = []
    for loss in losses:
        scheduler.step(loss)
        found.append(optimizer.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("threshold_mode", ["relative", "absolute"])
@pytest.mark.parametrize(("patience", "cooldown"), [(0, 0), (2, 0), (2, 3), (0, 4)])
def test_as_torch(
    seed: int,
    better: Literal["lower", "higher"],
    threshold_mode: Literal["relative", "absolute"],
    patience: int,
    cooldown: int,
) -> None:
    losses = np.exp(-0.01 * np.arange(150) + 0.1 * np.random.default_rng(seed).normal(size=150)).tolist()
    losses[70] = math.nan
    if better == "higher":
        losses = [2 - loss for loss in losses]
    settings: dict[str, Any] = {"factor": 0.8, "patience": patience, "threshold": 0.02, "cooldown": cooldown}
    plateau = Plateau(0.5, better=better, threshold_mode=threshold_mode, lowest=0.01, **settings)
    found = [plateau.step(loss) for loss in losses]
    assert len(set(found)) > 3
    mode = {"lower": "min", "higher": "max"}[better]
    assert found == of_torch(losses, mode, threshold_mode=threshold_mode[:3], min_lr=0.01, **settings)


def test_a_relative_threshold_holds_for_negative_performance() -> None:
    plateau = Plateau(1.0, threshold=0.1, patience=0, factor=0.5)
    assert [plateau.step(loss) for loss in (-10.0, -10.5, -11.5)] == [1.0, 0.5, 0.5]
    assert plateau.best == -11.5
    higher = Plateau(1.0, threshold=0.1, patience=0, factor=0.5, better="higher")
    assert [higher.step(score) for score in (-10.0, -9.5, -8.5)] == [1.0, 0.5, 0.5]


def test_a_factor_above_1_raises_on_a_plateau() -> None:
    plateau = Plateau(0.1, factor=2, patience=0, highest=0.3)
    assert [plateau.step(1.0) for _ in range(4)] == [0.1, 0.2, 0.3, 0.3]


def test_growth_raises_after_each_better_step() -> None:
    plateau = Plateau(0.1, factor=0.5, patience=1, growth=2, highest=0.3)
    losses = [1.0, 0.9, 0.8, 0.8, 0.8, 0.7]
    assert [plateau.step(loss) for loss in losses] == [0.1, 0.2, 0.3, 0.3, 0.15, 0.3]
    resting = Plateau(0.1, factor=0.5, patience=0, growth=2, cooldown=2)
    losses = [1.0, 1.0, 0.9, 0.8, 0.7]
    assert [resting.step(loss) for loss in losses] == [0.1, 0.05, 0.05, 0.05, 0.1]


def test_a_divergence_counts_as_no_better() -> None:
    for broken in (math.nan, math.inf, -math.inf):
        plateau = Plateau(1.0, factor=0.5, patience=0)
        assert [plateau.step(loss) for loss in (broken, 1.0, broken)] == [0.5, 0.5, 0.25]
        assert plateau.best == 1.0


def test_performance_may_be_any_one_number() -> None:
    torch = pytest.importorskip("torch")
    plateau = Plateau(1.0, factor=0.5, patience=0)
    assert [plateau.step(one) for one in (np.float32(2), torch.tensor(2.0), np.array(3))] == [1.0, 0.5, 0.25]


@given(
    st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    st.sampled_from([1e-9, 0.3, 0.9, 1.5, 1e300]),
    st.sampled_from([None, 1.0, 1.3, 1e300]),
    st.sampled_from([None, 2.0]),
    st.integers(0, 3),
    st.integers(0, 3),
)
def test_the_value_stays_within(
    losses: list[float], factor: float, growth: float | None, highest: float | None, patience: int, cooldown: int
) -> None:
    plateau = Plateau(
        1.0, factor=factor, growth=growth, lowest=0.25, highest=highest, patience=patience, cooldown=cooldown
    )
    for loss in losses:
        value = plateau.step(loss)
        assert 0.25 <= value <= (math.inf if highest is None else highest)
        assert math.isfinite(value)
        assert value == plateau.value


@pytest.mark.parametrize("bad", [None, "0.5", b"1", [1.0, 2.0], np.ones(2), object(), 10**400])
def test_what_is_no_performance_changes_nothing(bad: Any) -> None:
    plateau = Plateau(1.0, patience=0)
    plateau.step(1.0)
    before = plateau.state_dict()
    with pytest.raises(InvalidInput):
        plateau.step(bad)
    assert plateau.state_dict() == before


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"start": 0}, "start is 0"),
        ({"start": 1, "lowest": 2}, "start is 1.*at least 2"),
        ({"start": 3, "highest": 2}, "start is 3.*at least 0 and at most 2"),
        ({"start": 1, "lowest": 0.5, "highest": 0.2}, r"highest is 0\.2"),
        ({"start": 1, "lowest": -1}, "lowest is -1"),
        ({"start": 1, "better": "max"}, "better is 'max'.*Known: higher, lower"),
        ({"start": 1, "threshold_mode": "rel"}, "threshold_mode is 'rel'.*Known: absolute, relative"),
        ({"start": 1, "factor": 0}, "factor is 0"),
        ({"start": 1, "patience": -1}, "patience is -1"),
        ({"start": 1, "cooldown": 1.5}, r"cooldown is 1\.5"),
        ({"start": 1, "threshold": -0.1}, r"threshold is -0\.1"),
        ({"start": 1, "growth": 0.9}, r"growth is 0\.9"),
    ],
)
def test_settings_out_of_range_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        Plateau(**settings)
