"""Simulated series of figures whose truth is known: flat, moving, stepping. Noise has a standard deviation near 1."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]
Maker = Callable[[int, np.random.Generator], Series]
SHORT, MIDDLE, LONG = (30, 60), (60, 200), (200, 1000)


def length(random: np.random.Generator, low: int = 30, high: int = 1000) -> int:
    """A random length; short ones as often as long ones (log-uniform), since those are hard."""
    return int(np.exp(random.uniform(np.log(low), np.log(high))))


def autoregressive(rho: float, draw: Maker | None = None) -> Maker:
    """AR(1) noise with a standard deviation of 1 (for Gaussian draws), long since under way."""
    from scipy.signal import lfilter

    def make(count: int, random: np.random.Generator) -> Series:
        drawn = (draw or gaussian)(count + 200, random)
        return np.asarray(lfilter([np.sqrt(1 - rho**2)], [1, -rho], drawn)[200:])

    return make


def gaussian(count: int, random: np.random.Generator) -> Series:
    return random.standard_normal(count)


def student(count: int, random: np.random.Generator) -> Series:
    """Student's t with 2 degrees of freedom: no variance."""
    return random.standard_t(2, count)


def answers(share: float, of: int = 1) -> Maker:
    """Shares of right answers among `of`; of 1: right and wrong."""
    return lambda count, random: random.binomial(of, share, count) / of


def bounded(count: int, random: np.random.Generator) -> Series:
    """Accuracies within 0..1, at the ceiling a third of the time, that hang together."""
    return np.clip(0.97 + 0.06 * autoregressive(0.6)(count, random), 0.0, 1.0)


def rounded(count: int, random: np.random.Generator) -> Series:
    return np.round(autoregressive(0.6)(count, random))


def hidden(count: int, random: np.random.Generator) -> Series:
    """AR(1) with 0.9 under white noise of the same size: its first autocorrelation hides how long it lasts."""
    return (autoregressive(0.9)(count, random) + gaussian(count, random)) / np.sqrt(2)


def rolling(count: int, random: np.random.Generator) -> Series:
    """Rolling means of 20."""
    return np.convolve(gaussian(count + 19, random), np.ones(20) / np.sqrt(20), "valid")


def walk(count: int, random: np.random.Generator) -> Series:
    return np.cumsum(gaussian(count, random))


FLAT: dict[str, Maker] = {
    "independent": gaussian,
    "AR(1) 0.3": autoregressive(0.3),
    "AR(1) 0.6": autoregressive(0.6),
    "AR(1) 0.9": autoregressive(0.9),
    "heavy tails (t, 2)": student,
    "heavy tails, AR(1) 0.6": autoregressive(0.6, student),
    "right or wrong, 90 % right": answers(0.9),
    "accuracy on 50 answers": answers(0.9, 50),
    "accuracy at the ceiling, AR(1) 0.6": bounded,
    "rounded to few values, AR(1) 0.6": rounded,
    "constant": lambda count, _: np.full(count, 0.1),
}
BEYOND: dict[str, Maker] = {
    "AR(1) 0.9 under white noise": hidden,
    "rolling means of 20": rolling,
    "random walk (no drift)": walk,
}


def rising(noise: Maker, rise: float) -> Maker:
    """A line that rises by `rise` from the first to the last point."""
    return lambda count, random: noise(count, random) + np.linspace(0, rise, count)


def saturating(noise: Maker, rise: float) -> Maker:
    """A learning curve: 95 % of the rise in the first 60 % of the points."""
    return lambda count, random: noise(count, random) + rise * (1 - np.exp(-5 * np.arange(count) / count))


def stepping(noise: Maker, by: float, at: float = 0.5, back: float = 1.0) -> Maker:
    """A step up at a share of the points, and down again at another."""

    def make(count: int, random: np.random.Generator) -> Series:
        where = np.arange(count)
        return noise(count, random) + by * ((where >= int(at * count)) & (where < int(back * count)))

    return make


def drifting(drift: float) -> Maker:
    """A random walk that drifts by so much with each step of standard deviation 1."""
    return lambda count, random: walk(count, random) + drift * np.arange(count)


def learning(count: int, random: np.random.Generator) -> Series:
    """Right or wrong, from 60 % right to 80 %."""
    return (random.random(count) < np.linspace(0.6, 0.8, count)).astype(np.float64)


MOVING: dict[str, Maker] = {
    **{f"rises by {rise} sd, independent": rising(gaussian, rise) for rise in (0.5, 1.0, 2.0, 4.0)},
    **{f"rises by {rise} sd, AR(1) 0.6": rising(autoregressive(0.6), rise) for rise in (1.0, 2.0, 4.0)},
    **{f"rises by {rise} sd, AR(1) 0.9": rising(autoregressive(0.9), rise) for rise in (2.0, 4.0, 8.0)},
    "rises by 4, heavy tails (t, 2)": rising(student, 4.0),
    "right or wrong, 60 % to 80 % right": learning,
    "learning curve of 2 sd, independent": saturating(gaussian, 2.0),
    "learning curve of 4 sd, AR(1) 0.6": saturating(autoregressive(0.6), 4.0),
    "learning curve of 20 sd, independent": saturating(gaussian, 20.0),
    "step of 1 sd, independent": stepping(gaussian, 1.0),
    "step of 2 sd, AR(1) 0.6": stepping(autoregressive(0.6), 2.0),
    "random walk, drift 0.1": drifting(0.1),
    "random walk, drift 0.3": drifting(0.3),
    "random walk, drift 1": drifting(1.0),
}
