"""Evaluation sets, frozen for good."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, select, update

from onward.core import EvaluationSet, Gone, NotFound, decode, encode
from onward.storage import Storage, schema, stamp


class EvaluationSets:
    """The frozen evaluation sets of a workspace, by tenant, in the order they were frozen."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage

    def put(self, frozen: EvaluationSet) -> str:
        """Store the examples; return the hash to `freeze` them under."""
        return self._storage.blobs.put(encode(replace(frozen, new=False)))

    def freeze(self, connection: Connection, tenant: str, name: str, blob: str, at: datetime) -> None:
        """Make a stored set one that every later candidate is judged on, inside the caller's transaction."""
        connection.execute(insert(schema.evaluation_sets).values(tenant=tenant, name=name, blob=blob, at=stamp(at)))

    def all(self, tenant: str) -> list[EvaluationSet]:
        """Every frozen set of a tenant, oldest first.

        Raises:
            Damaged: one was changed after it was stored.
        """
        return [decode(self._storage.blobs.get(blob), EvaluationSet) for blob in self._stored(tenant)]

    def without(self, tenant: str, gone: Gone) -> Iterator[tuple[str, str]]:
        """Store every set that holds what is gone anew without it. It yields old hash and new hash."""
        for blob in self._stored(tenant):
            try:
                frozen = decode(self._storage.blobs.get(blob), EvaluationSet)
            except NotFound:
                continue
            left = gone.left_of(frozen.examples)
            if left != frozen.examples:
                yield blob, self.put(replace(frozen, examples=left))

    def move(self, connection: Connection, tenant: str, moved: Mapping[str, str]) -> None:
        """Point sets to where they are stored now, inside the caller's transaction."""
        table = schema.evaluation_sets
        for old, new in moved.items():
            connection.execute(update(table).where(table.c.tenant == tenant, table.c.blob == old).values(blob=new))

    def _stored(self, tenant: str) -> list[str]:
        table = schema.evaluation_sets
        query = select(table.c.blob).where(table.c.tenant == tenant).order_by(table.c.sequence)
        with self._storage.database.read() as connection:
            return list(connection.scalars(query))
