"""The report as one page: no server, no network, nothing beside it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from onward.monitoring import _seen as seen
from onward.monitoring._whole import whole

from . import _sections as part
from ._charts import MOST, chart_data, overview, points_each, stamp, task_chart
from ._markup import Html, data, joined, tag
from ._records import Loop
from ._text import estimated, text_report

if TYPE_CHECKING:
    from onward.monitoring._seen import Seen
    from onward.monitoring.drift import DriftReport
    from onward.monitoring.tracker import LearningProgressTracker

STYLES: Final = ("uPlot.min.css", "page.css")
SCRIPTS: Final = ("uPlot.min.js", "page.js")
KEY: Final = "Band: lowest to highest. Diamond: the task settled. Arrow: its level changed in one step."


def html_report(
    tracker: LearningProgressTracker,
    loop: Loop | None = None,
    *,
    at: datetime,
    alerts: Sequence[Any] = (),
    drift: DriftReport | None = None,
) -> str:
    """How learning goes, as one HTML page that works offline.

    Charts of the 24 tasks that were recorded last (drag to zoom, values under the pointer, with bands that lose no
    peak), tables of everything, light or dark as the reader's system is. Nothing is loaded from anywhere: a
    Content-Security-Policy allows the page's own two scripts by their hashes, and nothing else.

    Args:
        tracker: of a workspace, or in memory.
        loop: what the loop did, where there is one.
        at: now.
        alerts: records or dicts, newest first.
        drift: what `onward.monitoring.drift.drift` found.

    >>> from datetime import UTC
    >>> from onward.monitoring import LearningProgressTracker
    >>> tracker = LearningProgressTracker()
    >>> tracker.record_learning_event("<greetings>", 0.8, learning_rate=0.01)
    >>> page = html_report(tracker, at=datetime.now(UTC))
    >>> page[:15], "&lt;greetings&gt;" in page, "<greetings>" in page
    ('<!doctype html>', True, False)
    """
    loop = loop or Loop()
    store = tracker.store
    summaries = store.summaries("task")
    chosen = seen.latest(summaries, list(summaries), MOST)
    tasks = seen.see(store, chosen, points_each(len(chosen)))
    body = tag(
        "main",
        _head(tracker, loop, at),
        *_learning(tracker, loop, tasks, at),
        *_loop(loop, at),
        *([part.section("Alerts", part.alerts(alerts))] if alerts else []),
        *([part.section("Metrics", part.metrics(store))] if store.summaries("metric") else []),
        *([part.section("Drift", part.drift(drift))] if drift else []),
    )
    return _page(f"Learning of {loop.tenant}", body, data("data", chart_data(tasks, timed=seen.by_time(tasks))))


def _head(tracker: LearningProgressTracker, loop: Loop, at: datetime) -> Html:
    champion = "No version is in service" if loop.champion is None else f"Version {loop.champion} is in service"
    total = sum(one.size for one in tracker.store.summaries("task").values())
    said = f"{champion}. {total:,} learning events. Tenant {loop.tenant}. Written {stamp(at.timestamp())} UTC."
    return tag("header", tag("h1", "Learning progress"), tag("p", said))


def _learning(tracker: LearningProgressTracker, loop: Loop, tasks: Sequence[Seen], at: datetime) -> Iterator[Html]:
    report = text_report(tracker, loop, at=at)
    if not report.tasks:
        yield part.section("Tasks", tag("p", "No learning event was recorded yet."))
    else:
        yield part.section("Tasks", part.tasks(report.tasks))
        charts = joined(task_chart(task, number) for number, task in enumerate(tasks))
        more = f"Of {len(report.tasks)} tasks, the {len(tasks)} that were recorded last."
        said = [tag("p", more)] if len(tasks) < len(report.tasks) else []
        scripts = tag("noscript", tag("p", "The charts need JavaScript; the tables hold the same figures."))
        yield part.section("Curves", scripts, *said, overview(tasks), tag("p", KEY), tag("div", charts, class_="grid"))
    if report.goals:
        yield part.section("Goals", part.goals(estimated(tracker.store, report.goals)))
    if any(one.converged for one in report.tasks):
        yield part.section("Convergence", part.convergences(report.tasks))


def _loop(loop: Loop, at: datetime) -> Iterator[Html]:
    if loop.versions:
        yield part.section("Versions", part.versions(loop))
    if loop.history:
        yield part.section("In service", part.service(loop.history, at))
    if loop.cycles:
        yield part.section("Cycles", part.cycles(loop.cycles))


def _page(title: str, body: Html, figures: Html) -> str:
    style, scripts = "".join(map(_file, STYLES)), [_file(name) for name in SCRIPTS]
    policy = "; ".join(
        (
            "default-src 'none'",
            f"style-src {_hash(style)}",
            f"script-src {' '.join(map(_hash, scripts))}",
            "base-uri 'none'",
            "form-action 'none'",
        )
    )
    head = (
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="color-scheme" content="light dark">',
        tag("title", title),
        f"<style>{style}</style>",
    )
    own = "".join(f"<script>{script}</script>" for script in scripts)
    return (
        f'<!doctype html>\n<html lang="en"><head>{"".join(head)}</head>\n<body>{body}\n{figures}{own}</body></html>\n'
    )


def save_html(page: str, path: str | Path) -> Path:
    """Save a page; the file appears whole or not at all.

    Raises:
        Unavailable: it cannot be written.
    """
    with whole(file := Path(path)) as unfinished:
        unfinished.write_text(page, encoding="utf8")
    return file


@lru_cache(maxsize=8)
def _file(name: str) -> str:
    return (files(__package__) / "page" / name).read_text(encoding="utf8")


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
