"""Model versions, aliases and the audit trail. Versions are immutable; the trail is append-only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, Row, bindparam, func, insert, select, true, update

from onward.core import Clock, Damaged, InvalidInput, ModelVersion, NotFound, SetScore, Transition, decode, to_body
from onward.storage import Database, insert_into, schema, stamp

Alias = Literal["champion", "challenger"]
CHAMPION: Alias = "champion"
POINTS_TO: Final = select(schema.aliases.c.version).where(
    schema.aliases.c.tenant == bindparam("tenant"), schema.aliases.c.alias == bindparam("alias")
)  # asked at every prediction, so built once


class Registry:
    """The model registry of a workspace. Every change is one transaction."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def register(self, connection: Connection, version: ModelVersion) -> ModelVersion:
        """Add a version inside the caller's transaction; return it with its number.

        Raises:
            InvalidInput: it holds something that cannot be stored.
        """
        number = connection.execute(
            insert(schema.versions).values(
                tenant=version.tenant,
                dataset=version.dataset,
                artifact=version.artifact,
                cycle=version.cycle,
                created=stamp(version.created),
                pinned=version.pinned,
                body=to_body(version),
            )
        ).inserted_primary_key
        return replace(version, number=int(number[0]) if number else 0)

    def version(self, number: int, tenant: str | None = None) -> ModelVersion:
        """One version.

        Raises:
            NotFound: there is no such number (for this tenant).
        """
        table = schema.versions
        own = true() if tenant is None else table.c.tenant == tenant
        with self._database.read() as connection:
            row = connection.execute(select(table).where(own, table.c.number == number)).first()
            marks = _marks(connection, [number])
            if row is None:
                numbers = connection.scalars(
                    select(table.c.number).where(own).order_by(table.c.number.desc()).limit(10)
                )
                raise NotFound(
                    f"There is no version {number}.", mend="List them with: onward versions", options=map(str, numbers)
                )
        return _version(row, marks)

    def versions(self, tenant: str | None = None) -> list[ModelVersion]:
        """All versions, oldest first; of one tenant where named."""
        table = schema.versions
        query = select(table).order_by(table.c.number)
        query = query if tenant is None else query.where(table.c.tenant == tenant)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            marks = _marks(connection, [row.number for row in rows])
        return [_version(row, marks) for row in rows]

    def learned_from(self, tenant: str, datasets: Collection[str]) -> tuple[int, ...]:
        """Numbers of the versions that learned from these data set versions, or went on from one that did.

        A version went on from its parent where its learner's report says `quick`.
        """
        table = schema.versions
        own = table.c.tenant == tenant
        found: list[int] = []
        with self._database.read() as connection:
            heard = connection.execute(select(table.c.number).where(own, table.c.dataset.in_(sorted(datasets))))
            taught = set(heard.scalars())
            later = select(table).where(own, table.c.number >= min(taught, default=0)).order_by(table.c.number)
            for row in connection.execute(later) if taught else ():
                if row.number in taught or _went_on(_version(row, {}), found):
                    found.append(row.number)
        return tuple(found)

    def count(self, tenant: str) -> int:
        """How many versions a tenant has."""
        query = select(func.count()).where(schema.versions.c.tenant == tenant)
        with self._database.read() as connection:
            return connection.scalar(query) or 0

    def alias(self, tenant: str, alias: Alias = CHAMPION) -> int | None:
        """The number of the version that an alias points to now; `None` when it never pointed anywhere."""
        with self._database.read() as connection:
            return self.alias_now(connection, tenant, alias)

    def alias_now(self, connection: Connection, tenant: str, alias: Alias = CHAMPION) -> int | None:
        """As `alias`, inside the caller's transaction."""
        return _alias(connection, tenant, alias)

    def move(
        self,
        connection: Connection,
        tenant: str,
        version: int,
        *,
        by: str,
        cause: str,
        reason: str,
        alias: Alias = CHAMPION,
    ) -> Transition:
        """Point an alias to a version and write the line of the audit trail, inside the caller's transaction.

        Raises:
            InvalidInput: it points there already, or the version is another tenant's.
        """
        owner = connection.scalar(select(schema.versions.c.tenant).where(schema.versions.c.number == version))
        if owner != tenant:
            raise InvalidInput(
                f"Version {version} is not one of tenant {tenant!r}.", mend="List its own with: onward versions"
            )
        previous = _alias(connection, tenant, alias)
        if previous == version:
            raise InvalidInput(f"Version {version} is {alias} already.", mend="Choose another: onward versions")
        at = self._clock.now()
        values: dict[str, Any] = {"tenant": tenant, "alias": alias, "version": version}
        connection.execute(
            insert_into(connection, schema.aliases)
            .values(**values)
            .on_conflict_do_update(index_elements=["tenant", "alias"], set_={"version": version})
        )
        values |= {"previous": previous, "by": by, "cause": cause, "reason": reason}
        key = connection.execute(insert(schema.transitions).values(**values, at=stamp(at))).inserted_primary_key
        return Transition(**values, sequence=int(key[0]) if key else 0, at=at)

    def history(self, tenant: str, alias: Alias = CHAMPION) -> list[Transition]:
        """The audit trail, oldest first."""
        table = schema.transitions
        query = select(table).where(table.c.tenant == tenant, table.c.alias == alias).order_by(table.c.sequence)
        with self._database.read() as connection:
            return [_transition(row) for row in connection.execute(query)]

    def champion_at(self, tenant: str, at: datetime) -> int | None:
        """The number of the version that was champion at a time; `None` before the first."""
        table = schema.transitions
        query = (
            select(table.c.version)
            .where(table.c.tenant == tenant, table.c.alias == CHAMPION, table.c.at <= stamp(at))
            .order_by(table.c.sequence.desc())
            .limit(1)
        )
        with self._database.read() as connection:
            return connection.scalar(query)

    def standards(self, tenant: str) -> dict[str, SetScore]:
        """Evaluation set -> figures on it of the version that was promoted when it was frozen.

        That is the first in service that learned from the data set of its name; whatever else that taught came later.
        """
        versions = {version.number: version for version in self.versions(tenant)}
        served = dict.fromkeys(one.version for one in self.history(tenant))
        found: dict[str, SetScore] = {}
        for version in map(versions.__getitem__, served):
            for one in version.scorecard.sets if version.scorecard else ():
                if one.name == version.dataset:
                    found.setdefault(one.name, one)
        return found

    def mark(self, numbers: Sequence[int], mark: str) -> None:
        """Note on versions something found out later. Marks are never taken back."""
        rows = [{"version": number, "mark": mark, "at": stamp(self._clock.now())} for number in numbers]
        if rows:
            self._database.write(lambda c: c.execute(insert_into(c, schema.marks).on_conflict_do_nothing(), rows))

    def pin(self, number: int, *, pinned: bool = True) -> ModelVersion:
        """Keep a version from retention, or let it go again."""
        self.version(number)
        table = schema.versions
        self._database.write(lambda c: c.execute(update(table).where(table.c.number == number).values(pinned=pinned)))
        return self.version(number)


def _alias(connection: Connection, tenant: str, alias: Alias) -> int | None:
    return connection.scalar(POINTS_TO, {"tenant": tenant, "alias": alias})


def _marks(connection: Connection, numbers: Sequence[int]) -> Mapping[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    table = schema.marks
    near = table.c.version.between(min(numbers, default=0), max(numbers, default=0))
    for row in connection.execute(select(table).where(near).order_by(table.c.at, table.c.mark)):
        found[row.version] = (*found.get(row.version, ()), row.mark)
    return found


def _version(row: Row[Any], marks: Mapping[int, tuple[str, ...]]) -> ModelVersion:
    stored = decode(row.body, ModelVersion)
    return replace(stored, number=row.number, pinned=row.pinned, marks=marks.get(row.number, ()))


def _went_on(version: ModelVersion, ancestors: Collection[int]) -> bool:
    report = version.config.get("report")
    return version.parent in ancestors and isinstance(report, Mapping) and report.get("quick") is True


def _transition(row: Row[Any]) -> Transition:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    try:
        return Transition(**{**values, "at": datetime.fromisoformat(row.at)})
    except (TypeError, ValueError) as error:
        raise Damaged("A transition is not what was stored.", why=f"{error}.", mend="See: onward doctor") from error
