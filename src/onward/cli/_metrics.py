"""`onward metrics`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import RenderableType

from ._call import Call, command
from ._output import following, table, verbatim

if TYPE_CHECKING:
    from onward import LearningProgressTracker

OF_TASKS: Final = ("event_count", "avg_performance", "worst_performance", "best_performance", "latest_score")
OF_METRICS: Final = ("count", "average", "min", "max", "latest")
OF_GOALS: Final = ("current_performance", "target_performance", "direction", "completion_percentage")
Prometheus = Annotated[bool, typer.Option("--prometheus", help="As the text that Prometheus scrapes.")]


@command
def metrics(call: Call, prometheus: Prometheus = False) -> None:
    """Print what the learning tracker's measurements add up to.

    Example: onward metrics --prometheus
    """
    with call.open() as workspace:
        tracker = workspace.tracker(tenant=call.tenant)
        if prometheus and not call.json:
            from onward.monitoring.sinks import prometheus_text  # loads NumPy: other commands start without it

            verbatim(prometheus_text(tracker))
        else:
            found = _summaries(tracker)
            call.answer(found, _human(call, found))


def _summaries(tracker: LearningProgressTracker) -> dict[str, Any]:
    view = tracker.generate_dashboard_view()
    report = view["report"]
    return {
        "tasks": report["task_analysis"],
        "metrics": view["metrics"],
        "goals": report["goals"]["goals"],
        "convergence": report["convergence"]["task_statistics"],
    }


def _human(call: Call, found: dict[str, Any]) -> Iterator[RenderableType]:
    heads = ("Count", "Average", "Lowest", "Highest", "Latest")
    parts = (
        ("Tasks", ("Task", *heads), _rows(found["tasks"], OF_TASKS)),
        ("Metrics", ("Metric", *heads), _rows(found["metrics"], OF_METRICS)),
        ("Goals", ("Goal", "Now", "Wanted", "Direction", "Per cent"), _rows(found["goals"], OF_GOALS)),
    )
    for title, columns, rows in parts:
        if rows:
            yield table(title, columns, rows)
    if not any(rows for *_, rows in parts):
        yield "Nothing was measured yet."
        yield following(call.again("cycle"))


def _rows(records: dict[str, dict[str, Any]], columns: tuple[str, ...]) -> list[list[Any]]:
    return [[name, *(record[column] for column in columns)] for name, record in records.items()]
