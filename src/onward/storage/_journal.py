"""Tables that are only added to, as the writer sees them: rows of many callers go in together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Final

from sqlalchemy import Connection, Table

from onward.core import Clock

from ._rows import insert_new, tally
from ._schema import stamp

Record = tuple[str | None, ...]
TENANT: Final = itemgetter(0)
BODY: Final = itemgetter(-1)


@dataclass(frozen=True, slots=True, eq=False)
class Journal:
    """A table that is only added to. A row whose key is there already is left out: the first one stands.

    Args:
        table: with the columns below, `recorded`, and a row in `tallies` for each tenant.
        columns: of the rows that are added; the first is `tenant`, the last is `body`.
        clock: says when a row is recorded. It is asked in the transaction, so that times go up with the sequence.
    """

    table: Table
    columns: tuple[str, ...]
    clock: Clock
    _written: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_written", (*self.columns, "recorded"))

    def add(self, connection: Connection, rows: Sequence[Record]) -> int:
        """Add rows in the caller's transaction; return how many were new. Those of a tenant keep their order."""
        recorded, added = stamp(self.clock.now()), 0
        for tenant, own in groupby(sorted(rows, key=TENANT), key=TENANT):
            new = insert_new(connection, self.table, self._written, [(*row, recorded) for row in own])
            if new:
                tally(connection, tenant, self.table, new)
            added += new
        return added


def weight(rows: Sequence[Record]) -> int:
    """How much text waits with these rows, in characters."""
    return sum(map(len, map(BODY, rows)))
