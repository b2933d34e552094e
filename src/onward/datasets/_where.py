"""Where data sets lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from onward.core import NotFound

VARIABLE: Final = "ONWARD_DATA"
BESIDE: Final = Path("..") / "shared" / "data"
"""Looked at where the variable is not set: data beside a checkout."""


def cache() -> Path:
    """Where data sets are put where nothing else is said: `ONWARD_DATA`, or `~/.cache/onward`."""
    named = os.environ.get(VARIABLE)
    return Path(named).expanduser() if named else Path("~/.cache/onward").expanduser()


def places() -> tuple[Path, ...]:
    """The folders that are looked at, in this order: `ONWARD_DATA` alone where it is set, else the usual ones."""
    return (cache(),) if os.environ.get(VARIABLE) else (BESIDE, cache())


def find(name: str, *files: str, folder: str | Path | None = None) -> tuple[Path, ...]:
    """The files of a data set.

    Args:
        name: of the data set, as `onward datasets get NAME` takes it.
        files: relative to the folder of data sets; all must lie in one.
        folder: looked at instead of the usual places.

    Raises:
        NotFound: no folder has them all; says which were looked at.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     Path(folder, "a.npz").touch()
    ...     [file.name for file in find("letters", "a.npz", folder=folder)]
    ['a.npz']
    """
    looked_at = (Path(folder),) if folder is not None else places()
    for place in looked_at:
        found = tuple(place / file for file in files)
        if all(file.is_file() for file in found):
            return found
    raise NotFound(
        f"The data set {name!r} is not here: no {' and '.join(files)} in {', '.join(map(str, looked_at))}.",
        mend=f"Fetch it with: onward datasets get {name}. Or set {VARIABLE} to the folder that has it.",
    )
