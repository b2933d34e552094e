"""Is the folder for its owner only, and is nothing left over in it?"""

from __future__ import annotations

import os
import shutil
import stat
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from sqlalchemy import select

from onward.release._ailment import Ailment, Found
from onward.storage import Storage, schema

OURS: Final = ("blobs", "artifacts", "records", "backups")
DAY: Final = 86_400.0


def check_permissions(folder: Path) -> Iterator[Found]:
    """Whatever others than the owner may read or change. What goes away meanwhile is nobody's."""
    for path in _ours(folder):
        try:
            mode = path.lstat().st_mode
        except FileNotFoundError:
            continue
        if stat.S_ISLNK(mode) or not mode & 0o077:
            continue
        wanted = 0o700 if stat.S_ISDIR(mode) else 0o600
        ailment = Ailment(
            kind="open to others",
            where=str(path),
            what=f"Its permissions are {stat.S_IMODE(mode):04o}.",
            mend=f"chmod {wanted:04o}, as does: onward doctor --mend",
        )
        yield Found(ailment, partial(os.chmod, path, wanted))


def _ours(folder: Path) -> Iterator[Path]:
    yield folder
    yield from sorted(path for path in folder.glob("onward*") if path.is_file())
    for name in OURS:
        if (folder / name).is_dir():
            yield folder / name
            for place, folders, files in os.walk(folder / name):  # which passes over what goes away
                yield from (Path(place, one) for one in sorted(folders + files))


def check_left_over(storage: Storage) -> Iterator[Found]:
    """Unfinished writes, and workbenches of cycles that have ended; those a day old are removed with `mend`."""
    for path in _entries(storage.folder / "scratch"):
        if _age(path) > DAY:
            yield _left(path, "Its process is gone.")
    with storage.database.read() as connection:
        table = schema.cycles
        running = set(connection.scalars(select(table.c.id).where(table.c.status == "running")))
    for path in _entries(storage.folder / "cycles"):
        if path.name not in running and _age(path) > DAY:
            yield _left(path, "Its cycle has ended.")


def _left(path: Path, what: str) -> Found:
    mend = "Remove it: onward doctor --mend"
    ailment = Ailment(kind="left over", where=str(path), what=what, mend=mend, grave=False)
    return Found(ailment, partial(_remove, path))


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _age(path: Path) -> float:
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0
