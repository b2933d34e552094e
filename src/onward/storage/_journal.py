"""What is only added to, as the writer sees it: rows of many callers go in together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Protocol

from sqlalchemy import Connection, Table

from onward.core import Clock

from ._checksum import checksum
from ._rows import insert_new, tally
from ._schema import stamp

Record = tuple[Any, ...]
TENANT: Final = itemgetter(0)
BODY: Final = itemgetter(-1)


class Intake(Protocol):
    """Takes rows of many callers at once. The last value of a row is a text, the longest part of it."""

    def add(self, connection: Connection, rows: Sequence[Record]) -> int:
        """Add rows in the caller's transaction; return how many were new."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Journal:
    """A table that is only added to. A row whose key is there already is left out: the first one stands.

    Args:
        table: with the columns below, `recorded`, `erased`, `checksum`, and a row in `tallies` for each tenant.
        columns: of the rows that are added, as `COVERED` begins; the first is `tenant`, the last is `body`.
        clock: says when a row is recorded. It is asked in the transaction, so that times go up with the sequence.
    """

    table: Table
    columns: tuple[str, ...]
    clock: Clock
    _written: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_written", (*self.columns, "recorded", "checksum"))

    def add(self, connection: Connection, rows: Sequence[Record]) -> int:
        """Add rows in the caller's transaction; return how many were new. Those of a tenant keep their order."""
        recorded, added = stamp(self.clock.now()), 0
        for tenant, own in groupby(sorted(rows, key=TENANT), key=TENANT):
            summed = [(*row, recorded, checksum((*row, recorded, None))) for row in own]
            new = insert_new(connection, self.table, self._written, summed)
            if new:
                tally(connection, tenant, self.table, new)
            added += new
        return added


def weight(rows: Sequence[Record]) -> int:
    """How much text waits with these rows, in characters."""
    return sum(map(len, map(BODY, rows)))
