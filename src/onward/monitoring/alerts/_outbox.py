"""Messages to be sent: stored with the alert that they tell of, and kept until they are delivered or given up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update
from tenacity import RetryCallState, wait_exponential

from onward.config import AlertSettings
from onward.core import Busy, Clock, encode, new_id, plain
from onward.storage import Database, Lease, hold, schema, stamp

from ._channels import Channel, Down, Message, Refused, channels_of
from ._records import Alert

Event = Literal["opened", "escalated", "resolved", "happened", "test"]
State = Literal["waiting", "delivered", "dead"]
LEASE: Final = "alerts:deliveries"
AT_ONCE: Final = 500
RANK: Final = ("", "info", "warning", "critical")
TABLE: Final = schema.deliveries


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A message for one channel.

    Args:
        id: sent with it, the same at every attempt: a receiver that has seen it drops the message.
        tenant, alert, channel: of what, and to whom.
        event: `opened`, `escalated`, `resolved` or `happened`.
        state: `waiting`, `delivered`, or `dead`: given up after `alerts.max_attempts`.
        created, due: when it was stored, and when it is tried next (ISO 8601, UTC).
        attempts: so far.
        error: what the last attempt failed with.
    """

    id: str
    tenant: str
    alert: str
    channel: str
    event: str
    state: State
    created: str
    due: str
    attempts: int
    error: str

    def to_dict(self) -> dict[str, Any]:
        """Every field, as JSON holds it."""
        found: dict[str, Any] = plain(self)
        return found


@dataclass(slots=True)
class Sent:
    """What `deliver_due` did.

    Args:
        delivered: messages that were taken.
        given_up: messages that are dead from now on.
        errors: (tenant, channel) -> what the last attempt failed with, for channels that took nothing last.
        worked: (tenant, channel) of those that took a message last.
    """

    delivered: int = 0
    given_up: int = 0
    errors: dict[tuple[str, str], str] = field(default_factory=dict)
    worked: set[tuple[str, str]] = field(default_factory=set)


def announce(connection: Connection, alert: Alert, *, silenced: bool, channels: Sequence[str], at: datetime) -> Alert:
    """Store what is to be told of an alert, in the transaction that stores the alert; return it as told."""
    event = _event(alert, silenced=silenced)
    if event is None:
        return alert
    told = replace(alert, told=alert.severity)
    for channel in channels:
        one = new_id("dl", at)
        connection.execute(
            insert(TABLE).values(
                tenant=alert.tenant,
                id=one,
                alert=alert.id,
                channel=channel,
                event=event,
                created=stamp(at),
                due=stamp(at),
                attempts=0,
                state="waiting",
                error="",
                body=body(one, event, told),
            )
        )
    return told


def _event(alert: Alert, *, silenced: bool) -> Event | None:
    if alert.is_open:
        worse = not silenced and RANK.index(alert.severity) > RANK.index(alert.told)
        return ("escalated" if alert.told else "opened") if worse else None
    if alert.told:
        return "resolved"
    return "happened" if alert.threshold is None and not silenced else None


def body(delivery: str, event: Event, alert: Alert) -> str:
    """What is sent: JSON with the delivery's id, the event and the alert."""
    return encode({"id": delivery, "event": event, "tenant": alert.tenant, "alert": alert.to_dict()}).decode()


def message_of(delivery: str, said: str) -> Message:
    """A message with a subject of a few words."""
    told = msgspec.json.decode(said)
    alert = told["alert"]
    title = f"{told['event']}: {alert['rule']}, {alert['subject']} ({told['tenant']})"
    return Message(delivery, f"[Onward] {alert['severity']} {title}", said)


def undelivered(database: Database, tenant: str) -> list[Delivery]:
    """The messages of a tenant that wait or were given up, oldest first."""
    query = select(TABLE).where(TABLE.c.tenant == tenant, TABLE.c.state != "delivered").order_by(TABLE.c.sequence)
    with database.read() as connection:
        return [_delivery(row) for row in connection.execute(query)]


def revive(database: Database, tenant: str, at: datetime) -> int:
    """Let everything of a tenant that waits or was given up be tried again now; return how much that is."""
    own = (TABLE.c.tenant == tenant) & (TABLE.c.state != "delivered")
    again = update(TABLE).where(own).values(state="waiting", due=stamp(at), attempts=0)
    return int(database.write(lambda connection: connection.execute(again).rowcount))


def deliver_due(
    database: Database, settings: AlertSettings, clock: Clock, channels: Mapping[str, Channel] | None = None
) -> Sent:
    """Send what is due, of all tenants.

    One process sends at a time, under a lease; another returns at once. A message is marked when it was taken: where a
    process dies in between, the next sends it again, with the same id. A channel that is down is left alone until the
    next call, so that a call takes one `timeout_seconds` for it and not one for each message.

    Args:
        database: of the workspace.
        settings: of the channels, and of the waiting in between.
        clock: what is due.
        channels: in place of those that the settings name.

    Raises:
        Unavailable: the storage cannot be used; what was sent and could not be marked is sent again.
    """
    sent = Sent()
    if not _due(database, clock):
        return sent
    with suppress(Busy), hold(database, LEASE, clock) as lease:
        _deliver(database, lease, settings, clock, channels_of(settings) if channels is None else channels, sent)
    return sent


def _due(database: Database, clock: Clock) -> list[Row[Any]]:
    due = (TABLE.c.state == "waiting") & (TABLE.c.due <= stamp(clock.now()))
    with database.read() as connection:
        return list(connection.execute(select(TABLE).where(due).order_by(TABLE.c.sequence).limit(AT_ONCE)))


def _deliver(
    database: Database,
    lease: Lease,
    settings: AlertSettings,
    clock: Clock,
    channels: Mapping[str, Channel],
    sent: Sent,
) -> None:
    down: set[str] = set()
    for row in _due(database, clock):
        if row.channel in down:
            continue
        error = _attempt(channels, row, down)
        now = clock.now()
        values = _failed(row, error, settings, now) if error else {"state": "delivered", "error": ""}
        _mark(database, lease, row, {"attempts": row.attempts + 1, "due": stamp(now), **values})
        _note(sent, row, error, values)
    if sent.delivered:
        _forget_delivered(database, lease, clock.now() - timedelta(days=settings.keep_days))


def _attempt(channels: Mapping[str, Channel], row: Row[Any], down: set[str]) -> str:
    """What went wrong; empty where it was taken."""
    if row.channel not in channels:
        down.add(row.channel)
        return f"{row.channel} is none of alerts.channels any more"
    try:
        channels[row.channel](message_of(row.id, row.body))
    except Down as error:
        down.add(row.channel)
        return str(error)
    except Refused as error:
        return str(error)
    return ""


def _failed(row: Row[Any], error: str, settings: AlertSettings, now: datetime) -> dict[str, Any]:
    attempts = row.attempts + 1
    state = "dead" if attempts >= settings.max_attempts else "waiting"
    return {"state": state, "error": error, "due": stamp(now + timedelta(seconds=pause(settings, attempts)))}


def pause(settings: AlertSettings, attempts: int) -> float:
    """Seconds until the next attempt, after so many: they double, up to the most that is set.

    >>> [pause(AlertSettings(), attempts) for attempts in (1, 2, 3, 20)]
    [30.0, 60.0, 120.0, 3600.0]
    """
    state = RetryCallState(None, None, (), {})  # type: ignore[arg-type] # it only counts here
    state.attempt_number = attempts
    return float(wait_exponential(multiplier=settings.retry_seconds, max=settings.retry_most_seconds)(state))


def _mark(database: Database, lease: Lease, row: Row[Any], values: Mapping[str, Any]) -> None:
    def work(connection: Connection) -> None:
        lease.guard(connection)
        connection.execute(update(TABLE).where(TABLE.c.sequence == row.sequence).values(**values))

    database.write(work)


def _note(sent: Sent, row: Row[Any], error: str, values: Mapping[str, Any]) -> None:
    who = (row.tenant, row.channel)
    if error:
        sent.given_up += values["state"] == "dead"
        sent.errors[who] = error
        sent.worked.discard(who)
    else:
        sent.delivered += 1
        sent.worked.add(who)
        sent.errors.pop(who, None)


def _forget_delivered(database: Database, lease: Lease, before: datetime) -> None:
    old = (TABLE.c.state == "delivered") & (TABLE.c.due < stamp(before))

    def work(connection: Connection) -> None:
        lease.guard(connection)
        connection.execute(delete(TABLE).where(old))

    database.write(work)


def _delivery(row: Row[Any]) -> Delivery:
    said = row._asdict()
    return Delivery(**{name: said[name] for name in Delivery.__dataclass_fields__})
