"""What the page's script draws, and the tables behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from onward.monitoring._seen import Mark, Seen
from onward.monitoring.tracker._summary import Floats

from ._markup import Html, tag
from ._markup import table as html_table
from ._records import moment

MOST: Final = 24
"""Tasks that get a chart."""
POINTS: Final = 5_400
"""In all charts together; so the page stays small."""
FINEST: Final = 540
FEWEST: Final = 90
ROWS: Final = 20
SCALE: Final = 10_000
TICKS: Final = 1_000


def points_each(tasks: int) -> int:
    """How many points each of so many tasks is drawn with."""
    return max(FEWEST, min(FINEST, POINTS // max(1, tasks)))


def chart_data(tasks: Sequence[Seen], *, timed: bool) -> dict[str, Any]:
    """The curves, small: whole numbers, those across as differences from one to the next."""
    start = min((float(_across(task, timed)[0]) for task in tasks), default=0.0)
    return {
        "timed": timed,
        "start": start,
        "ticks": TICKS if timed else 1,
        "scale": SCALE,
        "tasks": [_curve(task, start, timed) for task in tasks],
    }


def _across(task: Seen, timed: bool) -> Floats:
    return task.times if timed else task.places


def _curve(task: Seen, start: float, timed: bool) -> dict[str, Any]:
    ticks = TICKS if timed else 1
    x = np.rint((_across(task, timed) - start) * ticks)

    def marks(some: Sequence[Mark]) -> list[list[float]]:
        return [[round(((m.time if timed else m.place) - start) * ticks), m.score, m.rise] for m in some]

    return {
        "name": task.name,
        "x": np.diff(x, prepend=0).astype(np.int64).tolist(),
        "y": _whole(task.scores),
        "low": _whole(task.low),
        "high": _whole(task.high),
        "converged": marks(task.converged),
        "changed": marks(task.changed),
    }


def _whole(values: Floats) -> list[int]:
    found: list[int] = np.rint(values * SCALE).astype(np.int64).tolist()
    return found


def overview(tasks: Sequence[Seen]) -> Html:
    """The chart of all tasks; the tables of each stand with its own chart."""
    names = ", ".join(task.name for task in tasks)
    chart = tag(
        "div", class_="chart", id="overview", role="img", aria_label=f"Moving averages of the scores of {names}"
    )
    return tag("figure", chart, tag("figcaption", "Moving averages. Drag to zoom, double click to see all again."))


def task_chart(task: Seen, number: int) -> Html:
    """The chart of one task, and its curve as a table."""
    what = (
        f"Score of {task.name}: from {task.summary.first:.3f} to {task.summary.last:.3f}, {task.summary.size:,} events"
    )
    chart = tag("div", class_="chart small", id=f"task-{number}", role="img", aria_label=what)
    return tag(
        "figure",
        tag("h3", task.name, id=f"task-{number}-name"),
        chart,
        tag("details", tag("summary", "The curve as a table"), _points(task)),
    )


def _points(task: Seen) -> Html:
    chosen = np.unique(np.linspace(0, len(task.times) - 1, ROWS).astype(int)).tolist()
    rows = [
        (
            int(task.places[at]),
            stamp(float(task.times[at])),
            float(task.scores[at]),
            float(task.low[at]),
            float(task.high[at]),
        )
        for at in chosen
    ]
    heads = ("Event", "Time (UTC)", "Moving average", "Lowest", "Highest")
    return html_table(f"Curve of {task.name}", heads, rows)


def stamp(time: float | None) -> str:
    """A moment in UTC, to the second."""
    at = moment(time)
    return f"{at:%Y-%m-%d %H:%M:%S}" if at else ""
