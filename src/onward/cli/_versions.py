"""`onward versions`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from rich.console import RenderableType

import onward

from ._call import Call, command
from ._output import following, table
from ._verdict import HEADS, accuracies, decision


@command
def versions(call: Call) -> None:
    """List the versions, oldest first, the champion marked.

    Example: onward versions --json
    """
    with call.open() as workspace:
        found = workspace.versions(tenant=call.tenant)
        champion = workspace.champion(tenant=call.tenant)
    call.answer([as_json(version, champion) for version in found], _human(call, found, champion))


def as_json(version: onward.ModelVersion, champion: int | None) -> dict[str, Any]:
    """A version, and whether it is in service."""
    return {**msgspec.to_builtins(version), "champion": version.number == champion}


def _human(call: Call, found: Sequence[onward.ModelVersion], champion: int | None) -> Iterator[RenderableType]:
    if not found:
        yield "No version yet"
        yield following(f"{call.again('record FILE')}, then {call.again('cycle')}")
        return
    columns = ("", "Version", "Learner", "Parent", "Decision", "Accuracy", *HEADS, "Created", "Remarks")
    yield table("", columns, (_row(version, champion) for version in found))
    yield following(call.again(f"show {found[-1].number}"))


def _row(version: onward.ModelVersion, champion: int | None) -> tuple[object, ...]:
    return (
        "champion" if version.number == champion else "",
        version.number,
        version.learner,
        version.parent,
        decision(version),
        *accuracies(version),
        version.created,
        "; ".join((*version.marks, *(["pinned"] if version.pinned else []))),
    )
