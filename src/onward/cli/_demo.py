"""`onward demo`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated, Final

import typer

import onward
from onward.core import InvalidInput

from ._call import DEFAULT_WORKSPACE, Call, command
from ._days import days_of, entities_can_be_learned, our_days
from ._output import emit, show
from ._progress import bars
from ._story import Told, tell

FOLDER: Final = "onward-demo"
MARK: Final = "THIS-IS-A-DEMO"

Data = Annotated[
    Path | None,
    typer.Option("--data", metavar="FILE", help="Tell it on your own JSON Lines or CSV: text and intent on each line."),
]


@command
def demo(call: Call, data: Data = None) -> None:
    """Tell one whole story in a workspace of its own: learn, learn more, refuse poison, roll back.

    Example: onward demo --data my-chats.jsonl
    """
    days = our_days() if data is None else days_of(data)
    folder = _fresh(Path(FOLDER if call.workspace == DEFAULT_WORKSPACE else call.workspace))
    learners = ("linear", "spacy") if entities_can_be_learned() else ("linear",)
    told = Told()
    with onward.open(folder, settings={"training": {"learners": learners}}) as workspace:
        workspace.write_settings()
        with bars(wanted=not call.json) as progress:
            for part in tell(workspace, days, progress, told):
                if not call.json:
                    show([part])
    if call.json:
        emit({"workspace": str(folder), "cycles": told.cycles, **told.facts})


def _fresh(folder: Path) -> Path:
    """An empty folder; an earlier demo is cleared away, anything else is left alone.

    Raises:
        InvalidInput: the folder holds something that no demo made.
    """
    if folder.exists():
        if not (folder / MARK).exists():
            raise InvalidInput(
                f"{folder} exists, and is no earlier demo.", mend=f"Name another: onward demo --workspace {FOLDER}-2"
            )
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / MARK).touch()
    return folder
