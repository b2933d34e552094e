"""Goals: how far each is, what it asks for, and when it will be reached."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from onward.monitoring._seen import EARLIEST, LATEST

from ._figure import BASE, INK, TRACK, empty, titled
from ._names import fitted, quoted

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from onward.monitoring.tracker import GoalProgress

DONE: Final = "#009e73"
UNDERWAY: Final = "#0072b2"
THICK: Final = 0.5
GAP: Final = 2.0


def draw_goals(axes: Axes, goals: Sequence[GoalProgress], names: float, hidden: int) -> None:
    """Draw the panel; `names` is the room at its left in inches, `hidden` how many more goals there are."""
    titled(axes, "Goals", f"and {hidden} more" if hidden else "")
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.grid(visible=False)
    if not goals:
        empty(axes, "No goal is set.")
        return
    shown = [quoted(name) for name in fitted([goal.goal_id for goal in goals], names, BASE)]
    for row, goal in enumerate(goals):
        axes.barh(-row, 100, THICK, color=TRACK, zorder=1)
        axes.barh(-row, goal.completion_percentage, THICK, color=DONE if goal.is_completed else UNDERWAY, zorder=2)
        axes.text(100 + GAP, -row, _told(goal), va="center", fontsize=BASE, color=INK)
    axes.set_xlim(0, 100)
    axes.set_ylim(-len(goals) + 0.4, 0.6)
    axes.set_xticks([])
    axes.set_yticks(range(0, -len(goals), -1), shown, fontsize=BASE, color=INK)
    axes.tick_params(axis="y", length=0, labelcolor=INK)


def _told(goal: GoalProgress) -> str:
    wanted = "≥" if goal.direction == "maximize" else "≤"
    now = "-" if goal.current_performance is None else f"{goal.current_performance:.4g}"
    share = f"{goal.completion_percentage:.0f} %"
    return f"{share}   {now}, wanted {wanted} {goal.target_performance:.4g}   {_when(goal)}"


def _when(goal: GoalProgress) -> str:
    if goal.is_completed:
        return f"reached {day(goal.completion_time)}".rstrip()
    if goal.estimated_completion_time is None:
        return "no estimate"
    return f"about {day(goal.estimated_completion_time) or 'in a far future'}"


def day(time: float | None) -> str:
    """A moment to the minute, in UTC; nothing where a calendar does not say."""
    if time is None or not EARLIEST <= time <= LATEST:
        return ""
    return f"{datetime.fromtimestamp(time, UTC):%Y-%m-%d %H:%M}Z"
