"""What the rows of one moment say of versions, data sets and cycles, and so what must stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import Connection, Row, select, true

from onward.core import Damaged, InvalidInput, ModelVersion, Transition, Verdict, convert, decode
from onward.storage import schema

from ._expendable import predecessor
from ._snapshots import named

T = TypeVar("T")
CHAMPION: Final = "champion"
JUDGED: Final = frozenset({"promoted", "kept", "refused"})
CYCLES: Final = schema.cycles
IN_ORDER: Final = select(schema.transitions).order_by(schema.transitions.c.sequence)


@dataclass(frozen=True, slots=True)
class Books:
    """What one moment's rows say of versions, data sets and cycles.

    Args:
        versions: of all tenants, by number; their marks are left out.
        datasets: (tenant, id) -> hash of the blob.
        newest: tenant -> hash of its newest data set version.
        evaluation_sets: hashes of their blobs -> name.
        transitions: in order.
        running: blobs and artifacts that unfinished cycles have stored so far.
        judged: tenant -> hash of the data set version that its last cycles with a verdict had, back to one trusted.
    """

    versions: Mapping[int, ModelVersion]
    datasets: Mapping[tuple[str, str], str]
    newest: Mapping[str, str]
    evaluation_sets: Mapping[str, str]
    transitions: tuple[Transition, ...]
    running: frozenset[str]
    judged: frozenset[str]

    def champions(self) -> dict[str, int]:
        """Tenant -> the version in service, by the audit trail."""
        return {move.tenant: move.version for move in self.transitions if move.alias == CHAMPION}

    def history(self, tenant: str) -> list[Transition]:
        """The champion's moves of a tenant."""
        return [move for move in self.transitions if move.tenant == tenant and move.alias == CHAMPION]

    def protected(self) -> list[ModelVersion]:
        """The versions that are never dropped: champions, what a rollback would go to, pinned ones."""
        numbers: set[int | None] = {version.number for version in self.versions.values() if version.pinned}
        for tenant, champion in self.champions().items():
            numbers |= {champion, predecessor(self.history(tenant), champion)}
        return [version for number, version in self.versions.items() if number in numbers]

    def needed(self, versions: Iterable[ModelVersion]) -> set[str]:
        """Blobs and artifacts that must stay as long as these versions do."""
        kept = list(versions)
        learned = {self.datasets[v.tenant, v.dataset] for v in kept if (v.tenant, v.dataset) in self.datasets}
        artifacts = {version.artifact for version in kept}
        return learned | artifacts | self.running | self.judged | set(self.newest.values()) | set(self.evaluation_sets)


def read_books(connection: Connection, *, lenient: bool = False, tenant: str | None = None) -> Books:
    """The books as a reader sees them.

    Args:
        lenient: leave out what cannot be read, instead of raising.
        tenant: whose cycles say what was judged; of the others', only what is running is read.

    Raises:
        Damaged: a record is not what was stored.
    """
    skipped = Damaged if lenient else ()
    datasets = connection.execute(select(schema.datasets).order_by(schema.datasets.c.place)).all()
    versions = _made(connection.execute(select(schema.versions)), _version, skipped)
    transitions = _made(connection.execute(IN_ORDER), _transition, skipped)
    own = true() if tenant is None else CYCLES.c.tenant == tenant
    unfinished = connection.execute(select(CYCLES).where(schema.RUNNING))
    ended = connection.execute(select(CYCLES).where(own, CYCLES.c.status.in_(JUDGED)).order_by(CYCLES.c.place.desc()))
    return Books(
        versions={version.number: version for version in versions},
        datasets={(row.tenant, row.id): row.blob for row in datasets},
        newest={row.tenant: row.blob for row in datasets},
        evaluation_sets={row.blob: row.name for row in connection.execute(select(schema.evaluation_sets))},
        transitions=tuple(transitions),
        running=_held(_made(unfinished, _cycle, skipped)),
        judged=_judged(ended, skipped),
    )


def needed_now(connection: Connection) -> set[str]:
    """Blobs and artifacts that are never dropped, as far as the rows can be read."""
    books = read_books(connection, lenient=True)
    return books.needed(books.protected())


def _version(row: Row[Any]) -> ModelVersion:
    return replace(decode(row.body, ModelVersion), number=row.number, pinned=row.pinned)


def _transition(row: Row[Any]) -> Transition:
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    return Transition(**{**values, "at": datetime.fromisoformat(row.at)})


@dataclass(frozen=True, slots=True)
class Cycle:
    """What a cycle says of what is stored."""

    tenant: str
    blobs: frozenset[str]
    artifacts: frozenset[str]
    trusted: bool


def _cycle(row: Row[Any]) -> Cycle:
    blobs, artifacts = named("cycles", {"body": row.body})
    verdict = decode(row.body, dict[str, Any])["result"].get("verdict")
    trusted = verdict is None or convert(verdict, Verdict).trusted
    return Cycle(row.tenant, frozenset(blobs), frozenset(artifacts), trusted)


def _held(running: Iterable[Cycle]) -> frozenset[str]:
    """What unfinished cycles name."""
    return frozenset(name for cycle in running for name in cycle.blobs | cycle.artifacts)


def _judged(rows: Iterable[Row[Any]], skipped: type[Damaged] | tuple[()]) -> frozenset[str]:
    """The data sets of each tenant's last verdicts, back to one trusted; what came before is not even decoded.

    Args:
        rows: cycles that ended with a verdict, the newest first.
    """
    judged: set[str] = set()
    settled: set[str] = set()
    for cycle in _made((row for row in rows if row.tenant not in settled), _cycle, skipped):
        judged |= cycle.blobs
        if cycle.trusted:
            settled.add(cycle.tenant)
    return frozenset(judged)


def _made(rows: Iterable[Row[Any]], make: Callable[[Row[Any]], T], skipped: type[Damaged] | tuple[()]) -> Iterator[T]:
    for row in rows:
        try:
            made = make(row)
        except skipped:
            continue
        except (ValueError, KeyError, TypeError, AttributeError, InvalidInput) as error:
            if not skipped:
                raise Damaged("A record is not what was stored.", why=f"{error}.", mend="See: onward doctor") from error
            continue
        yield made
