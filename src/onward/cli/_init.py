"""`onward init`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from rich.console import RenderableType

from ._call import Call, command
from ._output import following


@command
def init(call: Call) -> None:
    """Make a workspace, and write all settings, with their meaning, to its onward.toml.

    What exists already stays as it is.

    Example: onward init --workspace support
    """
    with call.open(create=True) as workspace:
        folder, settings = workspace.folder, workspace.write_settings()
    call.answer({"workspace": str(folder), "settings": str(settings)}, _human(call, folder, settings))


def _human(call: Call, folder: Path, settings: Path) -> Iterator[RenderableType]:
    yield f"Workspace: {folder}"
    yield f"Settings:  {settings}"
    yield following(call.again("record FILE"))
