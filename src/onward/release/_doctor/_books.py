"""Do the files beside the artifacts say what the database says?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from onward.core import Damaged
from onward.release._ailment import Ailment, Found
from onward.release._ledger import all_rows, entry_files, file_of, read_entry, write_entry
from onward.storage import Storage

REWRITE = "Write it anew: onward doctor --mend"


def check_books(storage: Storage) -> Iterator[Found]:
    """Files that are missing, torn, or tell of what the database does not know."""
    files = set(entry_files(storage.folder))  # first: what stands in a file was in the database before
    with storage.database.read() as connection:
        rows = {file_of(storage.folder, table, row): (table, row) for table, row in all_rows(connection)}
    for file, (table, row) in rows.items():
        wrong = _wrong(file, row)
        if wrong:
            ailment = Ailment(kind="left over", where=str(file), what=wrong, mend=REWRITE, grave=False)
            yield Found(ailment, partial(write_entry, file, table, row))
    for file in sorted(files - set(rows)):
        if file.exists():
            yield _unknown(file)


def _wrong(file: Path, row: Mapping[str, Any]) -> str:
    if not file.exists():
        return "It is missing."
    try:
        return "" if read_entry(file).row == row else "It says otherwise than the database."
    except Damaged as error:
        return str(error.what)


def _unknown(file: Path) -> Found:
    return Found(
        Ailment(
            kind="disagrees",
            where=str(file),
            what="The database knows nothing of it: it is older than this file, or another one.",
            mend="Restore a back-up; or set onward.db aside and rebuild it: onward doctor --mend",
        )
    )
