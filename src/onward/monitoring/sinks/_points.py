"""Measurements as names, values and steps: what MLflow, Weights & Biases and TensorBoard all take."""

from __future__ import annotations

import re
from collections.abc import Iterator
from hashlib import sha256
from math import isfinite
from typing import Final, NamedTuple

from onward.monitoring.tracker import Measurement, Source

ODD: Final = re.compile(r"[^\w.-]")
LONGEST: Final = 200
LARGEST: Final = 2**63 - 1
LATEST: Final = 253_402_300_799.0
"""The last second of the year 9999."""


class Point(NamedTuple):
    """One value of one curve.

    Args:
        name: of the curve: letters, digits, `_`, `-`, `.` and `/`; at most 250 characters.
        value: finite.
        step: 0 to 2^63 - 1.
        time: POSIX seconds, from 1970 to the end of the year 9999.
    """

    name: str
    value: float
    step: int
    time: float


def points(measurement: Measurement) -> Iterator[Point]:
    """The curves that a measurement adds a point to; none where the value is not finite.

    An event gives `task/NAME/score`, `task/NAME/learning_rate` and `task/NAME/convergence`; a metric `metric/NAME`,
    with `/task/TASK` and `/client/CLIENT` where they are told apart; a goal `goal/NAME/performance`; a moment of
    convergence `task/NAME/converged`, with the convergence metric of that moment.

    >>> from onward.monitoring.tracker import Measurement, Source
    >>> loss = Measurement(Source("metric", "loss", task="a/b"), time=60.0, value=0.5, step=3)
    >>> [(point.name, point.value, point.step) for point in points(loss)]
    [('metric/loss/task/a_b-c14cddc0', 0.5, 3)]
    """
    name, place = curve_name(measurement.source), min(max(int(measurement.step or 0), 0), LARGEST)
    time = max(0.0, min(LATEST, measurement.time)) if isfinite(measurement.time) else 0.0
    for ending, value in _values(measurement):
        number = float(value)
        if isfinite(number):
            yield Point(f"{name}{ending}", number, place, time)


def _values(one: Measurement) -> Iterator[tuple[str, float]]:
    if one.source.kind == "task":
        yield "/score", one.value
        yield "/learning_rate", one.rate or 0.0
        yield "/convergence", one.convergence or 0.0
    else:
        yield {"metric": "", "goal": "/performance", "convergence": "/converged"}[one.source.kind], one.value


def curve_name(source: Source) -> str:
    """The name that all curves of a series begin with; different series have different ones."""
    kind = "task" if source.kind == "convergence" else source.kind
    told = [("task", source.task)] if source.task else []
    told += [("client", source.client)] if source.client else []
    return joined(kind, source.name, *(part for pair in told for part in pair))


def joined(*parts: str) -> str:
    """Parts as one name, each cleaned, of at most 200 characters."""
    return _shortened("/".join(map(cleaned, parts)), "\0".join(parts))


def cleaned(part: str) -> str:
    """A part of a name, without what one of the sinks refuses or changes; a digest tells those apart that look alike.

    >>> cleaned("intent"), cleaned("my intent?"), cleaned("..")
    ('intent', 'my_intent_-3cd2a491', '__-5ec1f7e7')
    """
    plain = ODD.sub("_", part)
    if not plain.strip("."):
        plain = "_" * len(plain)
    return plain if plain == part else f"{plain}-{_digest(part)}"


def _shortened(name: str, whole: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 9]}-{_digest(whole)}"


def _digest(text: str) -> str:
    return sha256(text.encode("utf8", "surrogatepass")).hexdigest()[:8]
