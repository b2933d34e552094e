"""Data set versions, kept for good."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from sqlalchemy import Connection, Row, select, update

from onward.core import Damaged, DatasetVersion, Gone, NotFound, collector_paused, decode, encode
from onward.storage import Storage, insert_into, next_place, schema, stamp

from ._lessons import intervals, note, taught_at, teaching

KEPT: Final = 3
TABLE: Final = schema.datasets


class Datasets:
    """Every data set version of a workspace, by tenant and id, and which interactions taught in which of them.

    The last three that were asked for stay in memory.
    """

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._decoded = lru_cache(maxsize=KEPT)(self._decode)

    def put(self, dataset: DatasetVersion) -> str:
        """Store the examples; return the hash to `add` the version under."""
        self.catch_up(dataset.tenant)
        return self._storage.blobs.put(encode(dataset))

    def add(self, connection: Connection, dataset: DatasetVersion, blob: str) -> None:
        """Keep a data set version, and who teaches in it, inside the caller's transaction.

        The first one under an id stands, and so does its place.
        """
        taught, place = teaching(dataset), next_place(connection, TABLE)
        row = {"tenant": dataset.tenant, "id": dataset.id, "created": stamp(dataset.created), "blob": blob}
        new = insert_into(connection, TABLE).values(**row, place=place, taught=len(taught)).on_conflict_do_nothing()
        if connection.execute(new).rowcount:
            note(connection, dataset.tenant, place, taught)

    def get(self, tenant: str, dataset: str) -> DatasetVersion:
        """One data set version.

        Raises:
            NotFound: there is none with this id.
            Damaged: it was changed after it was stored.
        """
        query = select(TABLE.c.blob).where(TABLE.c.tenant == tenant, TABLE.c.id == dataset)
        with self._storage.database.read() as connection:
            blob = connection.scalar(query)
        if blob is None:
            raise NotFound(f"There is no data set version {dataset!r}.", mend="Take the id that `onward show` prints.")
        return self.at(blob)

    def at(self, blob: str) -> DatasetVersion:
        """The data set version stored under a hash.

        Raises:
            Damaged: it was changed after it was stored.
        """
        return self._decoded(blob)

    def taught(self, tenant: str, interactions: Collection[str], up_to: int | None = None) -> frozenset[str]:
        """Ids of the data set versions in which any of these interactions taught, also of those long dropped.

        Args:
            up_to: the place of the last data set version that is asked about.
        """
        self.catch_up(tenant)
        query = select(TABLE.c.id, TABLE.c.place).where(TABLE.c.tenant == tenant, TABLE.c.taught.is_not(None))
        query = query if up_to is None else query.where(TABLE.c.place <= up_to)
        with self._storage.database.read() as connection:
            found = intervals(connection, tenant, interactions)
            rows = connection.execute(query).all() if found else []
        return frozenset(r.id for r in rows if any(a <= r.place and (b is None or r.place < b) for a, b in found))

    def how_many_taught(self, tenant: str, dataset: str) -> int | None:
        """How many interactions taught in a data set version; `None`: it was dropped before that was noted."""
        self.catch_up(tenant)
        query = select(TABLE.c.taught).where(TABLE.c.tenant == tenant, TABLE.c.id == dataset)
        with self._storage.database.read() as connection:
            return connection.scalar(query)

    def catch_up(self, tenant: str) -> None:
        """Note who taught in data set versions that an older Onward, or the rebuilding of a lost database, left behind.

        One after the other, each in a transaction of its own. Those that retention has dropped stay unknown; what
        taught before and after them is taken to have taught in them too.
        """
        behind = select(TABLE).where(TABLE.c.tenant == tenant, TABLE.c.taught.is_(None)).order_by(TABLE.c.place)
        with self._storage.database.read() as connection:
            rows = connection.execute(behind).all()
        for row in rows:
            self._catch_up(row)

    def _catch_up(self, row: Row[Any]) -> None:
        try:
            taught = teaching(self._decode(row.blob))
        except NotFound:
            return
        own = (TABLE.c.tenant == row.tenant) & (TABLE.c.id == row.id)

        def work(connection: Connection) -> None:
            if connection.execute(
                update(TABLE).where(own, TABLE.c.taught.is_(None)).values(taught=len(taught))
            ).rowcount:
                note(connection, row.tenant, row.place, taught)

        self._storage.database.write(work)

    def unnoted(self, tenant: str) -> Iterator[tuple[str, frozenset[str]]]:
        """Ids of the data set versions that are stored, and which interactions teach in them without being noted."""
        query = select(TABLE).where(TABLE.c.tenant == tenant, TABLE.c.taught.is_not(None)).order_by(TABLE.c.place)
        with self._storage.database.read() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            try:
                taught = teaching(self._decode(row.blob))
            except (NotFound, Damaged):
                continue
            with self._storage.database.read() as connection:
                yield row.id, frozenset(taught - taught_at(connection, tenant, row.place))

    def note_again(self, tenant: str, dataset: str) -> None:
        """Note who teaches in a data set version that is stored."""
        taught = teaching(self.get(tenant, dataset))
        own = (TABLE.c.tenant == tenant) & (TABLE.c.id == dataset)

        def work(connection: Connection) -> None:
            place = connection.scalar(select(TABLE.c.place).where(own))
            if place is not None:
                noted = taught_at(connection, tenant, place)
                note(connection, tenant, place, taught | noted)

        self._storage.database.write(work)

    def owners(self, dataset: str) -> set[str]:
        """The tenants that have a data set version under an id."""
        with self._storage.database.read() as connection:
            return set(connection.scalars(select(TABLE.c.tenant).where(TABLE.c.id == dataset)))

    def without(self, tenant: str, gone: Gone, also: Iterable[str]) -> Iterator[tuple[str, str]]:
        """Store every data set version of a tenant that is stored, and holds what is gone, anew without it.

        Args:
            also: hashes of others: where a cycle curated the same again, it names its own.

        Yields:
            The hash it was stored under, and the one it is stored under now. Ids stay, for the audit.
        """
        with self._storage.database.read() as connection:
            blobs = set(connection.scalars(select(TABLE.c.blob).where(TABLE.c.tenant == tenant)))
        for blob in sorted(blobs.union(also)):
            try:
                dataset = self._decode(blob)
            except NotFound:
                continue
            left = gone.left_of(dataset.examples)
            if left != dataset.examples:
                yield blob, self._storage.blobs.put(encode(replace(dataset, examples=left)))

    def move(self, connection: Connection, tenant: str, moved: Mapping[str, str]) -> None:
        """Point data set versions to where they are stored now, inside the caller's transaction."""
        for old, new in moved.items():
            own = (TABLE.c.tenant == tenant) & (TABLE.c.blob == old)
            connection.execute(update(TABLE).where(own).values(blob=new))

    def _decode(self, blob: str) -> DatasetVersion:
        with collector_paused():
            return decode(self._storage.blobs.get(blob), DatasetVersion)
