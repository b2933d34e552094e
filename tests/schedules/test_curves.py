from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.core import InvalidInput
from onward.schedules import Curve, cosine_restarts, cyclical, exponential_decay, one_cycle, step_decay

STEPS = 60


def of_torch(scheduler: str, first: float = 0.1, key: str = "lr", **settings: Any) -> list[float]:
    """What a scheduler of torch sets at each of the steps."""
    torch = pytest.importorskip("torch")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=first, momentum=0.9)
    made = getattr(torch.optim.lr_scheduler, scheduler)(optimizer, **settings)
    found = []
    for _ in range(STEPS):
        found.append(float(optimizer.param_groups[0][key]))
        optimizer.step()
        made.step()
    return found


def walked(curve: Curve) -> list[float]:
    return [curve.value, *(curve.step() for _ in range(STEPS - 1))]


SAME_AS_TORCH: list[tuple[str, Callable[[], Curve], Callable[[], list[float]]]] = [
    ("exponential", lambda: exponential_decay(0.1, 0.9, 1), lambda: of_torch("ExponentialLR", gamma=0.9)),
    ("step", lambda: step_decay(0.1, 0.5, 7), lambda: of_torch("StepLR", step_size=7, gamma=0.5)),
    (
        "restarts",
        lambda: cosine_restarts(0.1, 9, end=0.01),
        lambda: of_torch("CosineAnnealingWarmRestarts", T_0=9, eta_min=0.01),
    ),
    (
        "restarts, ever longer",
        lambda: cosine_restarts(0.1, 5, multiply=3),
        lambda: of_torch("CosineAnnealingWarmRestarts", T_0=5, T_mult=3),
    ),
    *(
        (
            f"{mode} {down} {base}",
            lambda mode=mode, down=down, base=base: cyclical(base, 0.1, 6, down=down, mode=mode, gamma=0.97),
            lambda mode=mode, down=down, base=base: of_torch(
                "CyclicLR", base_lr=base, max_lr=0.1, step_size_up=6, step_size_down=down, mode=mode, gamma=0.97
            ),
        )
        for mode in ("triangular", "triangular2", "exp_range")
        for down in (None, 4)
        for base in (0.01, 0.0)
    ),
    *(
        (
            f"one cycle {shape} {three} {warm_up}",
            lambda shape=shape, three=three, warm_up=warm_up: one_cycle(
                0.1, STEPS, shape=shape, three_phase=three, warm_up=warm_up
            ),
            lambda shape=shape, three=three, warm_up=warm_up: of_torch(
                "OneCycleLR",
                max_lr=0.1,
                total_steps=STEPS,
                anneal_strategy="cos" if shape == "cosine" else shape,
                three_phase=three,
                pct_start=warm_up,
            ),
        )
        for shape in ("cosine", "linear")
        for three in (False, True)
        for warm_up in (0.3, 0.25)
    ),
    (
        "momentum of a cycle",
        lambda: cyclical(0.9, 0.8, 6),
        lambda: of_torch("CyclicLR", key="momentum", base_lr=0.01, max_lr=0.1, step_size_up=6),
    ),
    (
        "momentum of one cycle",
        lambda: one_cycle(0.85, STEPS, start=0.95, end=0.95),
        lambda: of_torch("OneCycleLR", key="momentum", max_lr=0.1, total_steps=STEPS),
    ),
]


@pytest.mark.parametrize(("make", "torchs"), [case[1:] for case in SAME_AS_TORCH], ids=[c[0] for c in SAME_AS_TORCH])
def test_as_torch(make: Callable[[], Curve], torchs: Callable[[], list[float]]) -> None:
    found = walked(make())
    assert len(set(found)) > 3  # of a schedule that stands still nothing would be shown
    np.testing.assert_allclose(found, torchs(), rtol=1e-9, atol=1e-12)


def test_a_curve_is_a_lambda_of_torch() -> None:
    curve = exponential_decay(0.3, 0.5, 10)
    found = of_torch("LambdaLR", 1.0, lr_lambda=curve.at)
    assert found == [curve.at(step) for step in range(STEPS)]
    assert curve.steps == 0


# Closed forms ------------------------------------------------------------------------------------------------------

rates = st.floats(1e-12, 1e6)
curves = st.one_of(
    st.builds(
        lambda floor, above, rate, steps: exponential_decay(floor + above, rate, steps, floor=floor),
        st.floats(0, 10),
        st.floats(0, 10),
        st.floats(1e-6, 1),
        st.floats(1e-3, 1e5),
    ),
    st.builds(
        lambda floor, above, factor, every: step_decay(floor + above, factor, every, floor=floor),
        st.floats(0, 10),
        st.floats(0, 10),
        st.floats(1e-6, 1),
        st.integers(1, 1000),
    ),
    st.builds(
        lambda a, b, period, multiply: cosine_restarts(a, period, end=b, multiply=multiply),
        rates,
        rates,
        st.floats(1e-3, 1e5),
        st.integers(1, 5),
    ),
    st.builds(
        lambda a, b, up, down, mode, gamma: cyclical(a, b, up, down=down, mode=mode, gamma=gamma),
        rates,
        rates,
        st.floats(1e-3, 1e5),
        st.none() | st.floats(1e-3, 1e5),
        st.sampled_from(["triangular", "triangular2", "exp_range"]),
        st.floats(1e-3, 1),
    ),
    st.builds(
        lambda peak, steps, start, end, warm_up, shape, three: one_cycle(
            peak, steps, start=start, end=end, warm_up=warm_up, shape=shape, three_phase=three
        ),
        rates,
        st.integers(2, 10_000),
        rates,
        rates,
        st.floats(0, 0.5),
        st.sampled_from(["cosine", "linear"]),
        st.booleans(),
    ),
)
BOUNDS = ("start", "floor", "end", "base", "peak")


@given(curves, st.floats(0, 1e7))
def test_no_curve_leaves_its_bounds(curve: Curve, step: float) -> None:
    settings = curve.state_dict()["settings"]
    bounds = [settings[key] for key in BOUNDS if key in settings]
    assert min(bounds) <= curve.at(step) <= max(bounds)


@given(curves, st.integers(0, 50))
def test_to_walk_is_to_look(curve: Curve, steps: int) -> None:
    before = curve.value
    walked = [curve.step(performance=None) for _ in range(steps)]
    assert [before, *walked] == [curve.at(step) for step in range(steps + 1)]
    assert curve.steps == steps
    assert curve.value == curve.at(steps)


@given(st.floats(0, 1e4), st.floats(0, 1e4))
def test_decays_only_fall(one: float, other: float) -> None:
    for curve in (exponential_decay(0.1, 0.5, 100, floor=0.001), step_decay(0.1, 0.5, 100, floor=0.001)):
        assert curve.at(min(one, other)) >= curve.at(max(one, other)) >= 0.001


def test_the_decay_is_the_formula() -> None:
    curve = exponential_decay(0.3, 0.2, 7, floor=0.01)
    assert [curve.at(step) for step in (0, 1, 3.5, 7)] == pytest.approx(
        [0.3, 0.3 * 0.2 ** (1 / 7), 0.3 * 0.2**0.5, 0.06]
    )
    assert curve.at(1e300) == 0.01


def test_steps_fall_at_whole_multiples() -> None:
    curve = step_decay(1.0, 0.1, 3, floor=0.05)
    assert [curve.at(step) for step in (0, 2.99, 3, 5, 6, 9)] == [1.0, 1.0, 0.1, 0.1, 0.05, 0.05]


@pytest.mark.parametrize("multiply", [1, 2, 3])
def test_restarts_come_after_each_period(multiply: int) -> None:
    curve, begin, period = cosine_restarts(2.0, 4, end=-1.0, multiply=multiply), 0, 4
    for _ in range(6):
        assert curve.at(begin) == 2.0
        assert curve.at(begin + period / 2) == pytest.approx(0.5)
        assert curve.at(begin + period * (1 - 1e-9)) == pytest.approx(-1.0)
        begin, period = begin + period, period * multiply


def test_one_cycle_stays_at_its_end() -> None:
    curve = one_cycle(1.0, 10, end=0.5)
    assert curve.at(0) == 1 / 25
    assert max(curve.at(step / 100) for step in range(1000)) == 1.0
    assert curve.at(9) == curve.at(10) == curve.at(1e9) == 0.5
    assert one_cycle(1.0, 10).at(9) == pytest.approx(1 / 25 / 1e4)


@pytest.mark.parametrize(("steps", "warm_up"), [(3, 0.3), (4, 0.25), (10, 0.1)])
def test_one_cycle_whose_warm_up_is_no_step_starts_at_the_peak(steps: int, warm_up: float) -> None:
    assert one_cycle(1.0, steps, warm_up=warm_up).at(0) == 1.0
    assert one_cycle(1.0, steps, warm_up=warm_up, three_phase=True).at(0) == 1 / 25
    assert one_cycle(1.0, steps + 1, warm_up=warm_up).at(0) == 1 / 25


def test_one_cycle_without_warm_up_starts_at_the_peak() -> None:
    for three_phase in (False, True):
        curve = one_cycle(1.0, 10, warm_up=0, three_phase=three_phase, shape="linear")
        assert curve.at(5) < curve.at(1)
    assert one_cycle(1.0, 10, warm_up=0).at(0) == 1.0
    assert one_cycle(1.0, 2).at(1) == one_cycle(1.0, 2, warm_up=0).at(1) == pytest.approx(4e-6)


# Curves of one's own, copies ---------------------------------------------------------------------------------------


def test_any_function_is_a_curve() -> None:
    curve = Curve(lambda step: np.float32(step) ** 2, "square")
    assert [curve.step() for _ in range(3)] == [1.0, 4.0, 9.0]
    assert type(curve.value) is float
    assert repr(curve) == "square()"
    assert repr(step_decay(1, 0.5, 2)) == "step_decay(start=1.0, factor=0.5, every=2, floor=0.0)"


def test_a_function_that_gives_no_number_is_told() -> None:
    curve = Curve(lambda step: math.inf if step == 2 else 1.0, "mine")
    curve.step()
    with pytest.raises(InvalidInput, match="mine gave inf at step 2"):
        curve.step()
    assert curve.steps == 1
    assert curve.value == 1.0
    for value in (None, "0.5", 1j, 10**400, np.ones(2)):
        with pytest.raises(InvalidInput, match=r"curve gave .* at step 0"):
            _ = Curve(lambda step, value=value: value).value
    with pytest.raises(InvalidInput, match="not a function"):
        Curve(0.1)  # type: ignore[arg-type]


@given(curves, st.integers(0, 20))
def test_copies_go_on_by_themselves(curve: Curve, steps: int) -> None:
    for _ in range(steps):
        curve.step()
    for other in (pickle.loads(pickle.dumps(curve)), copy.deepcopy(curve)):
        assert other.step() == curve.at(steps + 1)
    assert curve.steps == steps


# Bad input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [-1, math.nan, math.inf, "2", None, True])
def test_a_step_is_a_number_from_0_on(step: Any) -> None:
    with pytest.raises(InvalidInput, match="step is"):
        exponential_decay(0.1, 0.5, 10).at(step)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: exponential_decay(0.1, 1.5, 10), r"rate is 1\.5\. Give a finite number, at most 1"),
        (lambda: exponential_decay(0.1, 0, 10), r"rate is 0\. Give a number above 0, at most 1"),
        (lambda: exponential_decay(0.1, 0.5, 0), "steps is 0"),
        (lambda: exponential_decay(0.1, 0.5, 1, floor=0.2), r"start is 0\.1\. Give a finite number, at least 0\.2"),
        (lambda: exponential_decay(0.1, 0.5, 1, floor=-1), "floor is -1"),
        (lambda: exponential_decay(math.nan, 0.5, 1), "start is nan"),
        (lambda: step_decay(0.1, 2, 1), "factor is 2"),
        (lambda: step_decay(0.1, 0.5, 0), "every is 0"),
        (lambda: step_decay(0.1, 0.5, 2.5), r"every is 2\.5"),  # type: ignore[arg-type]
        (lambda: step_decay(0.1, 0.5, 1, floor=1), r"start is 0\.1"),
        (lambda: cosine_restarts(0.1, 0), "period is 0"),
        (lambda: cosine_restarts(0.1, 10, multiply=0), "multiply is 0"),
        (lambda: cosine_restarts(0.1, 10, end=math.inf), "end is inf"),
        (lambda: cosine_restarts("0.1", 10), r"start is '0\.1'"),  # type: ignore[arg-type]
        (lambda: cyclical(0, 1, 0), "up is 0"),
        (lambda: cyclical(0, 1, 1, down=-1), "down is -1"),
        (lambda: cyclical(0, 1, 1, gamma=1.1), r"gamma is 1\.1"),
        (lambda: cyclical(0, 1, 1, mode="square"), "mode is 'square'.*Known: exp_range, triangular, triangular2"),  # type: ignore[arg-type]
        (lambda: one_cycle(1, 1), "steps is 1. Give a whole number of at least 2"),
        (lambda: one_cycle(1, 10, warm_up=1), "warm_up is 1"),
        (lambda: one_cycle(1, 10, warm_up=0.6, three_phase=True), r"warm_up is 0\.6.*at most 0\.5"),
        (lambda: one_cycle(1, 10, shape="cos"), "shape is 'cos'.*Known: cosine, linear"),  # type: ignore[arg-type]
        (lambda: one_cycle(True, 10), "peak is True"),
    ],
)
def test_settings_out_of_range_are_told(make: Callable[[], Curve], message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        make()
