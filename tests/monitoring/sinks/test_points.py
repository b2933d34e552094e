"""Names that every sink takes, and values that none of them chokes on."""

from __future__ import annotations

import re
from math import inf, isfinite, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onward.monitoring.sinks import Point, points
from onward.monitoring.tracker import Measurement, Source

texts = st.text(st.characters(exclude_categories=()), min_size=1, max_size=200)
sources = st.builds(
    Source,
    kind=st.sampled_from(["task", "metric", "goal", "convergence"]),
    name=texts,
    task=texts | st.just(""),
    client=texts | st.just(""),
)
NAME = re.compile(r"^(task|metric|goal)(/[\w.-]+)+$")


@given(source=sources, value=st.floats(), time=st.floats(), step=st.none() | st.integers(-5, 2**80))
def test_whatever_is_measured_has_names_and_values_that_every_sink_takes(
    source: Source, value: float, time: float, step: int | None
) -> None:
    for point in points(Measurement(source, time, value, step, rate=value, convergence=inf)):
        assert NAME.match(point.name)
        assert len(point.name) <= 250
        assert not any(part in {"", ".", ".."} for part in point.name.split("/"))
        assert isfinite(point.value)
        assert 0 <= point.step < 2**63
        assert 0 <= point.time <= 253_402_300_799


@given(one=sources, other=sources)
def test_different_series_have_different_names(one: Source, other: Source) -> None:
    names = [{point.name for point in points(Measurement(source, 0.0, 1.0))} for source in (one, other)]
    assert (names[0] == names[1]) == (one == other)
    assert one == other or not names[0] & names[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Source("metric", "a", task="b"), Source("metric", "a/task/b")),
        (Source("metric", "a", task="b"), Source("metric", "a", client="b")),
        (Source("task", "a b"), Source("task", "a_b")),
        (Source("task", "x" * 200 + "y"), Source("task", "x" * 200 + "z")),
        (Source("metric", "x" * 190, task="y" * 190), Source("metric", "x" * 190, task="y" * 189 + "z")),
        (Source("task", ".."), Source("task", "__")),
    ],
)
def test_names_that_would_collide_are_told_apart(one: Source, other: Source) -> None:
    names = [{point.name for point in points(Measurement(source, 0.0, 1.0))} for source in (one, other)]
    assert not names[0] & names[1]


def test_every_kind_has_its_curves() -> None:
    event = Measurement(Source("task", "a"), 5.0, 0.5, 3, 0.01, 0.2)
    assert list(points(event)) == [
        Point("task/a/score", 0.5, 3, 5.0),
        Point("task/a/learning_rate", 0.01, 3, 5.0),
        Point("task/a/convergence", 0.2, 3, 5.0),
    ]
    names = {
        Source("metric", "loss"): "metric/loss",
        Source("metric", "loss", "t", "c"): "metric/loss/task/t/client/c",
        Source("goal", "g"): "goal/g/performance",
        Source("convergence", "a"): "task/a/converged",
    }
    for source, name in names.items():
        assert list(points(Measurement(source, 5.0, 2.0))) == [Point(name, 2.0, 0, 5.0)]


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_what_is_not_finite_goes_nowhere(value: float) -> None:
    assert list(points(Measurement(Source("metric", "m"), 0.0, value))) == []
    event = Measurement(Source("task", "a"), 0.0, 0.5, 0, value, value)
    assert [point.name for point in points(event)] == ["task/a/score"]
