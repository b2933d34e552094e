"""What works only in part, since when and why: noted where it happens, seen in `status`, never silent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, delete, select, update

from onward.core import Clock
from onward.storage import Database, insert_into, schema, stamp

QUOTED: Final = "erased with what a user said"


@dataclass(frozen=True, slots=True)
class Condition:
    """One part that works only in part: since when, how often it failed, and the last reason."""

    part: str
    since: str
    times: int
    reason: str


class Conditions:
    """The open conditions of a workspace, by tenant and part."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def note(self, tenant: str, part: str, reason: str) -> None:
        """Note a failure of a part; it stays open until `clear`."""
        table = schema.conditions
        row = {"tenant": tenant, "part": part, "since": stamp(self._clock.now()), "times": 1, "reason": reason}

        def work(connection: Connection) -> None:
            again = {"times": table.c.times + 1, "reason": reason}
            noted = insert_into(connection, table).values(**row)
            connection.execute(noted.on_conflict_do_update(index_elements=["tenant", "part"], set_=again))

        self._database.write(work)

    def clear(self, tenant: str, part: str) -> None:
        """Close a condition: the part works again. Costs one read where none is open."""
        if any(condition.part == part for condition in self.open(tenant)):
            table = schema.conditions
            self._database.write(
                lambda c: c.execute(delete(table).where(table.c.tenant == tenant, table.c.part == part))
            )

    def erase(self, connection: Connection, tenant: str) -> None:
        """Take away why parts failed, which may quote what they worked on, inside the caller's transaction."""
        own = schema.conditions.c.tenant == tenant
        connection.execute(update(schema.conditions).where(own).values(reason=QUOTED))

    def open(self, tenant: str) -> list[Condition]:
        """The open conditions, by part."""
        table = schema.conditions
        query = select(table).where(table.c.tenant == tenant).order_by(table.c.part)
        with self._database.read() as connection:
            return [Condition(r.part, r.since, r.times, r.reason) for r in connection.execute(query)]
