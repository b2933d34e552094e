"""The log of cycles, and what a cycle has finished so far: enough to resume it after its process died."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sqlalchemy import Connection, select

from onward.core import CycleResult, CycleStatus, Mark, NotFound, decode, to_body
from onward.storage import Database, insert_into, next_place, schema, stamp

QUOTED: Final = "erased with what a user said"


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that a cycle has trained and stored, not yet judged."""

    learner: str
    artifact: str
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleState:
    """A cycle as it is stored.

    Args:
        recipe: hash of settings and options: a cycle is resumed only under the same recipe.
        dataset_blob: hash under which its curated data set is stored.
        mark: up to where everything recorded has been looked at, by this cycle or earlier ones.
        sieve: hash of the settings of curation that it was looked at under.
        candidates: what is trained and stored already.
        failures: learner -> why it made no candidate.
    """

    result: CycleResult
    recipe: str
    dataset_blob: str | None = None
    mark: Mark = field(default_factory=Mark)
    sieve: str = ""
    candidates: tuple[Candidate, ...] = ()
    failures: Mapping[str, str] = field(default_factory=dict)


class Cycles:
    """Every cycle of a workspace, in the order in which they began, whatever the clock said."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def save(self, connection: Connection, state: CycleState) -> None:
        """Write a cycle's state inside the caller's transaction.

        Raises:
            InvalidInput: it holds something that cannot be stored.
        """
        result = state.result
        values = {
            "tenant": result.tenant,
            "started": stamp(result.started),
            "status": result.status,
            "body": to_body(state),
        }
        connection.execute(
            insert_into(connection, schema.cycles)
            .values(id=result.id, place=next_place(connection, schema.cycles), **values)
            .on_conflict_do_update(index_elements=["id"], set_=values)
        )

    def erase(self, connection: Connection, tenant: str, moved: Mapping[str, str]) -> None:
        """Point cycles to where data sets have moved, inside the caller's transaction: old hash -> new one.

        What a learner said when it failed on such a data set may quote it, and is replaced.
        """
        table = schema.cycles
        for body in connection.scalars(select(table.c.body).where(table.c.tenant == tenant)).all():
            state = decode(body, CycleState)
            blob = moved.get(state.dataset_blob or "")
            if blob is not None:
                self.save(connection, _without_quotes(replace(state, dataset_blob=blob)))

    def get(self, cycle: str) -> CycleState:
        """One cycle.

        Raises:
            NotFound: there is none with this id.
        """
        with self._database.read() as connection:
            body = connection.scalar(select(schema.cycles.c.body).where(schema.cycles.c.id == cycle))
        if body is None:
            raise NotFound(f"There is no cycle {cycle!r}.", mend="Take the id that `onward cycle` printed.")
        return decode(body, CycleState)

    def all(self, tenant: str) -> list[CycleState]:
        """All cycles of a tenant, oldest first."""
        table = schema.cycles
        query = select(table.c.body).where(table.c.tenant == tenant).order_by(table.c.place)
        with self._database.read() as connection:
            return [decode(body, CycleState) for body in connection.scalars(query)]

    def last(self, tenant: str) -> CycleState | None:
        """The latest cycle of a tenant, whatever came of it."""
        table = schema.cycles
        query = select(table.c.body).where(table.c.tenant == tenant).order_by(table.c.place.desc()).limit(1)
        with self._database.read() as connection:
            body = connection.scalar(query)
        return None if body is None else decode(body, CycleState)

    def newest(self, tenant: str, count: int, statuses: Collection[CycleStatus]) -> dict[int, CycleState]:
        """The latest cycles that ended so, newest first: by places, which count up."""
        table = schema.cycles
        own = (table.c.tenant == tenant) & table.c.status.in_(sorted(statuses))
        query = select(table.c.place, table.c.body).where(own).order_by(table.c.place.desc()).limit(count)
        with self._database.read() as connection:
            return {row.place: decode(row.body, CycleState) for row in connection.execute(query)}

    def unfinished(self, tenant: str) -> CycleState | None:
        """The cycle whose holder died, if there is one."""
        table = schema.cycles
        query = select(table.c.body).where(table.c.tenant == tenant, table.c.status == "running")
        with self._database.read() as connection:
            body = connection.scalar(query.order_by(table.c.place.desc()).limit(1))
        return None if body is None else decode(body, CycleState)

    def last_judged(self, tenant: str) -> CycleState | None:
        """The last cycle that reached a verdict on labels that could be trusted."""
        table = schema.cycles
        query = select(table.c.body).where(
            table.c.tenant == tenant, table.c.status.in_(("promoted", "kept", "refused"))
        )
        with self._database.read() as connection:
            for body in connection.scalars(query.order_by(table.c.place.desc())):
                state = decode(body, CycleState)
                if state.result.verdict is None or state.result.verdict.trusted:
                    return state
        return None


def _without_quotes(state: CycleState) -> CycleState:
    failures = dict.fromkeys(state.failures, QUOTED)
    if state.result.status != "failed":
        return replace(state, failures=failures)
    return replace(state, failures=failures, result=replace(state.result, reason=QUOTED))
