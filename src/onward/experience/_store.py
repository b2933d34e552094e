"""Append-only interactions and feedback. Recording twice is recording once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from typing import Final

from sqlalchemy import Connection, Select, Table, bindparam, exists, func, select

from onward.core import Clock, Feedback, Interaction, Mark, NotFound, SystemClock, decode, to_body
from onward.storage import Database, insert_into, insert_new, schema, stamp, tally

from ._check import check_feedback, check_interaction

OF_INTERACTION: Final = ("tenant", "id", "user", "body", "recorded")
OF_FEEDBACK: Final = ("tenant", "id", "interaction", "user", "body", "recorded")
PAGE: Final = 500

Exchange = tuple[Interaction, list[Feedback]]


class Experience:
    """What happened and what was said of it, by tenant. Acknowledged means durable; nothing is ever changed."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database, self._clock = database, clock or SystemClock()

    def record(self, interactions: Sequence[Interaction]) -> int:
        """Store interactions; return how many were new. The first record under an id stands.

        Raises:
            InvalidInput: one of them cannot be used; then none is stored.
        """
        rows = [(i.tenant, i.id, i.user, to_body(check_interaction(i))) for i in interactions]
        return self._add(schema.interactions, OF_INTERACTION, rows)

    def add_feedback(self, feedback: Sequence[Feedback]) -> int:
        """Store feedback; return how much was new. The interaction may still be on its way.

        Raises:
            InvalidInput: one of them cannot be used; then none is stored.
        """
        rows = [(f.tenant, f.id, f.interaction, f.user, to_body(check_feedback(f))) for f in feedback]
        return self._add(schema.feedback, OF_FEEDBACK, rows)

    def _add(self, table: Table, columns: tuple[str, ...], rows: Sequence[tuple[str | None, ...]]) -> int:
        """The time of recording is taken in the transaction, so that it goes up with the sequence."""

        def work(connection: Connection) -> int:
            recorded, added = stamp(self._clock.now()), 0
            for tenant, own in groupby(rows, key=itemgetter(0)):
                new = insert_new(connection, table, columns, [(*row, recorded) for row in own])
                if new and tenant is not None:
                    tally(connection, tenant, table, new)
                added += new
            return added

        return self._database.write(work) if rows else 0

    def interaction(self, tenant: str, interaction: str) -> Interaction:
        """One interaction.

        Raises:
            NotFound: nothing was recorded under this id.
        """
        table = schema.interactions
        with self._database.read() as connection:
            body = connection.scalar(select(table.c.body).where(table.c.tenant == tenant, table.c.id == interaction))
        if body is None:
            raise NotFound(
                f"No interaction {interaction!r} was recorded for tenant {tenant!r}.",
                mend="Take the id that `onward predict` printed, or the `id` of its line.",
            )
        return decode(body, Interaction)

    def newest(self, tenant: str) -> Mark:
        """How far recording has come."""
        ends = [
            select(func.max(t.c.sequence)).where(t.c.tenant == tenant) for t in (schema.interactions, schema.feedback)
        ]
        with self._database.read() as connection:
            one, two = (connection.scalar(end) for end in ends)
        return Mark(one or 0, two or 0)

    def recent(self, tenant: str, after: Mark, to: Mark) -> Iterator[Exchange]:
        """What was recorded between two marks, the latest first, with all feedback on it; read page by page."""
        table, below = schema.interactions, to.interaction + 1
        query = select(table.c.sequence, table.c.body).where(
            table.c.tenant == tenant, table.c.sequence > after.interaction
        )
        while True:
            page = query.where(table.c.sequence < below).order_by(table.c.sequence.desc()).limit(PAGE)
            with self._database.read() as connection:
                rows = connection.execute(page).all()
                found = _with_feedback(connection, tenant, [row.body for row in rows])
            yield from found
            if len(rows) < PAGE:
                return
            below = rows[-1].sequence

    def exchanges(self, tenant: str, interactions: Collection[str]) -> Iterator[Exchange]:
        """The interactions of these ids that are there, by id, with all feedback on them; read page by page."""
        table, ids = schema.interactions, sorted(interactions)
        for start in range(0, len(ids), PAGE):
            page = table.c.id.in_(ids[start : start + PAGE])
            query = select(table.c.body).where(table.c.tenant == tenant, page).order_by(table.c.id)
            with self._database.read() as connection:
                found = _with_feedback(connection, tenant, list(connection.scalars(query)))
            yield from found

    def spoken_of(self, tenant: str, after: Mark) -> frozenset[str]:
        """Ids of the interactions recorded up to a mark that feedback recorded later speaks of."""
        table, said = schema.interactions, schema.feedback
        about = (said.c.tenant == table.c.tenant) & (said.c.interaction == table.c.id)
        query = select(table.c.id).join(said, about).where(said.c.tenant == tenant, said.c.sequence > after.feedback)
        with self._database.read() as connection:
            return frozenset(connection.scalars(query.where(table.c.sequence <= after.interaction)))

    def unmatched(self, tenant: str, after: Mark) -> int:
        """How much feedback recorded after a mark speaks of interactions that are not there."""
        table, said = schema.interactions, schema.feedback
        about = (said.c.tenant == table.c.tenant) & (said.c.interaction == table.c.id)
        query = select(func.count()).where(said.c.tenant == tenant, said.c.sequence > after.feedback)
        with self._database.read() as connection:
            return connection.scalar(query.where(~exists().where(about))) or 0

    def interactions(self, tenant: str) -> list[Interaction]:
        """All interactions of a tenant, in the order they were recorded."""
        table = schema.interactions
        rows = self._bodies(select(table.c.body).where(table.c.tenant == tenant).order_by(table.c.sequence))
        return [decode(body, Interaction) for body in rows]

    def feedback(self, tenant: str, interaction: str | None = None) -> list[Feedback]:
        """All feedback of a tenant, or on one interaction, in the order it was recorded."""
        table = schema.feedback
        query = select(table.c.body).where(table.c.tenant == tenant).order_by(table.c.sequence)
        if interaction is not None:
            query = query.where(table.c.interaction == interaction)
        return [decode(body, Feedback) for body in self._bodies(query)]

    def counts(self, tenant: str) -> tuple[int, int]:
        """How many interactions and how much feedback a tenant has."""
        table = schema.tallies
        query = select(table.c.name, table.c.rows).where(table.c.tenant == tenant)
        with self._database.read() as connection:
            rows = {row.name: row.rows for row in connection.execute(query)}
        return rows.get(schema.interactions.name, 0), rows.get(schema.feedback.name, 0)

    def tenants(self) -> list[str]:
        """Every tenant that ever recorded, by name."""
        table = schema.tallies
        ever = select(table.c.tenant).where(table.c.name == schema.interactions.name).order_by(table.c.tenant)
        with self._database.read() as connection:
            return list(connection.scalars(ever))

    def withdraw(self, tenant: str, user: str, at: datetime) -> frozenset[str]:
        """Note that a user withdrew consent; return the ids of all their interactions."""
        values = {"tenant": tenant, "user": user, "at": stamp(at)}
        self._database.write(
            lambda c: c.execute(insert_into(c, schema.withdrawals).values(**values).on_conflict_do_nothing())
        )
        table, said = schema.interactions, schema.feedback
        own = select(table.c.id).where(table.c.tenant == tenant, table.c.user == user)
        spoken_of = select(said.c.interaction).where(said.c.tenant == tenant, said.c.user == user)
        with self._database.read() as connection:
            return frozenset(connection.scalars(own.union(spoken_of)))

    def withdrawn(self, tenant: str) -> frozenset[str]:
        """Users who withdrew consent."""
        with self._database.read() as connection:
            return self.withdrawn_now(connection, tenant)

    def withdrawn_now(self, connection: Connection, tenant: str) -> frozenset[str]:
        """As `withdrawn`, inside the caller's transaction."""
        table = schema.withdrawals
        return frozenset(connection.scalars(select(table.c.user).where(table.c.tenant == tenant)))

    def withdrawn_interactions(self, tenant: str) -> frozenset[str]:
        """Ids of the interactions of users who withdrew consent."""
        table, said, gone = schema.interactions, schema.feedback, schema.withdrawals
        users = select(gone.c.user).where(gone.c.tenant == tenant)
        own = select(table.c.id).where(table.c.tenant == tenant, table.c.user.in_(users))
        both = own.union(select(said.c.interaction).where(said.c.tenant == tenant, said.c.user.in_(users)))
        with self._database.read() as connection:
            return frozenset(connection.scalars(both))

    def quarantine(self, connection: Connection, rows: Iterable[dict[str, str]]) -> None:
        """Set interactions aside, inside the caller's transaction. Columns: tenant, interaction, cycle, at, reason."""
        values = list(rows)
        if values:
            connection.execute(insert_into(connection, schema.quarantine).on_conflict_do_nothing(), values)

    def quarantined(self, tenant: str) -> dict[str, str]:
        """Interactions set aside by a refused cycle -> the reason."""
        table = schema.quarantine
        with self._database.read() as connection:
            held = (table.c.tenant == tenant) & ~table.c.released
            rows = connection.execute(select(table.c.interaction, table.c.reason).where(held))
            return {row.interaction: row.reason for row in rows}

    def vouched(self, tenant: str) -> frozenset[str]:
        """Interactions that a person let out of quarantine."""
        table = schema.quarantine
        with self._database.read() as connection:
            return frozenset(
                connection.scalars(select(table.c.interaction).where(table.c.tenant == tenant, table.c.released))
            )

    def release(self, tenant: str, interactions: Sequence[str] | None = None) -> int:
        """Take interactions (all where none are named) out of quarantine; return how many."""
        table = schema.quarantine
        query = table.update().where(table.c.tenant == tenant, ~table.c.released).values(released=True)
        if interactions is None:
            return self._database.write(lambda c: c.execute(query).rowcount)
        named = query.where(table.c.interaction == bindparam("named"))
        rows = [{"named": interaction} for interaction in interactions]
        return self._database.write(lambda c: c.execute(named, rows).rowcount) if rows else 0

    def _bodies(self, query: Select[tuple[str]]) -> list[str]:
        with self._database.read() as connection:
            return list(connection.scalars(query))


def _with_feedback(connection: Connection, tenant: str, bodies: Sequence[str]) -> list[Exchange]:
    found = [decode(body, Interaction) for body in bodies]
    table = schema.feedback
    about = table.c.interaction.in_([one.id for one in found])
    query = select(table.c.body).where(table.c.tenant == tenant, about).order_by(table.c.sequence)
    said: dict[str, list[Feedback]] = {}
    for one in (decode(body, Feedback) for body in connection.scalars(query)):
        said.setdefault(one.interaction, []).append(one)
    return [(one, said.get(one.id, [])) for one in found]
