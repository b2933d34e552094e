"""Do the files beside the artifacts say what the database says?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from onward.core import Damaged
from onward.release._ailment import Ailment, Found
from onward.release._ledger import all_rows, entry_files, file_of, read_entry, write_entry
from onward.storage import Storage

REWRITE = "Write it anew: onward doctor --mend"


def check_books(storage: Storage) -> Iterator[Found]:
    """Files that are missing, torn, or tell of what the database does not know."""
    with storage.database.read() as connection:
        rows = {file_of(storage.folder, table, row): (table, row) for table, row in all_rows(connection)}
    files = set(entry_files(storage.folder))
    for file, (table, row) in rows.items():
        wrong = None if file in files else "It is missing."
        if wrong is None:
            try:
                wrong = None if read_entry(file).row == row else "It says otherwise than the database."
            except Damaged as error:
                wrong = str(error.what)
        if wrong is not None:
            ailment = Ailment(kind="left over", where=str(file), what=wrong, mend=REWRITE, grave=False)
            yield Found(ailment, partial(write_entry, file, table, row))
    for file in sorted(files - set(rows)):
        yield _unknown(file)


def _unknown(file: object) -> Found:
    return Found(
        Ailment(
            kind="disagrees",
            where=str(file),
            what="The database knows nothing of it: it is older than this file, or another one.",
            mend="Restore a back-up; or set onward.db aside and rebuild it: onward doctor --mend",
        )
    )
