"""Who taught whom: intervals of places in which an interaction teaches, kept whatever retention drops.

Data set versions of a tenant follow each other by `place`. An interaction that teaches (splits train and validation) in
those of place 3, 4 and 7, while 8 is without it, has one row: start 3, stop 8. So a hundred versions that learned from
much the same interactions cost little more than one, and who learned from an interaction is one look at an index.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from onward.core import DatasetVersion
from onward.storage import schema

AT_ONCE: Final = 500
LESSONS: Final = schema.lessons
Interval = tuple[int, int | None]


def teaching(dataset: DatasetVersion) -> set[str]:
    """Ids of the interactions that a model trained on this data set learns from."""
    return {i for example in dataset.examples if example.split != "evaluation" for i in example.interactions}


def note(connection: Connection, tenant: str, place: int, interactions: Collection[str]) -> None:
    """Note what teaches at a place, inside the caller's transaction. Noting it again changes nothing.

    Out of turn, with later places noted before, it is noted for this place alone.
    """
    held, after = taught_at(connection, tenant, place), _next_noted(connection, tenant, place)
    new = [
        {"tenant": tenant, "interaction": one, "start": place, "stop": after}
        for one in sorted(interactions)
        if one not in held
    ]
    if new:
        connection.execute(insert(LESSONS), new)
    ended = sorted(held.difference(interactions)) if after is None else []
    for some in _pages(ended):
        own = (LESSONS.c.tenant == tenant) & LESSONS.c.interaction.in_(some)
        connection.execute(update(LESSONS).where(own, LESSONS.c.stop.is_(None)).values(stop=place))


def taught_at(connection: Connection, tenant: str, place: int) -> set[str]:
    """Ids of the interactions that teach at a place, as far as it is noted."""
    query = select(LESSONS.c.interaction).where(LESSONS.c.tenant == tenant, _covers(place))
    newest = _next_noted(connection, tenant, place) is None
    return set(connection.scalars(query.where(LESSONS.c.stop.is_(None)) if newest else query))


def intervals(connection: Connection, tenant: str, interactions: Collection[str]) -> set[Interval]:
    """All places in which any of these interactions taught."""
    found: set[Interval] = set()
    for some in _pages(sorted(interactions)):
        own = (LESSONS.c.tenant == tenant) & LESSONS.c.interaction.in_(some)
        found.update((row.start, row.stop) for row in connection.execute(select(LESSONS).where(own)))
    return found


def _covers(place: int) -> ColumnElement[bool]:
    return (LESSONS.c.start <= place) & or_(LESSONS.c.stop.is_(None), LESSONS.c.stop > place)


def _next_noted(connection: Connection, tenant: str, place: int) -> int | None:
    table = schema.datasets
    later = (table.c.tenant == tenant) & (table.c.place > place) & table.c.taught.is_not(None)
    found: int | None = connection.scalar(select(func.min(table.c.place)).where(later))
    return found


def _pages(names: list[str]) -> Iterator[list[str]]:
    return (names[start : start + AT_ONCE] for start in range(0, len(names), AT_ONCE))
