"""How often trends, convergence and change points err, and how often they see what is there: simulated series.

python -m benchmarks.trend_power [SERIES]

1,000 series a row by default, a quarter of an hour on one core, most of it the peers'. Peers where they are installed:
pymannkendall 1.4.3 (five Mann-Kendall tests) and ruptures 1.1.10. They and we see the same series, in turn.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from benchmarks.gate_error_rates import interval
from benchmarks.machine import write_results
from benchmarks.series import (
    BEYOND,
    FLAT,
    LONG,
    MIDDLE,
    MOVING,
    SHORT,
    Maker,
    Series,
    autoregressive,
    gaussian,
    length,
    rising,
    saturating,
    stepping,
)
from onward.monitoring.statistics import ConvergenceWatch, change_points, convergence, trend

CLASSES = {"30-59": SHORT, "60-199": MIDDLE, "200-999": LONG}
Alarm = Callable[[Series], bool]
Row = dict[str, Any]


def alarms(level: float = 0.05) -> Alarm:
    return lambda values: trend(values, level=level).direction != "flat"


def peers() -> dict[str, Alarm]:
    """The tests of pymannkendall; none where it is not installed."""
    try:
        import pymannkendall as mk
    except ImportError:
        return {}
    tests = {
        "plain": mk.original_test,
        "Hamed-Rao": mk.hamed_rao_modification_test,
        "Yue-Wang": mk.yue_wang_modification_test,
        "pre-whitening": mk.pre_whitening_modification_test,
        "trend-free pre-whitening": mk.trend_free_pre_whitening_modification_test,
    }
    return {name: (lambda values, test=test: bool(test(values).h)) for name, test in tests.items()}


def rate(hits: Iterable[bool]) -> Row:
    """A share with its 95 % interval."""
    told = list(hits)
    return {"rate": sum(told) / len(told), "interval": interval(sum(told), len(told)), "series": len(told)}


def shown(name: str, rates: dict[str, Row]) -> Row:
    told = "  ".join(
        f"{who} {one['rate']:.1%} [{one['interval'][0]:.1%}, {one['interval'][1]:.1%}]" for who, one in rates.items()
    )
    print(f"  {name:42s} {told}", flush=True)
    return {"row": name, **rates}


def false_alarms(count: int, seed: int) -> list[Row]:
    """Series that go nowhere, of 30 to 1,000 points: by length at two levels, and beside the peers."""
    others, rows = peers(), []
    for at, (name, make) in enumerate({**FLAT, **BEYOND}.items()):
        random = np.random.default_rng(seed + at)
        drawn = [make(length(random), random) for _ in range(count)]
        rates = {"onward": rate(map(alarms(), drawn)), "onward at 1 %": rate(map(alarms(0.01), drawn))}
        for label, (low, high) in CLASSES.items():
            rates[label] = rate(alarms()(make(length(random, low, high), random)) for _ in range(count))
        for peer, test in others.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                rates[peer] = rate(map(test, drawn))
        rows.append(shown(name, rates))
    return rows


def power(count: int, seed: int) -> list[Row]:
    """Series that move: the share found, in the right direction, at three lengths; the peers' at 200, on a third."""
    others, rows = peers(), []
    for at, (name, make) in enumerate(MOVING.items()):
        random = np.random.default_rng(seed + at)
        rates = {}
        for points in (50, 200, 800):
            drawn = [make(points, random) for _ in range(count)]
            rates[str(points)] = rate(trend(values).direction == "rising" for values in drawn)
            if points == 200:
                rates |= {peer: rate(map(test, drawn[: count // 3])) for peer, test in others.items()}
        rows.append(shown(name, rates))
    return rows


def coverage(count: int, seed: int) -> list[Row]:
    """Whether the slope's interval at 95 % holds the true slope."""
    rows = []
    for rho in (0.0, 0.3, 0.6, 0.9):
        random, rates = np.random.default_rng(seed), {}
        make = rising(autoregressive(rho), 3.0)
        for points in (50, 200, 800):
            found = [trend(make(points, random)).slope_interval for _ in range(count)]
            rates[str(points)] = rate(low <= 3.0 / (points - 1) <= high for low, high in found)
        rows.append(shown(f"AR(1) {rho}", rates))
    return rows


def convergence_rates(count: int, seed: int) -> list[Row]:
    """One window that rises by so many tolerances: the share called converged."""
    rows = []
    for window in (100, 200, 500):
        for rho in (0.0, 0.3, 0.6):
            random, rates = np.random.default_rng(seed), {}
            for rise in (0.0, 0.5, 1.0, 1.5, 2.0):
                make = rising(autoregressive(rho), rise)
                told = [make(window, random) for _ in range(count)]
                rates[str(rise)] = rate(convergence(one, window=window, tolerance=1.0).converged for one in told)
            rows.append(shown(f"window {window}, AR(1) {rho}", rates))
    return rows


def watched(values: Series, window: int = 200) -> list[int]:
    """Where a watch says that the series has converged."""
    watch = ConvergenceWatch(window=window)
    return [at for at, value in enumerate(values.tolist()) if watch.update(value)]


def watch_rates(count: int, seed: int) -> list[Row]:
    """2,000 points, a window of 200: the share ever called converged, more than once, and when."""
    rows = []
    makers: dict[str, Maker] = {"learning curve of 20 sd": saturating(gaussian, 20.0)}
    for rho in (0.0, 0.3, 0.6):
        for rise in (0.0, 0.5, 1.0, 1.25, 1.5):
            makers[f"{rise} sd in a window, AR(1) {rho}"] = rising(autoregressive(rho), rise * 10)
    for name, make in makers.items():
        random = np.random.default_rng(seed)
        told = [watched(make(2000, random)) for _ in range(count)]
        rates = {"ever": rate(bool(one) for one in told), "again": rate(len(one) > 1 for one in told)}
        first = float(np.median([one[0] for one in told if one] or [np.nan]))
        rows.append({**shown(name, rates), "median first": None if np.isnan(first) else first})
    return rows


def change_alarms(count: int, seed: int) -> list[Row]:
    """Series without a change: the share in which one is found."""
    rows = []
    for at, (name, make) in enumerate({**FLAT, **BEYOND}.items()):
        random = np.random.default_rng(seed + at)
        drawn = [make(length(random), random) for _ in range(count)]
        rates = {"onward": rate(bool(change_points(values)) for values in drawn)}
        rates |= {label: rate(map(test, drawn)) for label, test in segmentations().items()}
        rows.append(shown(name, rates))
    return rows


def segmentations() -> dict[str, Alarm]:
    """ruptures: optimal least squares, a change priced at 3 log n times the noise of neighbours; none if missing."""
    try:
        import ruptures
    except ImportError:
        return {}

    def found(values: Series) -> bool:
        noise = float(np.median(np.abs(np.diff(values)))) / 0.954 or 1.0
        fitted = ruptures.KernelCPD(kernel="linear", min_size=5).fit((values / noise)[:, None])
        return len(fitted.predict(pen=3 * np.log(len(values)))) > 1

    return {"ruptures": found}


def changes_found(count: int, seed: int) -> list[Row]:
    """Series with one step at 60 %, or up at 35 % and down at 65 %: how many are found and how far off."""
    rows = []
    for rho in (0.0, 0.6):
        for by in (1.0, 2.0, 4.0):
            for points in (60, 200, 800):
                for name, start, stop in (("one step", 0.6, 1.0), ("up and down", 0.35, 0.65)):
                    random = np.random.default_rng(seed)
                    make, true = stepping(autoregressive(rho), by, start, stop), 1 if stop == 1 else 2
                    told = [change_points(make(points, random)) for _ in range(count)]
                    rates = {"exactly": rate(len(one) == true for one in told)}
                    rates["too many"] = rate(len(one) > true for one in told)
                    off = [abs(min(c.index - int(start * points) for c in one)) for one in told if len(one) == true]
                    row = shown(f"{name} of {by:g} sd, {points} points, AR(1) {rho}", rates)
                    rows.append({**row, "median points off": float(np.median(off)) if off else None})
    return rows


def cpu() -> list[Row]:
    """Milliseconds of CPU, medians of 15 calls after one; the first change_points has its tables still to make."""
    random, rows = np.random.default_rng(0), []
    for points in (256, 1000, 100_000):
        values, times = gaussian(points, random), 60.0 * np.arange(points)
        rows += timed(f"trend, {points} points", lambda values=values: trend(values))
        rows += timed(f"trend with times, {points} points", lambda values=values, times=times: trend(values, times))
    values = gaussian(2000, random) + 3 * (np.arange(2000) // 400 % 2)
    rows += timed("change_points, 2000 points, 4 changes", lambda: change_points(values))
    rows += timed("convergence, window 200", lambda: convergence(values))
    for window in (40, 200, 1000):
        for rho in (0.0, 0.9):
            stream = autoregressive(rho)(20_000, random).tolist()
            rows += timed(
                f"20000 updates of a watch, window {window}, AR(1) {rho}", lambda s=stream, w=window: feed(s, w)
            )
    return rows


def feed(stream: list[float], window: int) -> None:
    watch = ConvergenceWatch(window=window)
    for value in stream:
        watch.update(value)


def timed(name: str, work: Callable[[], object]) -> list[Row]:
    taken = []
    for _ in range(16):
        start = time.process_time()
        work()
        taken.append(1000 * (time.process_time() - start))
    middle = float(np.median(taken[1:]))
    print(f"  {name:52s} {middle:8.2f} ms, the first {taken[0]:.2f} ms", flush=True)
    return [{"what": name, "milliseconds": middle, "first": taken[0]}]


TABLES: dict[str, Callable[[int, int], list[Row]]] = {
    "false alarms": false_alarms,
    "power": power,
    "coverage": coverage,
    "convergence": convergence_rates,
    "watch": watch_rates,
    "change points, false alarms": change_alarms,
    "change points, found": changes_found,
}


def main(count: int = 1000) -> None:
    """Measure, print and keep."""
    print("CPU")
    results: dict[str, Any] = {"series": count, "cpu": cpu()}
    for at, (name, table) in enumerate(TABLES.items()):
        print(f"{name}, with 95 % intervals", flush=True)
        start = time.time()
        # Where a series holds many judgements, or a table many rows, fewer are enough.
        fewer = max(1, count // {"watch": 5, "change points, found": 10}.get(name, 1))
        results[name] = table(fewer, 1000 * (at + 1))
        print(f"  ({time.time() - start:.0f} s)")
    print(write_results("trend_power", results))


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
