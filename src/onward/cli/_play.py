"""How `onward demo` is played: a folder of its own, the days, the story."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import onward
from onward.core import InvalidInput

from ._call import DEFAULT_WORKSPACE, Call
from ._days import days_of, entities_can_be_learned, our_days
from ._output import emit, show
from ._story import Told, tell

FOLDER: Final = "onward-demo"
MARK: Final = "THIS-IS-A-DEMO"


def play(call: Call, data: Path | None) -> None:
    """Tell the story on our own days, or on a user's file.

    Raises:
        NotFound, InvalidInput: there is no such file, it holds too little, or the folder is in use.
    """
    days = our_days() if data is None else days_of(data)
    folder = _fresh(Path(FOLDER if call.workspace == DEFAULT_WORKSPACE else call.workspace))
    learners = ("linear", "spacy") if entities_can_be_learned() else ("linear",)
    told = Told()
    with onward.open(folder, settings={"training": {"learners": learners}}) as workspace:
        workspace.write_settings()
        for part in tell(workspace, days, not call.json, told):
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
