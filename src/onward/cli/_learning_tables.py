"""Reports of learning as tables, with curves and bars of block characters where the terminal has them."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from onward.core import CycleResult
from onward.monitoring import GoalProgress
from onward.monitoring.reports import Report, TaskReport

from ._call import Call
from ._output import NOTHING, facts, figure, following, table, when

BLOCKS: Final = "▁▂▃▄▅▆▇█"
LETTERS: Final = "_.-=*#%@"
FULL: Final = ("█", "░")
PLAIN: Final = ("#", ".")
ARROWS: Final[Mapping[str, tuple[str, str, str]]] = {
    "improving": ("↑", "+", "green"),
    "declining": ("↓", "-", "red"),
    "stable": ("→", "=", ""),
    "insufficient_data": ("?", "?", "dim"),
}
STATES: Final = {"promoted": "green", "kept": "yellow", "skipped": "yellow", "refused": "red", "failed": "red"}
BAR: Final = 12
NAME: Final = 10


def overview(call: Call, report: Report) -> Iterator[RenderableType]:
    """All tasks, all goals, the last cycles, and what to do next."""
    events = sum(task.events for task in report.tasks)
    yield facts([("champion", report.champion), ("learning events", events), ("seen at", report.at)])
    if report.tasks:
        yield ""
        yield _tasks(report.tasks)
    if report.goals:
        yield ""
        yield table("Goals", ("Goal", "", "Done", "Now", "Wanted", "Expected"), map(_goal, report.goals))
    if report.cycles:
        yield ""
        yield table("Last cycles", ("Started", "What became of it", "Seconds", "Why"), map(_cycle, report.cycles))
    if not report.tasks:
        yield "Nothing was learned yet."
    yield following(call.again("report NAME" if report.tasks else "cycle"))


def _tasks(tasks: Sequence[TaskReport]) -> Table:
    heads = ("Task", "Curve", "Events", "Average", "Latest", "Trend", "Sure", "Converged")
    rows = (
        (
            task.task,
            sparkline(task.curve[::-2][::-1]),  # half as wide, and the end is the end
            task.events,
            task.average,
            task.latest,
            trend(task.trend),
            f"{100 * task.confidence:.0f}%",
            task.converged[-1] if task.converged else None,
        )
        for task in tasks
    )
    found = table("Tasks", heads, rows)
    found.columns[0].min_width = NAME
    for place in (1, 5):  # half a curve on a line of its own says nothing
        found.columns[place].no_wrap = True
    return found


def _goal(goal: GoalProgress) -> Sequence[object]:
    wanted = f"{'at least' if goal.direction == 'maximize' else 'at most'} {figure(goal.target_performance)}"
    share = goal.completion_percentage
    return goal.goal_id, bar(share), f"{share:.0f}%", goal.current_performance, wanted, expected(goal)


def expected(goal: GoalProgress) -> str:
    """When a goal was reached, or when it will be."""
    if goal.is_completed:
        return f"reached {_posix(goal.completion_time)}"
    at = goal.estimated_completion_time
    return "no estimate" if at is None else f"about {_posix(at)}"


def _posix(at: float | None) -> str:
    try:
        return NOTHING if at is None else when(datetime.fromtimestamp(at, UTC))
    except (ValueError, OverflowError, OSError):
        return "a time beyond any calendar"


def _cycle(cycle: CycleResult) -> Sequence[object]:
    return cycle.started, Text(cycle.status, style=STATES.get(cycle.status, "")), cycle.seconds, cycle.reason


def depth(task: TaskReport) -> Iterator[RenderableType]:
    """One task, with everything that is known of it."""
    low, high = task.slope_interval
    yield facts(
        [
            ("task", task.task),
            ("curve", sparkline(task.curve)),
            ("events", task.events),
            ("from", task.first_at),
            ("to", task.last_at),
            ("first, latest", f"{task.first:.3f}, {task.latest:.3f}"),
            ("worst, average, best", f"{task.worst:.3f}, {task.average:.3f}, {task.best:.3f}"),
            ("trend", Text.assemble(trend(task.trend), f", {100 * task.confidence:.0f}% sure")),
            ("slope per event", f"{task.slope:.2g}, between {low:.2g} and {high:.2g}"),
            ("slope per hour", None if task.slope_per_hour is None else f"{task.slope_per_hour:.2g}"),
            ("learning rate", f"{task.learning_rate:.3g} on average"),
        ]
    )
    yield ""
    yield table(
        "Scores",
        ("Share of events", "At or below"),
        ((f"{100 * float(q):.0f}%", v) for q, v in task.quantiles.items()),
    )
    if task.converged:
        yield ""
        yield table("Convergence", ("When",), ([at] for at in task.converged))
    if task.changes:
        yield ""
        rows = ((change.at, change.event, f"{change.rise:+.3f}") for change in task.changes)
        yield table("Changes of level", ("When", "Event", "By"), rows)


def trend(name: str) -> Text:
    """A trend as an arrow and a word."""
    arrow, letter, style = ARROWS[name]
    return Text(f"{_spoken(arrow, letter)} {name.replace('_', ' ')}", style=style)


def sparkline(curve: Sequence[float]) -> str:
    """A curve in one line, between its own lowest and highest.

    >>> sparkline([0.1, 0.2, 0.3, 0.8]) in ("▁▂▃█", "_.-@")
    True
    """
    marks = _spoken(BLOCKS, LETTERS)
    low, high = min(curve), max(curve)
    if high == low:
        return marks[3] * len(curve)
    return "".join(marks[min(7, int(8 * (value - low) / (high - low)))] for value in curve)


def bar(percent: float) -> str:
    """How far something is.

    >>> bar(50) in ("██████░░░░░░", "######......")
    True
    """
    done = round(BAR * percent / 100)
    full, rest = (_spoken(one, other) for one, other in zip(FULL, PLAIN, strict=True))
    return f"{full * done}{rest * (BAR - done)}"


def _spoken(wanted: str, plain: str) -> str:
    """What the terminal can show of two ways to say the same."""
    try:
        wanted.encode(sys.stdout.encoding or "utf8")
    except UnicodeEncodeError:
        return plain
    return wanted
