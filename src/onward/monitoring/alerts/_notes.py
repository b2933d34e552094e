"""What people and alerts lay down until further notice: silences, and a hold on promotions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, delete, select

from onward.core import decode, plain, to_body
from onward.storage import insert_into, schema

from ._records import Alert

NOTES: Final = schema.notes
SILENCE: Final = "silence"
HOLD: Final = "hold"
PROMOTIONS: Final = "promotions"


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """Nobody is told of these alerts, and they set nothing off, until a time. They are kept all the same.

    Args:
        until: when it ends.
        rule, subject: of which; `None` is any.
        by: who wanted it.
    """

    until: datetime
    rule: str | None = None
    subject: str | None = None
    by: str = ""

    def covers(self, alert: Alert, at: datetime) -> bool:
        """Whether nobody is told of this alert at that time."""
        return at < self.until and self.rule in {None, alert.rule} and self.subject in {None, alert.subject}

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON holds it."""
        found: dict[str, Any] = plain(self)
        return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """No cycle promotes anything until it is released.

    Args:
        alert: which one asked for it.
        since: when.
        reason: what the alert said.
    """

    alert: str
    since: datetime
    reason: str

    @property
    def said(self) -> str:
        """Why a cycle keeps the champion."""
        return f"held by alert {self.alert}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON holds it."""
        found: dict[str, Any] = plain(self)
        return found


def silences(connection: Connection, tenant: str) -> list[Silence]:
    """Every silence of a tenant, ended ones too until the next one is laid down."""
    bodies = connection.scalars(select(NOTES.c.body).where(*_own(tenant, SILENCE)).order_by(NOTES.c.name))
    return [decode(body, Silence) for body in bodies]


def put_silence(connection: Connection, tenant: str, silence: Silence, at: datetime) -> None:
    """Lay one down in place of that of the same rule and subject; those that have ended go."""
    kept = [one for one in silences(connection, tenant) if one.until > at]
    connection.execute(delete(NOTES).where(*_own(tenant, SILENCE)))
    for one in (*kept, silence):
        _put(connection, tenant, SILENCE, to_body((one.rule, one.subject)), one)


def held(connection: Connection, tenant: str) -> Hold | None:
    """What holds back promotions, inside the caller's transaction."""
    body = connection.scalar(select(NOTES.c.body).where(*_own(tenant, HOLD)))
    return None if body is None else decode(body, Hold)


def put_hold(connection: Connection, tenant: str, hold: Hold) -> None:
    """Hold promotions back; where something does already, that stays."""
    if held(connection, tenant) is None:
        _put(connection, tenant, HOLD, PROMOTIONS, hold)


def lift_hold(connection: Connection, tenant: str) -> Hold | None:
    """Let promotions go again; return what held them back."""
    found = held(connection, tenant)
    connection.execute(delete(NOTES).where(*_own(tenant, HOLD)))
    return found


def _own(tenant: str, kind: str) -> tuple[Any, Any]:
    return NOTES.c.tenant == tenant, NOTES.c.kind == kind


def _put(connection: Connection, tenant: str, kind: str, name: str, record: Any) -> None:
    body = to_body(record)
    row = insert_into(connection, NOTES).values(tenant=tenant, kind=kind, name=name, body=body)
    connection.execute(row.on_conflict_do_update(index_elements=["tenant", "kind", "name"], set_={"body": body}))
