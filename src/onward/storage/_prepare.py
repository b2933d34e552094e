"""A database on its way to today's schema: new, current, older, or of a newer Onward."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from onward.core import Damaged, NotFound, Unavailable

from ._backend import Backend, driver, foreign
from ._migrations import migrate
from ._postgresql import check_encoding
from ._rows import insert_into
from ._schema import SCHEMA_VERSION, meta, metadata

CURRENT = str(SCHEMA_VERSION)
STAMP = "SELECT value FROM meta WHERE key = 'schema'"
COLUMNS = {"key", "value"}


def is_current(backend: Backend) -> bool:
    """Whether there is nothing to prepare: so a workspace opens without waiting for whoever writes."""
    with backend.reading.connect() as connection:
        return _stamp(connection) == CURRENT


def prepare(backend: Backend, *, create: bool) -> None:
    """Make the tables, or lead them to today's schema, in one transaction: whoever comes second finds it done.

    Raises:
        NotFound: there are no tables, and `create` is off.
        Damaged: a newer Onward wrote it, or another program.
    """
    with backend.writing.begin() as connection:
        found = _stamp(connection)
        if found is None:
            _refuse_foreign(connection, backend.name)
            if not create:
                raise NotFound(f"There is no workspace in {backend.name}.", mend="Make one with: onward init")
            if connection.dialect.name == "postgresql":
                check_encoding(connection, backend.name)
            metadata.create_all(connection)
        elif found != CURRENT:
            migrate(connection, _older(found, backend), SCHEMA_VERSION)
        stamped = {"value": CURRENT}
        connection.execute(
            insert_into(connection, meta)
            .values(key="schema", **stamped)
            .on_conflict_do_update(index_elements=["key"], set_=stamped)
        )


def check_current(connection: Connection, backend: Backend) -> None:
    """Call at the begin of every writing transaction: a newer Onward may have changed the tables meanwhile.

    Raises:
        Unavailable: it has.
    """
    if driver(connection).execute(STAMP).fetchone() != (CURRENT,):
        raise Unavailable(
            f"{backend.name} was upgraded by a newer Onward while it was open here.",
            mend="Nothing was written; restart this process with that Onward.",
        )


def _refuse_foreign(connection: Connection, name: str) -> None:
    """On a server others may have tables beside ours; a file, ours as a whole, was looked at before it was opened."""
    found = set(inspect(connection).get_table_names()) & set(metadata.tables)
    if found:
        raise foreign(name, found)


def _stamp(connection: Connection) -> str | None:
    found = inspect(connection)
    if not found.has_table(meta.name) or {column["name"] for column in found.get_columns(meta.name)} != COLUMNS:
        return None
    return connection.scalar(select(meta.c.value).where(meta.c.key == "schema"))


def _older(found: str, backend: Backend) -> int:
    if found.isdecimal() and 0 < int(found) < SCHEMA_VERSION:
        return int(found)
    raise Damaged(
        f"{backend.name} has schema {found}; this Onward knows {SCHEMA_VERSION} and older ones.",
        mend="Install the Onward that wrote it, or a newer one.",
    )
