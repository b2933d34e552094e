"""Data set versions, kept for good."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from sqlalchemy import Connection, select

from onward.core import DatasetVersion, NotFound, collector_paused, decode, encode
from onward.storage import Storage, insert_into, schema, stamp

KEPT: Final = 3


class Datasets:
    """Every data set version of a workspace, by tenant and id. The last three that were asked for stay in memory."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._decoded = lru_cache(maxsize=KEPT)(self._decode)

    def put(self, dataset: DatasetVersion) -> str:
        """Store the examples; return the hash to `add` the version under."""
        return self._storage.blobs.put(encode(dataset))

    def add(self, connection: Connection, dataset: DatasetVersion, blob: str) -> None:
        """Keep a data set version, inside the caller's transaction. The first one under an id stands."""
        row = {"tenant": dataset.tenant, "id": dataset.id, "created": stamp(dataset.created), "blob": blob}
        connection.execute(insert_into(connection, schema.datasets).values(**row).on_conflict_do_nothing())

    def get(self, tenant: str, dataset: str) -> DatasetVersion:
        """One data set version.

        Raises:
            NotFound: there is none with this id.
            Damaged: it was changed after it was stored.
        """
        table = schema.datasets
        query = select(table.c.blob).where(table.c.tenant == tenant, table.c.id == dataset)
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

    def _decode(self, blob: str) -> DatasetVersion:
        with collector_paused():
            return decode(self._storage.blobs.get(blob), DatasetVersion)
