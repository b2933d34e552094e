"""Curves by task: a smoothed line, its band, what happened on it, and its name at its end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from ._across import across, label_across
from ._figure import BASE, INK, SMALL, SOFT, empty, look, titled
from ._names import fitted, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onward.monitoring._seen import Mark, Seen
    from onward.monitoring.tracker._summary import Floats

LINE: Final = 0.175
"""Inches from one label to the next."""
NAMES: Final = 1.6
TICK: Final = 0.012
FEW: Final = 30
"""Up to here each point is a dot."""
KEYS: Final = 1.38
"""Where the legend ends, in widths of the panel: above the labels."""


def draw_curves(axes: Axes, tasks: Sequence[Seen], height: float, *, timed: bool) -> None:
    """Draw the panel; `height` is its own, in inches."""
    titled(axes, "Score by task")
    if not tasks:
        empty(axes, "No event was recorded yet.")
        return
    faint = 0.2 if len(tasks) <= 4 else 0.09
    for number, task in enumerate(tasks):
        colour, dashes = look(number)
        x = across(task.times, task.places, timed=timed)
        axes.fill_between(x, task.low, task.high, color=colour, alpha=faint, linewidth=0.8, zorder=1)
        axes.plot(x, task.scores, color=colour, linestyle=dashes, linewidth=1.8, zorder=3)
        shown = x if len(x) <= FEW else x[-1:]
        axes.plot(shown, task.scores[-len(shown) :], "o", color=colour, markersize=4, zorder=4)
    _limits(axes, tasks)
    label_across(axes, tasks, timed=timed)
    axes.set_ylabel("score", fontsize=SMALL, color=SOFT)
    _moments(axes, tasks, timed=timed)
    _labels(axes, tasks, height, timed=timed)


def _limits(axes: Axes, tasks: Sequence[Seen]) -> None:
    low, high = min(task.low.min() for task in tasks), max(task.high.max() for task in tasks)
    room = max(0.04, 0.06 * (high - low))
    axes.set_ylim(low - room, high + room)


def _moments(axes: Axes, tasks: Sequence[Seen], *, timed: bool) -> None:
    kinds = (
        ("converged", "D", "white", [task.converged for task in tasks]),
        ("rose at once", "^", None, [[one for one in task.changed if one.rise > 0] for task in tasks]),
        ("fell at once", "v", None, [[one for one in task.changed if one.rise < 0] for task in tasks]),
    )
    for said, marker, face, by_task in kinds:
        for number, marks in enumerate(by_task):
            _marks(axes, marks, marker, face, look(number)[0], timed=timed)
        if any(by_task):
            axes.plot([], [], marker, color=INK, markerfacecolor=face or INK, markersize=6, label=said)
    axes.plot([], [], color=INK, linewidth=1.8, label="moving average")
    axes.fill_between([], [], [], color=INK, alpha=0.2, label="lowest to highest")
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(KEYS, 1.03),
        ncols=5,
        frameon=False,
        fontsize=SMALL,
        labelcolor=SOFT,
        handlelength=1.4,
        columnspacing=1.2,
        borderaxespad=0.1,
    )


def _marks(axes: Axes, marks: Sequence[Mark], marker: str, face: str | None, colour: str, *, timed: bool) -> None:
    if marks:
        x = across(np.array([one.time for one in marks]), np.array([one.place for one in marks]), timed=timed)
        y = [one.score for one in marks]
        axes.plot(x, y, marker, color=colour, markerfacecolor=face or colour, markersize=7, linestyle="none", zorder=5)


def _labels(axes: Axes, tasks: Sequence[Seen], height: float, *, timed: bool) -> None:
    """Names beside the ends of the lines, moved apart, each tied to its line."""
    low, high = axes.get_ylim()
    ends = np.array([(task.scores[-1] - low) / (high - low) for task in tasks])
    places = spread(ends, LINE / height)
    names = fitted([task.name for task in tasks], NAMES, BASE)
    for number, (task, name, end, place) in enumerate(zip(tasks, names, ends, places, strict=True)):
        x = across(task.times[-1:], task.places[-1:], timed=timed)[0]
        begin = axes.transAxes.inverted().transform(axes.transData.transform((x, task.scores[-1])))[0]
        colour, dashes = look(number)
        _beside(axes, [begin, 1.0, 1.0 + TICK], [end, end, place], color=colour, linewidth=0.6, alpha=0.6)
        _beside(axes, [1.0 + TICK, 1.0 + 4 * TICK], [place, place], color=colour, linestyle=dashes, linewidth=2.2)
        said = f"{task.scores[-1]:.2f}  {quoted(name)}"
        axes.text(1.0 + 5 * TICK, place, said, transform=axes.transAxes, va="center", fontsize=BASE, color=INK)


def _beside(axes: Axes, x: Sequence[float], y: Sequence[float], **style: Any) -> None:
    """A line in shares of the panel, which may leave it."""
    axes.plot(x, y, transform=axes.transAxes, clip_on=False, **style)


def spread(places: Floats, least: float) -> Floats:
    """Places moved as little as can be, no two nearer than `least`, all within 0..1 where there is room."""
    order = np.argsort(places, kind="stable")
    free = places[order] - least * np.arange(len(places))  # without the gaps, order is all that is asked
    moved = _rising(free)
    room = max(0.0, 1.0 - least * (len(places) - 1))
    found = np.empty(len(places))
    found[order] = np.clip(moved, 0.0, room) + least * np.arange(len(places))
    return found


def _rising(values: Floats) -> Floats:
    """The nearest series that never falls: neighbours in the wrong order share their average."""
    groups: list[tuple[float, int]] = []
    for value in values.tolist():
        total, count = value, 1
        while groups and groups[-1][0] / groups[-1][1] > total / count:
            before = groups.pop()
            total, count = total + before[0], count + before[1]
        groups.append((total, count))
    return np.concatenate([np.full(count, total / count) for total, count in groups])
