"""The parts of the page that are tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from onward.core import CycleResult, ModelVersion, Transition, plain
from onward.monitoring.tracker import GoalProgress
from onward.monitoring.tracker._metrics import describe

from ._charts import stamp
from ._markup import Html, figure, joined, table, tag
from ._records import Loop, TaskReport

if TYPE_CHECKING:
    from datetime import datetime

    from onward.monitoring.drift import DriftReport
    from onward.monitoring.tracker import Source, Store
    from onward.monitoring.tracker._summary import Summary

ARROWS: Final[Mapping[str, str]] = {"improving": "↑", "declining": "↓", "stable": "→", "insufficient_data": "?"}
ALERT: Final = ("opened", "severity", "rule", "subject", "message", "resolved", "acknowledged_by")
MOST: Final = 200
"""Rows of a table: the newest."""


def section(title: str, *inside: object) -> Html:
    """A part of the page under its heading."""
    return tag("section", tag("h2", title), *inside)


def tasks(reports: Sequence[TaskReport]) -> Html:
    """Every task with its trend."""
    heads = (
        "Task",
        "Curve",
        "Events",
        "Average",
        "Latest",
        "Best",
        "Trend",
        "Confidence",
        "Per hour",
        "Converged",
        "Last",
    )
    rows = (
        (
            one.task,
            sparkline(one.curve),
            one.events,
            one.average,
            one.latest,
            one.best,
            trend_of(one.trend),
            f"{100 * one.confidence:.0f} %",
            one.slope_per_hour,
            len(one.converged),
            time(one.converged[-1]) if one.converged else None,
        )
        for one in reports
    )
    return table("Tasks and their trends", heads, rows)


def trend_of(name: str) -> Html:
    """A trend as an arrow and a word."""
    return tag("span", f"{ARROWS.get(name, '')} {name.replace('_', ' ')}", class_=f"trend {name}")


def sparkline(curve: Sequence[float]) -> Html:
    """A curve as a word-sized line; the figures beside it say the same."""
    low, high = min(curve), max(curve)
    across = 100 / max(1, len(curve) - 1)
    height = [22 - 20 * (value - low) / (high - low) if high > low else 12 for value in curve]
    points = " ".join(f"{place * across:.1f},{y:.1f}" for place, y in enumerate(height))
    line = tag("polyline", points=points if len(curve) > 1 else "0,12 100,12")
    return tag("svg", line, class_="spark", viewBox="0 0 100 24", aria_hidden="true", preserveAspectRatio="none")


def goals(some: Sequence[GoalProgress]) -> Html:
    """Every goal with its bar and when it will be reached."""
    heads = ("Goal", "Progress", "Now", "Wanted", "Expected", "Between")
    return table("Goals", heads, (_goal(one) for one in some))


def _goal(goal: GoalProgress) -> Sequence[object]:
    share = f"{goal.completion_percentage:.0f} %"
    label = f"{goal.goal_id}: {share}"
    bar = tag("progress", share, max=100, value=f"{goal.completion_percentage:.2f}", aria_label=label)
    wanted = f"{'at least' if goal.direction == 'maximize' else 'at most'} {figure(goal.target_performance)}"
    if goal.is_completed:
        expected, between = joined(["reached ", _posix(goal.completion_time)]), Html()
    else:
        expected = _posix(goal.estimated_completion_time) or Html("no estimate")
        ends = [_posix(end) or "never" for end in goal.estimated_completion_interval or ()]
        between = joined([ends[0], " and ", ends[1]]) if ends else Html()
    name = joined([goal.goal_id, tag("small", goal.goal_description)]) if goal.goal_description else goal.goal_id
    return name, tag("span", bar, " ", share, class_="whole"), goal.current_performance, wanted, expected, between


def convergences(reports: Sequence[TaskReport]) -> Html:
    """When which task settled."""
    found = sorted((time(at), one.task) for one in reports for at in one.converged)[-MOST:]
    return table("Convergences, newest first", ("Time (UTC)", "Task"), reversed(found))


def versions(loop: Loop) -> Html:
    """The versions, the champion marked."""
    heads = ("Version", "Learner", "Gate", "Accuracy", "Made (UTC)", "")
    return table("Versions, newest first", heads, (_version(v, loop.champion) for v in loop.versions[::-1][:MOST]))


def _version(one: ModelVersion, champion: int | None) -> Sequence[object]:
    decision = one.verdict.decision if one.verdict else None
    accuracy = one.scorecard.overall.accuracy if one.scorecard else None
    remark = "; ".join([*(["in service"] if one.number == champion else []), *one.marks])
    return str(one.number), one.learner, decision, accuracy, time(one.created), remark


def service(history: Sequence[Transition], now: datetime) -> Html:
    """Which version served when: a band, and the same as a table."""
    ends = [*(later.at for _, later in pairwise(history)), now]
    heads = ("From (UTC)", "To (UTC)", "Version", "What", "By", "Why")
    rows = [
        (time(one.at), "now" if end is now else time(end), str(one.version), one.cause, one.by, one.reason)
        for one, end in zip(history, ends, strict=True)
    ]
    told = table("Which version served when, newest first", heads, rows[::-1][:MOST])
    return joined([_band(history, ends), told])


def _band(history: Sequence[Transition], ends: Sequence[datetime]) -> Html:
    """Who served when, along a line from the first promotion until now."""
    first, whole = history[0].at, (ends[-1] - history[0].at).total_seconds() or 1.0
    parts = []
    for one, end in zip(history, ends, strict=True):
        left, wide = (one.at - first).total_seconds() / whole, (end - one.at).total_seconds() / whole
        place = {"x": f"{1000 * left:.2f}", "width": f"{max(0.0, 1000 * wide):.2f}"}
        title = tag("title", f"Version {one.version} from {stamp(one.at.timestamp())}")
        parts.append(tag("rect", title, y=0, height=34, class_=f"served v{one.version % 6}", **place))
        if wide > 0.05:
            parts.append(tag("text", f"v{one.version}", x=f"{1000 * left + 8:.2f}", y=22))
    return tag("svg", *parts, class_="band", viewBox="0 0 1000 34", role="img", aria_label="Versions in service")


def cycles(some: Sequence[CycleResult]) -> Html:
    """What the cycles came to."""
    heads = ("Started (UTC)", "Status", "Seconds", "Candidate", "Champion", "Reason")
    rows = (
        (time(c.started), tag("span", c.status, class_=c.status), c.seconds, c.candidate, c.champion, c.reason)
        for c in some[::-1][:MOST]
    )
    return table("Cycles, newest first", heads, rows)


def metrics(store: Store) -> Html:
    """What the values of each metric add up to."""
    heads = ("Metric", "Values", "Average", "Lowest", "Median", "90 %", "95 %", "99 %", "Highest", "Latest")
    return table("Metrics", heads, _metrics(store))


def _metrics(store: Store) -> Iterator[Sequence[object]]:
    series: dict[str, dict[Source, Summary]] = {}
    for source, summary in store.summaries("metric").items():
        series.setdefault(source.name, {})[source] = summary
    for name, some in series.items():
        one = describe(store, some)
        quantiles = [float(value) for value in one["quantiles"].values()]
        yield (name, one["count"], one["average"], one["min"], *quantiles, one["max"], one["latest"])


def drift(report: DriftReport) -> Html:
    """Every test of a drift report, what drifted first."""
    share = f"{100 * report.share_drifted:.0f} % of the columns"
    said = f"Drift: {share} changed." if report.drifted else f"No drift: {share} changed, which is tolerated."
    return joined([tag("p", said), records("Tests for drift", report.table())])


def alerts(some: Sequence[Any]) -> Html:
    """Alerts: what is known of each by `ALERT`, or every field where they are something else."""
    known = [{key: row[key] for key in ALERT if key in row} for row in map(plain, some)]
    return records("Alerts", known if all(known) else some)


def records(caption: str, some: Sequence[Any]) -> Html:
    """Any records, or dicts, as a table: a column for each field."""
    rows = [plain(one) for one in some]
    heads = list(dict.fromkeys(key for row in rows for key in row))
    told = ([_value(row.get(key)) for key in heads] for row in rows[:MOST])
    return table(caption, [head.replace("_", " ") for head in heads], told)


def _value(value: object) -> object:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {one}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else value


def time(at: datetime | None) -> Html:
    """A time in UTC, to the second, on one line."""
    return _posix(at.timestamp() if at else None)


def _posix(at: float | None) -> Html:
    told = stamp(at)
    return tag("span", told, class_="whole") if told else Html()
