"""Figures to observe: of the tracker, and of the machine."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from onward.config import AlertSettings
from onward.monitoring.statistics import trend
from onward.monitoring.tracker import Source, Store
from onward.monitoring.tracker._curves import smoothed
from onward.monitoring.tracker._store import TAIL
from onward.monitoring.tracker._summary import Summary

from ._records import Observation, Rule

MEMORY: Final = Path("/proc/meminfo")
GROUP: Final = Path("/sys/fs/cgroup")
QUANTILES: Final = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
PARTS: Final = 4


def tracked(
    store: Store,
    rules: Collection[Rule],
    settings: AlertSettings,
    apart: Collection[str] = (),
    places: Mapping[tuple[str, str], int] = MappingProxyType({}),
) -> Iterator[Observation]:
    """What the tracker knows of the figures that rules look at.

    `performance` is the average of the newest events of a task: a quarter of them, `settings.recent` at most. Its
    baseline is the best such average that there ever was, so that one lucky event raises no alert later. Statistics of
    a metric are over its newest `settings.recent_values` values, of all tasks and clients; its baseline is its highest.

    Args:
        store: of a tracker.
        rules: those in force.
        settings: how much is recent.
        apart: tasks that are not looked at.
        places: (rule, subject) -> the place that was looked at last, as `Alerts.places` gives it: tasks of which
            nothing is new are not read again.
    """
    figures = {rule.figure for rule in rules}
    of_tasks = [rule.name for rule in rules if rule.figure == "performance" or rule.figure.startswith("task.")]
    if of_tasks:
        for source, summary in store.summaries("task").items():
            last = min(places.get((name, f"task {source.name}"), -1) for name in of_tasks)
            if source.name not in apart and last < summary.size:
                yield from _of_task(store, source, summary, figures, settings)
    metrics = [figure for figure in sorted(figures) if figure.startswith("metric.")]
    known = store.summaries("metric") if metrics else {}
    for figure in metrics:
        name, _, statistic = figure.removeprefix("metric.").rpartition(".")
        series = {source: summary for source, summary in known.items() if source.name == name}
        if series:
            values = _newest(store, list(series), settings.recent_values)
            whole = reduce(Summary.plus, series.values())
            value = _statistic(values, statistic)
            subject = f"metric {name}"
            yield Observation(figure=figure, subject=subject, value=value, baseline=whole.high, place=whole.size)


def _of_task(
    store: Store, source: Source, summary: Summary, figures: set[str], settings: AlertSettings
) -> Iterator[Observation]:
    recent, best = _recent_and_best(store, source, summary, settings.recent)
    values: dict[str, tuple[float, float]] = {
        "performance": (recent, best),
        "task.recent_avg": (recent, summary.high),
        "task.latest_score": (summary.last, summary.high),
        "task.event_count": (summary.size, summary.size),
        "task.avg_performance": (summary.average, summary.high),
        "task.best_performance": (summary.high, summary.high),
        "task.worst_performance": (summary.low, summary.high),
        "task.average_learning_rate": (summary.rates / summary.size, summary.high),
    }
    if "task.improvement_rate" in figures:
        times, scores = store.tail(source, TAIL)
        values["task.improvement_rate"] = (trend(scores, times).slope, 0.0)
    for figure, (value, baseline) in values.items():
        if figure in figures:
            yield Observation(
                figure=figure, subject=f"task {source.name}", value=value, baseline=baseline, place=summary.size
            )


def _recent_and_best(store: Store, source: Source, summary: Summary, most: int) -> tuple[float, float]:
    """The mean of the newest window, and the highest of any that is full."""
    wide = max(1, min(most, summary.size // PARTS))
    recent = float(store.tail(source, wide)[1].mean())
    curve = store.curve(source)
    full = smoothed(curve, wide).scores[np.cumsum(curve.counts) >= wide]
    return recent, max(recent, float(full.max(initial=-np.inf)))


def _statistic(values: NDArray[np.float64], statistic: str) -> float:
    """Of the newest values; a quantile is a value that is there."""
    if statistic in QUANTILES:
        return float(np.quantile(values, QUANTILES[statistic], method="higher"))
    return float({"latest": values[-1], "average": values.mean(), "min": values.min(), "max": values.max()}[statistic])


def _newest(store: Store, sources: list[Source], count: int) -> NDArray[np.float64]:
    """The newest values of all series together, oldest first."""
    tails = [store.tail(source, count) for source in sources]
    times, values = (np.concatenate(column) for column in zip(*tails, strict=True))
    return np.asarray(values[np.argsort(times, kind="stable")][-count:], dtype=np.float64)


def machine_memory(meminfo: Path = MEMORY, group: Path = GROUP) -> Observation | None:
    """The share of the machine's memory that is in use, or of the container's where that is less; `None`: unknown.

    Read from /proc/meminfo and the control group (version 2) on Linux; nothing says it elsewhere.
    """
    shares = [share for share in (_of_machine(meminfo), _of_group(group)) if share is not None]
    return Observation(figure="memory", subject="machine", value=max(shares)) if shares else None


def _of_machine(meminfo: Path) -> float | None:
    try:
        rows = dict(line.split(":", 1) for line in meminfo.read_text(encoding="ascii").splitlines() if ":" in line)
        total, free = (int(rows[name].split()[0]) for name in ("MemTotal", "MemAvailable"))
    except (OSError, KeyError, ValueError, IndexError):
        return None
    return 1.0 - free / total if total else None


def _of_group(group: Path) -> float | None:
    """Pages of files that can be dropped at once count as free, as in MemAvailable."""
    try:
        most, used = (int((group / f"memory.{name}").read_text(encoding="ascii")) for name in ("max", "current"))
        lines = (group / "memory.stat").read_text(encoding="ascii").splitlines()
        dropped = sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))
    except (OSError, ValueError, IndexError):  # "max" where there is no limit
        return None
    return max(0, used - dropped) / most if most else None
