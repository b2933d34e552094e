"""Whether a series has settled: it can hardly move any more, which is more than that no trend was found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ._checks import checked_convergence_level, checked_count, checked_tolerance
from ._numbers import Numbers, block_means, series, thinning
from ._pairs import line, mann_kendall

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


WINDOW: Final = 200
SHORTEST: Final = 40
PARTS: Final = 5  # the spread is that of the means of so many parts of the window
RANGE: Final = 0.01  # least tolerance, as a share of the range that the means of fifths have gone through
NEGLIGIBLE: Final = 0.1  # of the tolerance: a trend surely smaller than that is none
FINE: Final = 128  # points that a window is thinned to


@dataclass(frozen=True, slots=True)
class Convergence:
    """Whether a series has settled at its end.

    Args:
        converged: see `convergence`.
        since: index into the values from which on they stay within the tolerance; None where not converged.
        spread: highest less lowest mean of the fifths of the window, in units of the values.
        window: points judged.
        reason: why, or why not.
    """

    converged: bool
    since: int | None
    spread: float
    window: int
    reason: str


def convergence(
    values: ArrayLike, *, window: int = WINDOW, tolerance: float | None = None, level: float = 0.05
) -> Convergence:
    """Whether the latest `window` points of a series in order of arrival have settled.

    They have when the means of the window's fifths lie within the tolerance of each other, no trend is found (or one
    that surely moves it by less than a tenth of the tolerance), and the slope's interval at 1 - 2 `level` leaves no
    room for a change of more than the tolerance over the window (two one-sided tests, Schuirmann 1987). So a series
    that still rises by more than the tolerance in a window is called converged in at most a share `level` of cases.
    One that rises by less counts as settled. Where noise hangs together for long, a short window cannot tell, and the
    answer is no.

    Args:
        values: n finite numbers, up to 1e100.
        window: at least 40.
        tolerance: in units of the values, at least 0; left out: the standard deviation of single values around a line
            through the window, or 1 % of the range of the means of all stretches as long as a fifth if that is more.
        level: above 0, at most 0.25.

    Raises:
        InvalidInput: something else is given.

    >>> from random import Random
    >>> random = Random(1)
    >>> learning = [0.9 - 0.5 * 0.97**at + random.gauss(0, 0.01) for at in range(600)]
    >>> convergence(learning[:250]).converged, convergence(learning).converged, convergence(learning).since
    (False, True, 120)
    """
    points, window = series(values), checked_count(window, "window", SHORTEST)
    tolerance, level = checked_tolerance(tolerance), checked_convergence_level(level)
    if len(points) < window:
        return Convergence(False, None, 0.0, window, f"{len(points)} points are too few for a window of {window}.")
    means = block_means(points, window // PARTS)
    found = settled(points[-window:], tolerance, RANGE * float(means.max() - means.min()), level)
    since = _since(points, window, found.tolerance) if found.settled else None
    return Convergence(found.settled, since, found.spread, window, found.reason)


@dataclass(frozen=True, slots=True)
class Settled:
    """The judgement on one window: its level, its spread, and the tolerance that it was held against."""

    settled: bool
    level: float
    spread: float
    tolerance: float
    reason: str


def settled(window: Numbers, tolerance: float | None, least: float, level: float) -> Settled:
    """Judge one window; `least` is the least tolerance where none is given."""
    import numpy as np

    bound = max(least, _noise_around_line(window)) if tolerance is None else tolerance
    middle, spread = float(window.mean()), spread_of(window)
    if spread > bound:
        return Settled(False, middle, spread, bound, f"Parts of the window differ by {spread:.3g}, over {bound:.3g}.")
    thin = block_means(window, thinning(len(window), FINE))
    _, interval = line(thin, np.linspace(0, 1, len(thin)), 2 * level)
    change = max(map(abs, interval))
    statistic, p_value = mann_kendall(thin)
    if p_value <= level and change > NEGLIGIBLE * bound:
        moves = "rises" if statistic > 0 else "falls"
        return Settled(False, middle, spread, bound, f"It still {moves} (p = {p_value:.2g}).")
    if change > bound:
        reason = f"It may still move by {change:.3g} in a window, over {bound:.3g}: too noisy to tell."
        return Settled(False, middle, spread, bound, reason)
    reason = f"It moves by at most {change:.3g} in a window, and its parts differ by {spread:.3g}: within {bound:.3g}."
    return Settled(True, middle, spread, bound, reason)


def fifths_of(window: Numbers) -> Numbers:
    """Means of the fifths of a window."""
    size = len(window) // PARTS
    return block_means(window[-size * PARTS :], size)


def spread_of(window: Numbers) -> float:
    """Highest less lowest mean of the fifths of a window."""
    means = fifths_of(window)
    return float(means.max() - means.min())


def _noise_around_line(window: Numbers) -> float:
    import numpy as np

    at = np.arange(len(window)) - (len(window) - 1) / 2
    left = window - window.mean() - (at @ window) / (at @ at) * at
    return float(np.sqrt(left @ left / (len(window) - 2)))


def _since(points: Numbers, window: int, tolerance: float) -> int:
    """Go back by fifths of a window as long as their means lie within the tolerance of the window's mean."""
    middle, size = float(points[-window:].mean()), window // PARTS
    start = len(points) - window
    while start >= size and abs(float(points[start - size : start].mean()) - middle) <= tolerance:
        start -= size
    return start
