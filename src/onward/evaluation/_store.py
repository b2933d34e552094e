"""Evaluation sets, frozen for good."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, insert, select

from onward.core import EvaluationSet, decode, encode
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
        table = schema.evaluation_sets
        query = select(table.c.blob).where(table.c.tenant == tenant).order_by(table.c.sequence)
        with self._storage.database.read() as connection:
            blobs = list(connection.scalars(query))
        return [decode(self._storage.blobs.get(blob), EvaluationSet) for blob in blobs]
