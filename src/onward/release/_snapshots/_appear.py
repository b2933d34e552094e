"""A folder that appears whole or not at all."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from onward.core import Busy, Damaged, InvalidInput
from onward.storage import explained, is_gone, mark_of_process, sync

UNFINISHED: Final = "-unfinished-"


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """A folder that stands under its name only when the block ends well, durable and for its owner only.

    Raises:
        InvalidInput: there is something under that name.
        Busy: this process makes it already.
        Unavailable: it cannot be made.
    """
    unfinished = folder.with_name(f".{folder.name}{UNFINISHED}{_written(mark_of_process()) or os.getpid()}")
    with explained(folder):
        refuse_full(folder)
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _sweep(folder)
        try:
            unfinished.mkdir(mode=0o700)
        except FileExistsError as error:
            raise Busy(f"{folder} is being restored.", mend="Wait for it to end.") from error
        try:
            yield unfinished
            for path in (unfinished, *unfinished.rglob("*")):
                path.chmod(0o700 if path.is_dir() else 0o600)
                sync(path)
            refuse_full(folder)
            unfinished.rename(folder)
            sync(folder.parent)
        finally:
            shutil.rmtree(unfinished, ignore_errors=True)


def refuse_full(folder: Path, ignored: frozenset[str] = frozenset()) -> None:
    """Make sure that nothing is overwritten.

    Raises:
        InvalidInput: there is something.
    """
    if folder.is_file() or (folder.is_dir() and any(path.name not in ignored for path in folder.iterdir())):
        mount = (
            f" It is a mount point: restore to {folder / 'onward'}, a folder inside it." if folder.is_mount() else ""
        )
        raise InvalidInput(f"{folder} is not empty.", mend=f"Restore to an empty or a new place.{mount}")


def _sweep(folder: Path) -> None:
    """Remove what restores left whose process is gone."""
    for left in folder.parent.glob(f".{glob.escape(folder.name)}{UNFINISHED}*"):
        if is_gone(left.name.rpartition(UNFINISHED)[2].replace(",", "/")):
            shutil.rmtree(left, ignore_errors=True)


def _written(mark: str) -> str:
    """A process's mark in the name of a folder."""
    return mark.replace("/", ",")


@contextmanager
def taken_apart(place: Path) -> Iterator[None]:
    """Tell what the file system refuses: either the snapshot asks for the impossible, or there is no space or right."""
    with explained(place):
        try:
            yield
        except (FileExistsError, IsADirectoryError, NotADirectoryError) as error:
            raise Damaged(
                "The snapshot names one path twice.", why=f"{error}.", mend="Do not trust this back-up."
            ) from error
