"""Curves that go up and down."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, Final, Literal

from ._checks import choice, count, number, positive
from ._curve import Curve

MODES: Final = ("triangular", "triangular2", "exp_range")
SHAPES: Final = ("cosine", "linear")


def cosine_restarts(start: float, period: float, *, end: float = 0.0, multiply: int = 1) -> Curve:
    """Half a cosine from start to end in each period, then back to start (SGDR, Loshchilov and Hutter 2017).

    As torch's CosineAnnealingWarmRestarts. A curve that shall not restart has a period longer than the training.

    Args:
        start: value at the start of each period.
        period: steps of the first, above 0.
        end: value that a period runs down to, or up to; it is never quite reached.
        multiply: each period is so many times as long as the one before; a whole number of at least 1.

    Raises:
        InvalidInput: something else is given.

    >>> rate = cosine_restarts(0.1, period=10, multiply=2)
    >>> [round(rate.at(step), 3) for step in (0, 5, 9, 10, 20, 30)]
    [0.1, 0.05, 0.002, 0.1, 0.05, 0.1]
    """
    settings: dict[str, Any] = {
        "start": number(start, "start"),
        "period": positive(period, "period"),
        "end": number(end, "end"),
        "multiply": count(multiply, "multiply", 1),
    }
    return Curve(partial(_restarts, **settings), "cosine_restarts", settings)


def _restarts(step: float, *, start: float, period: float, end: float, multiply: int) -> float:
    if multiply == 1:
        return _cosine(start, end, math.fmod(step, period) / period)
    while step >= period:
        step, period = step - period, period * multiply
    return _cosine(start, end, step / period)


def cyclical(
    base: float,
    peak: float,
    up: float,
    *,
    down: float | None = None,
    mode: Literal["triangular", "triangular2", "exp_range"] = "triangular",
    gamma: float = 1.0,
) -> Curve:
    """Straight from base to peak and back, again and again (Smith 2017, arXiv 1506.01186); torch's CyclicLR.

    For a momentum that goes the other way, give a base above the peak.

    Args:
        base: value at the start and end of each cycle.
        peak: value in the middle of the first.
        up: steps from base to peak, above 0.
        down: steps back; as many as up if left out.
        mode: "triangular" keeps the height, "triangular2" halves it with every cycle, "exp_range" takes it times
            gamma ** step.
        gamma: for exp_range: above 0, at most 1.

    Raises:
        InvalidInput: something else is given.

    >>> rate = cyclical(0.0, 0.8, up=4, mode="triangular2")
    >>> [rate.at(step) for step in (0, 2, 4, 6, 8, 12)]
    [0.0, 0.4, 0.8, 0.4, 0.0, 0.4]
    """
    settings: dict[str, Any] = {
        "base": number(base, "base"),
        "peak": number(peak, "peak"),
        "up": positive(up, "up"),
        "down": positive(up if down is None else down, "down"),
        "mode": choice(mode, "mode", MODES),
        "gamma": positive(gamma, "gamma", most=1),
    }
    return Curve(partial(_triangles, **settings), "cyclical", settings)


def _triangles(step: float, *, base: float, peak: float, up: float, down: float, mode: str, gamma: float) -> float:
    cycle, within = divmod(step, up + down)
    height = within / up if within <= up else (up + down - within) / down
    if mode == "triangular2":
        height *= 0.5**cycle
    elif mode == "exp_range":
        height *= gamma**step
    return _line(base, peak, height)


def one_cycle(
    peak: float,
    steps: int,
    *,
    start: float | None = None,
    end: float | None = None,
    warm_up: float = 0.3,
    shape: Literal["cosine", "linear"] = "cosine",
    three_phase: bool = False,
) -> Curve:
    """Up from start to peak, then down to end, once (Smith and Topin 2019, arXiv 1708.07120); torch's OneCycleLR.

    Where `warm_up * steps` is at most 1 no step is left for the way up: the value begins at the peak, or, with three
    phases, at start and falls from there (torch's begins a little further down, or is an error).

    Past the last step the value stays at the end. For a momentum that goes the other way, give a start and an end
    above the peak.

    Args:
        peak: the highest value.
        steps: of the whole training, at least 2; the last is number steps - 1.
        start: value at step 0, where there is a way up; peak / 25 if left out.
        end: value at the last step; start / 10,000 if left out.
        warm_up: share of the steps on the way up: at least 0 and below 1, at most 0.5 with three phases.
        shape: "cosine" or "linear".
        three_phase: come back to start as slowly as it went up, and only then go to the end, as in the paper.

    Raises:
        InvalidInput: something else is given.

    >>> rate = one_cycle(1.0, steps=101, start=0.1, end=0.0, warm_up=0.5, shape="linear")
    >>> [round(rate.at(step), 2) for step in (0, 24.75, 49.5, 75, 100, 500)]
    [0.1, 0.55, 1.0, 0.5, 0.0, 0.0]
    >>> one_cycle(1.0, steps=3).at(0)
    1.0
    """
    peak = number(peak, "peak")
    start = number(peak / 25 if start is None else start, "start")
    settings: dict[str, Any] = {
        "peak": peak,
        "steps": count(steps, "steps", 2),
        "start": start,
        "end": number(start / 1e4 if end is None else end, "end"),
        "warm_up": number(warm_up, "warm_up", least=0, most=0.5 if three_phase else math.nextafter(1, 0)),
        "shape": choice(shape, "shape", SHAPES),
        "three_phase": bool(three_phase),
    }
    return Curve(partial(_phases, **settings), "one_cycle", settings)


def _phases(
    step: float, *, peak: float, steps: int, start: float, end: float, warm_up: float, shape: str, three_phase: bool
) -> float:
    turn: Callable[[float, float, float], float] = _cosine if shape == "cosine" else _line
    up = max(0.0, warm_up * steps - 1)
    knots = [(0.0, start), (up, peak), (steps - 1.0, end)]
    if three_phase:
        knots.insert(2, (max(0.0, 2 * warm_up * steps - 2), start))
    for (since, before), (until, after) in pairwise(knots):
        if step <= until and since < until:
            return turn(before, after, (step - since) / (until - since))
    return end


def _cosine(start: float, end: float, share: float) -> float:
    return _line(end, start, (1 + math.cos(math.pi * share)) / 2)


def _line(start: float, end: float, share: float) -> float:
    """Between the two, which no rounding leaves."""
    found = start * (1 - share) + end * share
    return min(max(found, min(start, end)), max(start, end))
