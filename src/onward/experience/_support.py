"""Which interactions teach a few-shot task: found once in a process, then only among what is new."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final

import msgspec
from sqlalchemy import bindparam, func, select

from onward.core import decode
from onward.storage import Database, schema

_TABLE: Final = schema.interactions
TEACHES: Final = '"part":"support"'  # as canonical JSON has it
"""What the body of a support example holds; another one may hold it too, in a context."""
_NEWEST: Final = select(func.max(_TABLE.c.sequence)).where(_TABLE.c.tenant == bindparam("tenant"))
_LATER: Final = (
    select(_TABLE.c.sequence, _TABLE.c.body)
    .where(_TABLE.c.tenant == bindparam("tenant"))
    .where(_TABLE.c.sequence > bindparam("after"), _TABLE.c.sequence <= bindparam("to"))
    .where(_TABLE.c.body.contains(TEACHES))
    .order_by(_TABLE.c.sequence)
)


class _Taught(msgspec.Struct):
    """As much of an interaction as says which task it teaches."""

    id: str
    task: str | None = None
    part: str | None = None


@dataclass(slots=True)
class _Known:
    """The support examples of one tenant's tasks, up to a row: task -> interaction id -> number of its row."""

    to: int = 0
    tasks: dict[str, dict[str, int]] = field(default_factory=dict)


class Supports:
    """The support examples of every task, by tenant. Safe to share between threads.

    Nothing is stored for it: the first question about a tenant reads through its records, any later one through what
    was recorded since. A row stays where it is for good, so what was found once stays found.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def of(self, tenant: str, task: str) -> dict[str, int]:
        """Ids of the interactions that teach a task -> number of the row, in the order they were recorded."""
        with self._lock:
            known = self._known.setdefault(tenant, _Known())
            with self._database.read() as connection:
                newest = connection.scalar(_NEWEST, {"tenant": tenant}) or 0
                rows = connection.execute(_LATER, {"tenant": tenant, "after": known.to, "to": newest}).all()
            known.to = newest
            for row in rows:
                found = decode(row.body, _Taught)
                if found.task is not None and found.part == "support":
                    known.tasks.setdefault(found.task, {})[found.id] = row.sequence
            return dict(known.tasks.get(task, {}))
