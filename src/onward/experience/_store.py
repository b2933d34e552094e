"""Append-only interactions and feedback. Recording twice is recording once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Select, bindparam, exists, func, select

from onward.core import Clock, Feedback, Interaction, Mark, NotFound, SystemClock, decode, to_body
from onward.storage import Database, Journal, insert_into, schema, stamp

from ._check import check_feedback, check_interaction
from ._erase import Erased, Withdrawal, erase_rows, gone, what_is_left, withdrawal
from ._recent import PAGE, Exchange, Recent, with_feedback
from ._support import Supports
from ._withdrawn import Withdrawn, make_key, note_withdrawal, withdrawn

OF_INTERACTION: Final = ("tenant", "id", "user", "body")
OF_FEEDBACK: Final = ("tenant", "id", "interaction", "user", "body")


class Experience:
    """What happened and what was said of it, by tenant. Acknowledged means durable; nothing is ever changed, but erased
    where its user withdraws consent."""

    def __init__(self, database: Database, clock: Clock | None = None) -> None:
        self._database = database
        clock = clock or SystemClock()
        self._interactions = Journal(schema.interactions, OF_INTERACTION, clock)
        self._feedback = Journal(schema.feedback, OF_FEEDBACK, clock)
        self._supports = Supports(database)

    def record(self, interactions: Sequence[Interaction]) -> int:
        """Store interactions; return how many were new, once they are durable. The first record under an id stands.

        Raises:
            InvalidInput: one of them cannot be used; then none is stored.
        """
        rows = _interaction_rows(interactions)
        return self._database.append(self._interactions, rows) if rows else 0

    def add_feedback(self, feedback: Sequence[Feedback]) -> int:
        """Store feedback; return how much was new, once it is durable. The interaction may still be on its way.

        Raises:
            InvalidInput: one of them cannot be used; then none is stored.
        """
        rows = _feedback_rows(feedback)
        return self._database.append(self._feedback, rows) if rows else 0

    def buffer(self, interactions: Sequence[Interaction] = (), feedback: Sequence[Feedback] = ()) -> None:
        """Have interactions and feedback stored soon: by the next commits, in order with everything else.

        What was not committed when the process dies is lost; see `flush`. While too much waits, this waits too.

        Raises:
            InvalidInput: one of them cannot be used; then none is stored.
        """
        for journal, rows in (
            (self._interactions, _interaction_rows(interactions)),
            (self._feedback, _feedback_rows(feedback)),
        ):
            if rows:
                self._database.buffer(journal, rows)

    def flush(self) -> None:
        """Return once everything that was buffered before is durable.

        Raises:
            Unavailable: something that was buffered since the last `flush` could not be stored, and is lost.
        """
        self._database.flush()

    def interaction(self, tenant: str, interaction: str) -> Interaction:
        """One interaction.

        Raises:
            NotFound: nothing was recorded under this id.
        """
        body = self._body(tenant, interaction)
        if body is None:
            self._database.settle()
            body = self._body(tenant, interaction)
        if body is None:
            raise NotFound(
                f"No interaction {interaction!r} was recorded for tenant {tenant!r}.",
                mend="Take the id that `onward predict` printed, or the `id` of its line.",
            )
        return decode(body, Interaction)

    def _body(self, tenant: str, interaction: str) -> str | None:
        table = schema.interactions
        with self._database.read() as connection:
            return connection.scalar(select(table.c.body).where(table.c.tenant == tenant, table.c.id == interaction))

    def newest(self, tenant: str) -> Mark:
        """How far recording has come."""
        ends = [
            select(func.max(t.c.sequence)).where(t.c.tenant == tenant) for t in (schema.interactions, schema.feedback)
        ]
        with self._database.read() as connection:
            one, two = (connection.scalar(end) for end in ends)
        return Mark(one or 0, two or 0)

    def recent(self, tenant: str, after: Mark, to: Mark) -> Recent:
        """What was recorded between two marks and can teach, the latest first; read page by page when asked."""
        return Recent(self._database, tenant, after, to)

    def exchanges(self, tenant: str, interactions: Collection[str]) -> Iterator[Exchange]:
        """The interactions of these ids that are there, by id, with all feedback on them; read page by page."""
        table, ids = schema.interactions, sorted(interactions)
        for start in range(0, len(ids), PAGE):
            page = table.c.id.in_(ids[start : start + PAGE])
            query = select(table.c.body).where(table.c.tenant == tenant, page).order_by(table.c.id)
            with self._database.read() as connection:
                found = with_feedback(connection, tenant, list(connection.scalars(query)))
            yield from found

    def support(self, tenant: str, task: str, before: str | None = None) -> list[str]:
        """Ids of the interactions that teach a task, in the order they were recorded; none where there is no such task.

        Args:
            before: only those that were recorded before this interaction.
        """
        found = self._supports.of(tenant, task)
        if not found:
            self._database.settle()
            found = self._supports.of(tenant, task)
        if before is None:
            return list(found)
        table = schema.interactions
        with self._database.read() as connection:
            number = connection.scalar(select(table.c.sequence).where(table.c.tenant == tenant, table.c.id == before))
        return [name for name, place in found.items() if number is not None and place < number]

    def spoken_of(self, tenant: str, after: Mark) -> frozenset[str]:
        """Ids of the interactions recorded up to a mark that feedback recorded later speaks of, or speaks of no more:
        it was erased."""
        table, said = schema.interactions, schema.feedback
        about = (table.c.tenant == said.c.tenant) & (table.c.id == said.c.interaction)
        older = exists().where(about, table.c.sequence <= after.interaction, table.c.erased.is_(None))
        query = select(said.c.interaction).where(said.c.tenant == tenant, older)  # a join would begin with what is old
        later = query.where(said.c.sequence > after.feedback)
        with self._database.read() as connection:
            return frozenset(connection.scalars(later.union(query.where(said.c.erased.is_not(None)))))

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

    def withdraw(self, tenant: str, user: str, at: datetime) -> Withdrawal:
        """Note that a user withdrew consent, and replace all that they said, and that was said of it, by hashes.

        One transaction. The name goes too: a hash under a key of the workspace stands for it.
        """

        def work(connection: Connection) -> Withdrawal:
            key = make_key(connection)
            alias = note_withdrawal(connection, tenant, user, key, stamp(at))
            erase_rows(connection, tenant, [user], key, at)
            return withdrawal(connection, tenant, alias)

        return self._database.write(work)

    def withdrawn(self, tenant: str) -> Withdrawn:
        """Users who withdrew consent."""
        with self._database.read() as connection:
            return withdrawn(connection, tenant)

    def withdrawn_now(self, connection: Connection, tenant: str) -> Withdrawn:
        """As `withdrawn`, inside the caller's transaction."""
        return withdrawn(connection, tenant)

    def withdrawn_interactions(self, tenant: str) -> frozenset[str]:
        """Ids of the interactions of users who withdrew consent, and of those that they gave feedback on."""
        with self._database.read() as connection:
            left = gone(connection, tenant, sorted(withdrawn(connection, tenant).names))
        return left.said | left.spoken_of

    def erased(self, tenant: str, interaction: str) -> Erased | None:
        """What is left of an interaction whose content was erased; `None` where it was not."""
        table = schema.interactions
        query = select(table.c.body, table.c.erased).where(table.c.tenant == tenant, table.c.id == interaction)
        with self._database.read() as connection:
            row = connection.execute(query.where(table.c.erased.is_not(None))).first()
        return None if row is None else what_is_left(row.body, row.erased)

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

    def held(self, tenant: str) -> int:
        """How many interactions are set aside by refused cycles."""
        table = schema.quarantine
        query = select(func.count()).where(table.c.tenant == tenant, ~table.c.released)
        with self._database.read() as connection:
            return connection.scalar(query) or 0

    def withdrawals(self, tenant: str) -> int:
        """How many users withdrew consent."""
        query = select(func.count()).where(schema.withdrawals.c.tenant == tenant)
        with self._database.read() as connection:
            return connection.scalar(query) or 0

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


def _interaction_rows(interactions: Sequence[Interaction]) -> list[tuple[str | None, ...]]:
    return [(i.tenant, i.id, i.user, to_body(check_interaction(i))) for i in interactions]


def _feedback_rows(feedback: Sequence[Feedback]) -> list[tuple[str | None, ...]]:
    return [(f.tenant, f.id, f.interaction, f.user, to_body(check_feedback(f))) for f in feedback]
