"""How learning goes, for people and for machines: what `report` and `watch` show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

import onward
from onward.monitoring import reports
from onward.scheduler import ended_by_signals

from ._call import Call
from ._learning_tables import depth, overview
from ._output import clean


def report(call: Call, name: str | None, html: Path | None, picture: Path | None) -> None:
    """Print a report, or write it to files."""
    with call.open() as workspace:
        if html is not None or picture is not None:
            written = dict(_written(call, workspace, name, html, picture))
            call.answer(written, (f"Wrote {clean(file)}" for file in written.values()))
        elif name is not None:
            found = reports.task_report(workspace.tracker(tenant=call.tenant), name)
            call.answer(found, depth(found))
        else:
            whole = _look(call, workspace)
            call.answer(whole, overview(call, whole))


def _written(
    call: Call, workspace: onward.Workspace, name: str | None, html: Path | None, picture: Path | None
) -> Iterator[tuple[str, str]]:
    tracker = workspace.tracker(tenant=call.tenant)
    if picture is not None:
        tracker.visualize_learning_progress(None if name is None else [name], picture)
        yield "picture", str(picture)
    if html is not None:
        yield "html", str(save_page(workspace, call.tenant, html))


def save_page(workspace: onward.Workspace, tenant: str, file: Path) -> Path:
    """Write the page of a tenant's learning."""
    tracker, loop = workspace.tracker(tenant=tenant), _loop(workspace, tenant)
    alerts = workspace.alerts(open_only=False, tenant=tenant)[::-1]
    return reports.save_html(reports.html_report(tracker, loop, at=datetime.now(UTC), alerts=alerts), file)


def watch(call: Call, seconds: float, *, once: bool) -> None:
    """Look again and again; Ctrl-C and SIGTERM are the way out, and no error."""
    stop = Event()
    with call.open() as workspace, ended_by_signals(stop), _screen(call, once=once) as put:
        while not stop.is_set():
            put(_look(call, workspace))
            if once:
                return
            stop.wait(seconds)


@contextmanager
def _screen(call: Call, *, once: bool) -> Iterator[Callable[[reports.Report], None]]:
    """Where each look goes: to one place of the terminal, or after the one before."""
    if once or call.json or not sys.stdout.isatty():
        yield lambda found: call.answer(found, overview(call, found))
        return
    with Live(console=Console(highlight=False), auto_refresh=False) as live:
        yield lambda found: live.update(Group(*map(_line, overview(call, found))), refresh=True)


def _line(part: RenderableType) -> RenderableType:
    return Text(clean(part)) if isinstance(part, str) else part


def _look(call: Call, workspace: onward.Workspace) -> reports.Report:
    tracker = workspace.tracker(tenant=call.tenant)
    return reports.text_report(tracker, _loop(workspace, call.tenant), at=datetime.now(UTC))


def _loop(workspace: onward.Workspace, tenant: str) -> reports.Loop:
    return reports.Loop(
        tenant=tenant,
        champion=workspace.champion(tenant=tenant),
        versions=workspace.versions(tenant=tenant),
        history=workspace.history(tenant=tenant),
        cycles=workspace.cycles(tenant=tenant),
    )
