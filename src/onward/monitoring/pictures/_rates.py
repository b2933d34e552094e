"""The learning rate over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from ._across import across, label_across
from ._figure import empty, look, titled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onward.monitoring._seen import Seen
    from onward.monitoring.tracker import Measurement, Store
    from onward.monitoring.tracker._summary import Floats

NEWEST: Final = 50_000
POINTS: Final = 1_000
DECADE: Final = 10.0


def draw_rates(axes: Axes, store: Store, tasks: Sequence[Seen], *, timed: bool) -> None:
    """Draw the panel from the newest events; a rate holds until the next one."""
    newest = store.newest("task", NEWEST)
    more = store.kept("task") > len(newest)
    titled(axes, "Learning rate", f"newest {NEWEST:,} events" if more else "")
    rates = [_of(task, newest) for task in tasks]
    if not any(len(rate) for _, _, rate in rates):
        empty(axes, "No event was recorded yet.")
        return
    for number, (times, places, rate) in enumerate(rates):
        colour, dashes = look(number)
        x = across(times, places, timed=timed)
        marker = "o" if len(x) == 1 else ""
        axes.step(x, rate, where="post", color=colour, linestyle=dashes, linewidth=1.5, marker=marker, markersize=4)
    _limits(axes, np.concatenate([rate for _, _, rate in rates]))
    label_across(axes, tasks, timed=timed)


def _of(task: Seen, newest: Sequence[Measurement]) -> tuple[Floats, Floats, Floats]:
    """Times, places and rates of a task, in order of time; a change of rate is never passed over."""
    own = [(one.time, one.rate) for one in newest if one.source.name == task.name]
    table: Floats = np.array(own, dtype=np.float64).reshape(-1, 2)
    places: Floats = task.summary.size - len(own) + 1.0 + np.arange(len(own), dtype=np.float64)
    order = np.argsort(table[:, 0], kind="stable")
    times, rate = table[order].T
    keep = np.append(True, np.diff(rate) != 0)
    keep[-1:] = True
    chosen = np.flatnonzero(keep)[: len(own)]
    chosen = chosen[np.unique(np.linspace(0, len(chosen) - 1, POINTS).astype(int))] if len(chosen) > POINTS else chosen
    return times[chosen], places[order][chosen], rate[chosen]


def _limits(axes: Axes, rates: Floats) -> None:
    """Decades where there are several, else a plain scale; one and the same rate stands in the middle."""
    from matplotlib.ticker import StrMethodFormatter

    low, high = float(rates.min()), float(rates.max())
    if high >= DECADE * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 2, high * 2)
        axes.yaxis.minorticks_off()
    else:
        room = 0.1 * (high - low) or 0.5 * high
        axes.set_ylim(low - room, high + room)
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:.3g}"))
