"""That a model is read back as it was, safely."""

from __future__ import annotations

import pickletools
import zipfile
from pathlib import Path

from onward.core import Damaged

from ._subject import Subject, names, probe, require, same


def check_load_equals_save(subject: Subject) -> None:
    """A model read back says the same, and saves the same files again."""
    folder = subject.saved("save")
    loaded = subject.make().load(folder)
    require(same(probe(loaded), probe(subject.base().model)), "The model read back predicts otherwise.")
    again = subject.room("save-again")
    loaded.save(again)
    require(names(again) == names(folder), f"Saved {names(again)} the second time, {names(folder)} the first.")


def check_nothing_pickled(subject: Subject) -> None:
    """No file of a saved model is a pickle, by name or by content."""
    folder = subject.saved("pickles")
    for file in (folder / name for name in names(folder)):
        require(file.suffix not in {".pkl", ".pickle", ".joblib"}, f"{file.name} is named like a pickle.")
        require(not _is_pickle(file), f"{file.name} is a pickle.")


def _is_pickle(file: Path) -> bool:
    """Whether all of a file is one pickle, or a PyTorch archive around one."""
    if zipfile.is_zipfile(file):
        return any(name.endswith(".pkl") for name in zipfile.ZipFile(file).namelist())
    data = file.read_bytes()
    try:
        *_, (_, _, stop) = pickletools.genops(data)
    except (ValueError, KeyError, IndexError, UnicodeDecodeError):
        return False
    return stop == len(data) - 1


def check_damaged_folder(subject: Subject) -> None:
    """An empty or missing folder, a truncated file and a file of garbage raise `Damaged`."""
    _require_damaged(subject, subject.room("empty"), "empty")
    _require_damaged(subject, subject.folder / "missing", "missing")
    folder = subject.saved("truncated")
    largest = max((folder / name for name in names(folder)), key=lambda file: file.stat().st_size)
    largest.write_bytes(largest.read_bytes()[: largest.stat().st_size // 2])
    _require_damaged(subject, folder, f"with half of {largest.name}")
    for name in [file.name for file in folder.iterdir() if file.is_file()]:
        folder = subject.saved(f"garbage-{name}")
        (folder / name).write_bytes(b"\xff garbage \x00")
        _require_damaged(subject, folder, f"with garbage in {name}")


def _require_damaged(subject: Subject, folder: Path, how: str) -> None:
    try:
        subject.make().load(folder)
    except Damaged:
        return
    raise AssertionError(f"A folder {how} was loaded without raising Damaged.")
