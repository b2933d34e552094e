"""`onward alerts`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.console import RenderableType
from rich.text import Text

from ._call import Call, command
from ._errors import UNAVAILABLE
from ._output import clean, following, table
from ._values import read_seconds

if TYPE_CHECKING:
    from onward import Workspace
    from onward.monitoring.alerts import Alert, Delivery

STYLES = {"info": "green", "warning": "yellow", "critical": "red"}

What = Annotated[
    Literal["list", "ack", "silence", "watch", "resume", "redeliver", "test"], typer.Argument(help="What to do.")
]
Ids = Annotated[list[str] | None, typer.Argument(metavar="ID", help="With ack: which alerts.")]
All = Annotated[bool, typer.Option("--all", help="With list: those that are over, too.")]
By = Annotated[str, typer.Option(metavar="NAME", help="With ack and silence: who.")]
RuleName = Annotated[str | None, typer.Option(metavar="NAME", help="With silence: of which rule.")]
Subject = Annotated[str | None, typer.Option(metavar="NAME", help="With silence: of which subject.")]
For = Annotated[str | None, typer.Option("--for", metavar="SECONDS", help="With silence: how long; 0 ends it.")]


@command
def alerts(
    call: Call,
    action: What = "list",
    ids: Ids = None,
    all_of_them: All = False,
    by: By = "user",
    rule: RuleName = None,
    subject: Subject = None,
    length: For = None,
) -> int | None:
    """List alerts; acknowledge or silence them; look now; let promotions go again; send again; try the channels.

    Example: onward alerts silence --rule latency --for 3600
    """
    if bool(ids) != (action == "ack"):
        raise typer.BadParameter("Name alerts with ack, and only with ack: onward alerts ack ID")
    if (length is not None) != (action == "silence"):
        raise typer.BadParameter("Say how long with silence, and only with silence: --for SECONDS")
    seconds = 0.0 if length in {None, "0"} else read_seconds(length or "")
    with call.open() as workspace:
        if action == "list":
            _list(call, workspace, all_of_them)
        elif action == "ack":
            _acknowledge(call, workspace, ids or [], by)
        elif action == "silence":
            silence = workspace.silence(seconds, rule=rule, subject=subject, by=by, tenant=call.tenant)
            call.answer(silence, [f"Nobody is told until {silence.until:%Y-%m-%d %H:%M:%S} UTC"])
        elif action == "watch":
            _watch(call, workspace)
        elif action == "resume":
            resumed = workspace.resume(tenant=call.tenant)
            said = "Promotions go on" if resumed else "Nothing held promotions back"
            call.answer({"resumed": resumed}, [said, following(call.again("versions"))])
        elif action == "redeliver":
            count = workspace.redeliver(tenant=call.tenant)
            call.answer({"due": count}, [f"{count} messages are due", following(call.again("alerts watch"))])
        else:
            return _test(call, workspace)
    return None


def _list(call: Call, workspace: Workspace, all_of_them: bool) -> None:
    found = workspace.alerts(open_only=not all_of_them, tenant=call.tenant)
    waiting, held = workspace.undelivered(tenant=call.tenant), workspace.held(tenant=call.tenant)
    silences = workspace.silences(tenant=call.tenant)
    value = {"alerts": found, "undelivered": waiting, "silences": silences, "hold": held}
    call.answer(value, _listed(call, value))


def _listed(call: Call, value: Mapping[str, Any]) -> Iterator[RenderableType]:
    if not value["alerts"]:
        yield "No alert is open"
    else:
        yield _alerts(value["alerts"])
    yield from _messages(value["undelivered"])
    for silence in value["silences"]:
        of = " on ".join(one for one in (silence.rule, silence.subject) if one)
        yield f"Silent until {silence.until:%Y-%m-%d %H:%M:%S} UTC: {clean(of)}"
    if value["hold"] is not None:
        yield Text(f"Promotions are held back by alert {value['hold'].alert}", style="yellow")
        yield following(call.again("alerts resume"))
    elif value["alerts"]:
        yield following(call.again(f"alerts ack {value['alerts'][-1].id} --by NAME"))


def _alerts(found: Sequence[Alert]) -> RenderableType:
    columns = ("Id", "Severity", "Rule", "Subject", "Since", "Times", "State", "What")
    rows = (
        (
            one.id,
            Text(one.severity, style=STYLES[one.severity]),
            one.rule,
            one.subject,
            one.opened,
            one.times,
            _state(one),
            one.message,
        )
        for one in found
    )
    return table("", columns, rows)


def _state(alert: Alert) -> str:
    seen = f"seen by {alert.acknowledged_by}" if alert.acknowledged_by else ""
    did = f"{alert.answer.action}: {alert.answer.outcome or alert.answer.progress}" if alert.answer else ""
    return ", ".join(one for one in ("open" if alert.is_open else "over", seen, did) if one)


def _messages(waiting: Sequence[Delivery]) -> Iterator[RenderableType]:
    if waiting:
        rows = ((one.channel, one.state, one.attempts, one.due, one.alert, one.error) for one in waiting)
        yield table("Not delivered", ("Channel", "State", "Attempts", "Due", "Alert", "Last error"), rows)


def _acknowledge(call: Call, workspace: Workspace, ids: Sequence[str], by: str) -> None:
    seen = [workspace.acknowledge(one, by=by, tenant=call.tenant) for one in ids]
    call.answer(seen, [_alerts(seen)])


def _watch(call: Call, workspace: Workspace) -> None:
    found = workspace.watch(tenant=call.tenant)
    call.answer(found, _watched(call, found))


def _watched(call: Call, found: Any) -> Iterator[RenderableType]:
    yield _alerts(found.alerts) if found.alerts else "Nothing changed"
    yield f"{found.delivered} messages delivered"
    yield from _messages(found.undelivered)
    yield following(call.again("alerts"))


def _test(call: Call, workspace: Workspace) -> int:
    found = workspace.test_channels(tenant=call.tenant)
    rows = [(name, "works" if not error else "fails", error or None) for name, error in found.items()]
    call.answer(found, [table("", ("Channel", "", "Why"), rows) if rows else "No channel is set: alerts.channels"])
    return UNAVAILABLE if any(found.values()) else 0
