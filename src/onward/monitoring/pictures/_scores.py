"""How the scores of each task are distributed, over all that were ever recorded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from onward.monitoring.tracker import Source

from ._figure import BASE, INK, SMALL, SOFT, empty, look, titled
from ._names import fitted, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onward.monitoring._seen import Seen
    from onward.monitoring.tracker import Store

PARTS: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


def draw_scores(axes: Axes, store: Store, tasks: Sequence[Seen], names: float) -> None:
    """Draw the panel; `names` is the room for names at its left, in inches."""
    titled(axes, "Distribution of scores")
    if not tasks:
        empty(axes, "No event was recorded yet.")
        return
    for number, task in enumerate(tasks):
        colour, row = look(number)[0], -number
        low, left, middle, right, high = store.quantiles([Source("task", task.name)], PARTS)
        axes.plot([task.summary.low, task.summary.high], [row, row], color=colour, linewidth=1.0, zorder=2)
        axes.plot([low, high], [row, row], color=colour, linewidth=8, alpha=0.3, solid_capstyle="butt", zorder=2)
        axes.plot([left, right], [row, row], color=colour, linewidth=8, solid_capstyle="butt", zorder=3)
        axes.plot(middle, row, "o", color="white", markeredgecolor=INK, markersize=5.5, markeredgewidth=1.2, zorder=4)
    _frame(axes, tasks, names)


def _frame(axes: Axes, tasks: Sequence[Seen], names: float) -> None:
    low, high = min(task.summary.low for task in tasks), max(task.summary.high for task in tasks)
    room = max(0.02, 0.05 * (high - low))
    axes.set_xlim(low - room, high + room)
    axes.set_ylim(-len(tasks) + 0.4, 0.6)
    shown = [quoted(name) for name in fitted([task.name for task in tasks], names, BASE)]
    axes.set_yticks(range(0, -len(tasks), -1), shown, fontsize=BASE, color=INK)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel("score   (dot: median, dark: half of all, light: 90 %)", fontsize=SMALL, color=SOFT)
