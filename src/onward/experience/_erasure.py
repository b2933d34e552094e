"""What is left to erase after consent was withdrawn, and the note that nothing is."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, bindparam, select, update

from onward.storage import Database, schema, stamp

from ._erase import Withdrawal, erase_rows, names_to_erase, withdrawal
from ._withdrawn import key_of, make_key, note_withdrawal

WITHDRAWALS = schema.withdrawals


class Erasure:
    """Withdrawals whose erasure is unfinished. Every step can be repeated, whenever it was cut off."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def tenants(self) -> list[str]:
        """Tenants with something left to erase."""
        query = select(WITHDRAWALS.c.tenant).where(WITHDRAWALS.c.erased.is_(None)).distinct()
        with self._database.read() as connection:
            return sorted(connection.scalars(query))

    def unfinished(self, tenant: str) -> list[Withdrawal]:
        """Who withdrew and is not erased everywhere."""
        query = select(WITHDRAWALS.c.user).where(WITHDRAWALS.c.tenant == tenant, WITHDRAWALS.c.erased.is_(None))
        with self._database.read() as connection:
            return [withdrawal(connection, tenant, user) for user in connection.scalars(query).all()]

    def records(self, tenant: str, at: datetime) -> None:
        """Erase what is left in the records of those who withdrew: in one transaction.

        There is something where they were restored from a back-up made before, where an older Onward noted the
        withdrawal, and where they said something after it.
        """
        mine = (WITHDRAWALS.c.tenant == tenant) & WITHDRAWALS.c.erased.is_(None)

        def work(connection: Connection) -> None:
            key = key_of(connection) or make_key(connection)
            rows = connection.execute(select(WITHDRAWALS.c.user, WITHDRAWALS.c.at).where(mine)).all()
            aliases = frozenset(note_withdrawal(connection, tenant, row.user, key, row.at) for row in rows)
            erase_rows(connection, tenant, [*names_to_erase(connection, tenant, aliases, key), *aliases], key, at)

        self._database.write(work)

    def reopen(self) -> None:
        """Look again for what is left of everybody who withdrew: something was brought back from a back-up."""
        self._database.write(lambda connection: connection.execute(update(WITHDRAWALS).values(erased=None)))

    def finish(self, tenant: str, users: Collection[str], at: datetime) -> None:
        """Note that nothing is left of what these users said."""
        own = (WITHDRAWALS.c.tenant == tenant) & (WITHDRAWALS.c.user == bindparam("one"))
        rows = [{"one": user} for user in sorted(users)]
        if rows:
            note = update(WITHDRAWALS).where(own).values(erased=stamp(at))
            self._database.write(lambda connection: connection.execute(note, rows))
