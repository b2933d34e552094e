"""`onward status`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rich.console import RenderableType
from rich.text import Text

from ._call import Call, command
from ._cycle import headline
from ._output import clean, facts, following

if TYPE_CHECKING:
    from onward.workspace import Status


@command
def status(call: Call) -> None:
    """Tell how the workspace stands, and what works only in part.

    Example: onward status --json
    """
    with call.open() as workspace:
        found = workspace.status(tenant=call.tenant)
    call.answer(found, _human(call, found))


def _human(call: Call, found: Status) -> Iterator[RenderableType]:
    yield facts(
        [
            ("workspace", found.folder),
            ("tenant", found.tenant),
            ("champion", found.champion),
            ("versions", found.versions),
            ("interactions", found.interactions),
            ("feedback", found.feedback),
            ("in quarantine", found.quarantined),
            ("consent withdrawn", found.withdrawn_users),
            ("last cycle", None if found.last_cycle is None else headline(found.last_cycle)),
            ("unfinished cycle", found.running_cycle),
            *((f"learner {kind}", state) for kind, state in found.learners.items()),
        ]
    )
    for line in found.degraded:
        yield Text(f"Works in part: {clean(line)}", style="yellow")
    yield following(call.again(_next(found)))


def _next(found: Status) -> str:
    if found.champion is not None:
        return 'predict "TEXT"'
    return "cycle" if found.interactions else "record FILE"
