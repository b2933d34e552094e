"""`onward show`."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType

import onward

from ._call import Call, command
from ._output import facts, following
from ._values import Number
from ._verdict import scorecard_table, verdict_table
from ._versions import as_json


@command
def show(call: Call, number: Number) -> None:
    """Show one version: where it comes from, its scorecard, its verdict.

    Example: onward show 3
    """
    with call.open() as workspace:
        version = workspace.version(number, tenant=call.tenant)
        champion = workspace.champion(tenant=call.tenant)
        dropped = workspace.dropped(version)
    value = {**as_json(version, champion), "dropped": dropped}
    call.answer(value, _human(call, version, champion, dropped))


def _human(
    call: Call, version: onward.ModelVersion, champion: int | None, dropped: tuple[str, ...]
) -> Iterator[RenderableType]:
    yield facts(
        [
            ("version", f"{version.number}{' (champion)' if version.number == champion else ''}"),
            ("learner", version.learner),
            ("parent", version.parent),
            ("created", version.created),
            ("cycle", version.cycle),
            ("data set", version.dataset),
            ("artifact", version.artifact),
            ("pinned", "yes" if version.pinned else "no"),
            ("dropped", ", ".join(dropped) or None),
            ("marks", "; ".join(version.marks) or None),
        ]
    )
    for scorecard in scorecard_table(version):
        yield ""
        yield scorecard
    if version.verdict is not None:
        yield ""
        yield verdict_table(version.verdict)
    hint = _next(version, champion)
    if hint is not None:
        yield following(call.again(hint))


def _next(version: onward.ModelVersion, champion: int | None) -> str | None:
    if version.verdict is None or version.number == champion:
        return None
    if version.verdict.decision == "keep":
        return None if champion is None else f"compare {champion} {version.number}"
    return f"promote {version.number}" if version.verdict.decision == "promote" else "quarantine"
