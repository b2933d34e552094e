"""The figure of learning: curves, distributions, learning rates, goals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from onward.core import NotFound
from onward.monitoring._seen import by_time, latest, see
from onward.monitoring.tracker import Source
from onward.monitoring.tracker._store import TAIL

from ._curves import draw_curves
from ._figure import BASE, INK, SOFT, new_figure
from ._goals import day, draw_goals
from ._rates import draw_rates
from ._scores import draw_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from onward.monitoring._seen import Seen
    from onward.monitoring.tracker import GoalProgress, Store

WIDTH: Final = 10.0
NAMES: Final = 1.9
"""Room for names at the left of a panel, in inches."""
MOST: Final = 16
POINTS: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a panel is: inches from the left, inches from the top, width, height."""

    left: float
    top: float
    width: float
    height: float


def learning_figure(store: Store, sources: Sequence[Source], goals: Sequence[GoalProgress]) -> Figure:
    """Draw how learning goes, on 10 inches by as many as it needs, readable where a page shows it 850 pixels wide.

    Curves by task (moving average, with the lowest and highest score in it, moments of convergence, lasting changes of
    level), distribution of all scores of each task, learning rate (of the newest 50,000 events), goals with when each
    is expected to be reached. At most the 16 tasks that were recorded last, and 16 goals. Over time in UTC where the
    events have times of their own, else by number of the event. Colours: Okabe and Ito 2008.

    Args:
        store: where a tracker keeps its measurements.
        sources: the tasks, at least one of them unless there are goals.
        goals: as the tracker knows them; estimates are made here.

    Raises:
        NotFound: there is neither a task nor a goal.
        MissingExtra: matplotlib is not installed.
    """
    if not sources and not goals:
        raise NotFound(
            "There is nothing to draw.", why="No event was recorded, and no goal set.", mend="Record events."
        )
    summaries = store.summaries("task")
    tasks = see(store, latest(summaries, sources, MOST), POINTS)
    estimated = [goal.estimated(*store.tail(Source("goal", goal.goal_id), TAIL)) for goal in _first(goals)]
    curves, scores, rates, ends = _places(len(tasks), len(estimated))
    figure = new_figure(WIDTH, height := ends.top + ends.height + 0.3)
    timed = by_time(tasks)
    draw_curves(_axes(figure, curves, height), tasks, curves.height, timed=timed)
    draw_scores(_axes(figure, scores, height), store, tasks, NAMES)
    draw_rates(_axes(figure, rates, height), store, tasks, timed=timed)
    draw_goals(_axes(figure, ends, height), estimated, NAMES, len(goals) - len(estimated))
    _head(figure, height, tasks, len(sources))
    return figure


def _first(goals: Sequence[GoalProgress]) -> list[GoalProgress]:
    """As many as fit: those that are not reached first, otherwise in the order given."""
    return sorted(goals, key=lambda goal: goal.is_completed)[:MOST]


def _places(tasks: int, goals: int) -> tuple[_Place, _Place, _Place, _Place]:
    curves = _Place(0.7, 1.0, 6.6, max(2.9, 0.19 * tasks))
    second = curves.top + curves.height + 1.0
    deep = max(1.7, 0.24 * tasks + 0.2)
    third = second + deep + 0.95
    return (
        curves,
        _Place(NAMES + 0.2, second, 3.3, deep),
        _Place(6.3, second, 3.4, deep),
        _Place(NAMES + 0.2, third, 3.3, max(0.45, 0.3 * goals)),
    )


def _axes(figure: Figure, place: _Place, height: float) -> Axes:
    down = height - place.top - place.height
    return figure.add_axes((place.left / WIDTH, down / height, place.width / WIDTH, place.height / height))


def _head(figure: Figure, height: float, tasks: Sequence[Seen], known: int) -> None:
    first = min((task.summary.first_time for task in tasks), default=None)
    last = max((task.summary.last_time for task in tasks), default=None)
    events = sum(task.summary.size for task in tasks)
    shown = f"{len(tasks)} tasks" if len(tasks) == known else f"{len(tasks)} of {known} tasks, those recorded last"
    parts = ["1 task" if known == 1 else shown, "1 event" if events == 1 else f"{events:,} events"]
    if day(first) and day(last):
        parts.append(day(first) if first == last else f"{day(first)} to {day(last)}")
    figure.text(0.02, 1 - 0.22 / height, "Learning progress", fontsize=BASE + 6, fontweight="bold", color=INK, va="top")
    figure.text(0.98, 1 - 0.27 / height, "   ".join(parts), fontsize=BASE, color=SOFT, va="top", ha="right")
