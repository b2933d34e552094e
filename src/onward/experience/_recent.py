"""What was recorded between two marks, read page by page: only what can teach is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, bindparam, exists, select

from onward.core import Feedback, Interaction, Labels, Mark, decode, encode
from onward.storage import Database, schema

Exchange = tuple[Interaction, list[Feedback]]

PAGE: Final = 500
SILENT: Final = encode(Labels())
_TABLE, _SAID = schema.interactions, schema.feedback
_SPOKEN_OF: Final = exists().where(_SAID.c.tenant == _TABLE.c.tenant, _SAID.c.interaction == _TABLE.c.id)
_PAGE: Final = (
    select(_TABLE.c.sequence, _TABLE.c.body, _SPOKEN_OF.label("spoken_of"))
    .where(_TABLE.c.tenant == bindparam("tenant"))
    .where(_TABLE.c.sequence > bindparam("after"), _TABLE.c.sequence < bindparam("below"))
    .order_by(_TABLE.c.sequence.desc())
    .limit(PAGE)
)


class _Labelled(msgspec.Struct):
    """As much of an interaction as says whether it has labels: the rest is skipped, in a tenth of the time."""

    labels: msgspec.Raw = msgspec.Raw()


@dataclass(slots=True)
class Recent:
    """What was recorded between two marks and can teach, the latest first, with all feedback on it.

    Args:
        after, to: only what was recorded after the one and up to the other is read.
        passed: how many it has passed over so far: nobody gave them a label or spoke of them.
    """

    database: Database
    tenant: str
    after: Mark
    to: Mark
    passed: int = 0

    def __iter__(self) -> Iterator[Exchange]:
        below, read = self.to.interaction + 1, PAGE
        while read == PAGE:
            with self.database.read() as connection:
                rows = connection.execute(
                    _PAGE, {"tenant": self.tenant, "after": self.after.interaction, "below": below}
                ).all()
                found = self._exchanges(connection, rows)
            yield from found
            read = len(rows)
            below = rows[-1].sequence if rows else below

    def _exchanges(self, connection: Connection, rows: Sequence[Row[Any]]) -> list[Exchange]:
        teaching = [row.body for row in rows if row.spoken_of or _is_labelled(row.body)]
        self.passed += len(rows) - len(teaching)
        return with_feedback(connection, self.tenant, teaching)


def with_feedback(connection: Connection, tenant: str, bodies: Sequence[str]) -> list[Exchange]:
    """Interactions as they are stored, decoded, with all feedback on them, in the order it was recorded.

    It is put in order here: SQLite, asked for order, reads all feedback of the tenant in order and drops the rest.
    """
    found = [decode(body, Interaction) for body in bodies]
    if not found:
        return []
    about = _SAID.c.interaction.in_([one.id for one in found])
    query = select(_SAID.c.sequence, _SAID.c.body).where(_SAID.c.tenant == tenant, about)
    said: dict[str, list[Feedback]] = {}
    for row in sorted(connection.execute(query), key=itemgetter(0)):
        one = decode(row.body, Feedback)
        said.setdefault(one.interaction, []).append(one)
    return [(one, said.get(one.id, [])) for one in found]


def _is_labelled(body: str) -> bool:
    return bytes(decode(body, _Labelled).labels) != SILENT
