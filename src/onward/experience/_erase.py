"""Replacing what a user said, and what was said of it, by the hash of what was there.

A row keeps its id, tenant and times, and says in `erased` when its content went. Erasing twice is erasing once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Table, bindparam, false, select, update

from onward.core import Feedback, Gone, Interaction, content_hash, decode, encode
from onward.storage import checksum_of, schema, stamp

from ._withdrawn import hashed, is_hashed

PAGE: Final = 500
REASON: Final = "erased with what a user said"
INTERACTIONS: Final = schema.interactions
FEEDBACK: Final = schema.feedback


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A user who withdrew consent.

    Args:
        user: the hash that stands for them.
        gone: their interactions, and those that they gave feedback on.
        place: of the last data set version that may have heard them; `None` where nobody knows.
    """

    user: str
    gone: Gone
    place: int | None


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of a record whose content was erased.

    Args:
        at: when.
        sha256: of what was stored.
    """

    at: datetime
    sha256: str


def erase_rows(connection: Connection, tenant: str, names: Iterable[str], key: str, at: datetime) -> None:
    """Erase what users said, the feedback they gave and the feedback on what they said, in the caller's transaction.

    Args:
        names: theirs, or the hashes that stand for them.
        key: of the hashes.
    """
    when = stamp(at)
    for name in names:
        alias = hashed(key, tenant, name)
        for table, bare in ((INTERACTIONS, _bare_interaction), (FEEDBACK, _bare_feedback)):
            own = (table.c.tenant == tenant) & table.c.user.in_({name, alias})
            _erase(connection, table, own, bare, when, alias)
        own = (INTERACTIONS.c.tenant == tenant) & (INTERACTIONS.c.user == alias)
        on_own = (FEEDBACK.c.tenant == tenant) & FEEDBACK.c.interaction.in_(select(INTERACTIONS.c.id).where(own))
        _erase(connection, FEEDBACK, on_own, _bare_feedback, when, None)
        held = (schema.quarantine.c.tenant == tenant) & schema.quarantine.c.interaction.in_(
            select(INTERACTIONS.c.id).where(own)
        )
        connection.execute(update(schema.quarantine).where(held).values(reason=REASON))


def _erase(
    connection: Connection,
    table: Table,
    own: ColumnElement[bool],
    bare: Callable[[str, str | None], str],
    when: str,
    alias: str | None,
) -> None:
    """Page by page: a user may have said a lot."""
    rest = select(table).where(own, table.c.erased.is_(None) | (table.c.user != alias if alias else false()))
    change = update(table).where(table.c.sequence == bindparam("number"))
    change = change.values({name: bindparam(f"new {name}") for name in ("body", "user", "erased", "checksum")})
    last = 0
    page = rest.order_by(table.c.sequence).limit(PAGE)
    while rows := connection.execute(page.where(table.c.sequence > last)).mappings().all():
        names = [row["user"] if alias is None else alias for row in rows]
        changed = [_changed(row, name, bare, when) for row, name in zip(rows, names, strict=True)]
        connection.execute(change, [_values(table, row) for row in changed])
        last = rows[-1]["sequence"]


def _changed(
    row: Mapping[Any, Any], name: str | None, bare: Callable[[str, str | None], str], when: str
) -> dict[Any, Any]:
    """What becomes of a row; where it was erased before, with somebody else's, only the name changes."""
    if row["erased"] is None:
        return {**row, "user": name, "body": bare(row["body"], name), "erased": when}
    return {**row, "user": name, "body": encode({**decode(row["body"], dict[str, Any]), "user": name}).decode()}


def _values(table: Table, row: Mapping[Any, Any]) -> dict[str, object]:
    """The checksum goes with the content: what it was of is not to be guessed from it."""
    new = {**row, "checksum": checksum_of(table, row)}
    return {"number": row["sequence"]} | {f"new {name}": new[name] for name in ("body", "user", "erased", "checksum")}


def _bare_interaction(body: str, user: str | None) -> str:
    was = decode(body, Interaction)
    left = Interaction(id=was.id, text="", at=was.at, tenant=was.tenant, user=user, source="", context=_hash(body))
    return encode(left).decode()


def _bare_feedback(body: str, user: str | None) -> str:
    was = decode(body, Feedback)
    left = Feedback(id=was.id, interaction=was.interaction, at=was.at, tenant=was.tenant, user=user, remark=_hash(body))
    return encode(left).decode()


def _hash(body: str) -> dict[str, str]:
    return {"sha256": content_hash(body.encode())}


def what_is_left(body: str, at: str) -> Erased:
    """What an erased interaction says of itself."""
    said = decode(body, Interaction).context.get("sha256", "")
    return Erased(datetime.fromisoformat(at), str(said))


def gone(connection: Connection, tenant: str, names: Sequence[str]) -> Gone:
    """The interactions of users who withdrew, and those that they gave feedback on.

    Args:
        names: as they stand in the rows.
    """
    own = select(INTERACTIONS.c.id).where(INTERACTIONS.c.tenant == tenant, INTERACTIONS.c.user.in_(names))
    about = select(FEEDBACK.c.interaction).where(FEEDBACK.c.tenant == tenant, FEEDBACK.c.user.in_(names))
    said = frozenset(connection.scalars(own))
    return Gone(said, frozenset(connection.scalars(about)) - said)


def withdrawal(connection: Connection, tenant: str, user: str) -> Withdrawal:
    """What is stored of a user who withdrew."""
    table = schema.withdrawals
    place = connection.scalar(select(table.c.place).where(table.c.tenant == tenant, table.c.user == user))
    return Withdrawal(user, gone(connection, tenant, [user]), place)


def names_to_erase(connection: Connection, tenant: str, wanted: frozenset[str], key: str) -> list[str]:
    """Names in the rows of a tenant whose hashes are among those wanted."""
    found: set[str] = set()
    for table in (INTERACTIONS, FEEDBACK):
        users = select(table.c.user).where(table.c.tenant == tenant, table.c.user.is_not(None)).distinct()
        found.update(user for user in connection.scalars(users) if hashed(key, tenant, user) in wanted)
    return sorted(name for name in found if not is_hashed(name))
