"""Rows of an older schema, led to today's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import Connection, insert

from ._database import Database
from ._migrations import migrate
from ._schema import meta
from ._sqlite import sqlite_backend


@contextmanager
def brought_up(file: Path, found: int, fill: Callable[[Connection], object]) -> Iterator[Database]:
    """A database for as long as the block lasts, in a new file: made with the tables of an older schema, filled, then
    migrated.

    Args:
        found: the older schema.
        fill: writes the rows, but that which says which schema it is.

    Raises:
        Unavailable: there is no space.
    """
    backend = sqlite_backend(file, "OFF")
    try:
        with backend.explained(), backend.writing.begin() as connection:
            migrate(connection, 0, found)
            fill(connection)
            connection.execute(insert(meta).values(key="schema", value=str(found)))
    finally:
        backend.writing.dispose()
    with closing(Database(file, create=False)) as database:
        yield database
