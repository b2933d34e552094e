"""Do the records that name each other agree?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from sqlalchemy import Connection, insert, select, update

from onward.core import Clock, ModelVersion, NotFound
from onward.release._ailment import FROM_BACK_UP, Ailment, Found
from onward.release._books import Books
from onward.storage import Storage, schema, stamp

Alias = tuple[str, str]


def check_links(storage: Storage, books: Books, clock: Clock) -> Iterator[Found]:
    """Data sets of versions, the chain of transitions, aliases, cycles and leases."""
    yield from _datasets(books)
    yield from _chain(books)
    with storage.database.read() as connection:
        table = schema.aliases
        aliases = {(row.tenant, row.alias): row.version for row in connection.execute(select(table))}
        unfinished = list(_unfinished(connection, stamp(clock.now())))
    yield from _aliases(storage, books, aliases)
    yield from unfinished


def _datasets(books: Books) -> Iterator[Found]:
    for number, version in books.versions.items():
        if (version.tenant, version.dataset) not in books.datasets:
            what = f"Its data set version {version.dataset[:12]} has no record."
            yield Found(Ailment(kind="missing", where=f"version {number}", what=what, mend=FROM_BACK_UP))


def _chain(books: Books) -> Iterator[Found]:
    before: dict[Alias, int] = {}
    for move in books.transitions:
        alias = (move.tenant, move.alias)
        if move.previous != before.get(alias):
            what = f"It says that {move.alias} was {move.previous} before; the trail says {before.get(alias)}."
            where = f"transition {move.sequence}"
            yield Found(Ailment(kind="disagrees", where=where, what=what, mend=FROM_BACK_UP))
        before[alias] = move.version


def _aliases(storage: Storage, books: Books, aliases: dict[Alias, int]) -> Iterator[Found]:
    trail = {(move.tenant, move.alias): move.version for move in books.transitions}
    for alias in sorted(alias for alias in {*aliases, *trail} if aliases.get(alias) != trail.get(alias)):
        where, points = f"alias {alias[1]} of {alias[0]}", aliases.get(alias)
        led = books.versions.get(trail.get(alias, 0))
        if led is None:
            what, mend = f"It points to {points}, and no transition says so.", FROM_BACK_UP
            yield Found(Ailment(kind="disagrees", where=where, what=what, mend=mend))
        else:
            what = f"It points to {points}; the trail leads to {led.number}."
            mend = "Follow the trail: onward doctor --mend"
            ailment = Ailment(kind="disagrees", where=where, what=what, mend=mend)
            yield Found(ailment, partial(_follow, storage, alias, led))


def _follow(storage: Storage, alias: Alias, version: ModelVersion) -> None:
    """Point the alias where the trail leads, if it leads there still and what is there is whole."""
    storage.blobs.folder(version.artifact)
    storage.database.write(_pointing(alias, version.number))


def _pointing(alias: Alias, number: int) -> Callable[[Connection], None]:
    moves, table = schema.transitions, schema.aliases
    tenant, name = alias

    def work(connection: Connection) -> None:
        last = select(moves.c.version).where(moves.c.tenant == tenant, moves.c.alias == name)
        if connection.scalar(last.order_by(moves.c.sequence.desc()).limit(1)) != number:
            raise NotFound("Somebody moved the alias meanwhile.", mend="Look again: onward doctor")
        own = update(table).where(table.c.tenant == tenant, table.c.alias == name)
        if not connection.execute(own.values(version=number)).rowcount:
            connection.execute(insert(table).values(tenant=tenant, alias=name, version=number))

    return work


def _unfinished(connection: Connection, now: str) -> Iterator[Found]:
    leases = connection.execute(select(schema.leases)).all()
    held = {lease.name for lease in leases if lease.expires > now}
    running = select(schema.cycles.c.id, schema.cycles.c.tenant).where(schema.cycles.c.status == "running")
    for cycle in connection.execute(running):
        if f"cycle:{cycle.tenant}" not in held:
            what, mend = "Nobody works on it.", "It goes on with the next: onward cycle"
            where = f"cycle {cycle.id}"
            yield Found(Ailment(kind="unfinished", where=where, what=what, mend=mend, grave=False))
    for lease in leases:
        if lease.expires and lease.expires <= now:
            what = f"{lease.holder} held it until {lease.expires} and did not give it back."
            mend, where = "The next holder takes it over by itself.", f"lease {lease.name}"
            yield Found(Ailment(kind="left over", where=where, what=what, mend=mend, grave=False))
