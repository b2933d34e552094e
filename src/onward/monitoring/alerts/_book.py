"""The alerts of a workspace: durable, each change one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import Connection, select

from onward.config import Action
from onward.core import Clock, InvalidInput, NotFound, decode, to_body
from onward.storage import Database, insert_into, schema, stamp

from ._notes import Hold, Silence, held, lift_hold, put_hold, put_silence, silences
from ._outbox import announce
from ._records import Alert, Answer, Observation, Rule, Standing
from ._watchman import Key, Watchman

ALERTS: Final = schema.alerts
STANDINGS: Final = schema.standings
OVER: Final = "the alert was over before it was known to be done"


class Alerts:
    """Alerts, silences and holds of all tenants. Safe to share between threads, and between processes.

    Args:
        database: of the workspace.
        clock: the time of everything.
        channels: who is told: a message for each is stored with the alert that it tells of.
    """

    def __init__(self, database: Database, clock: Clock, channels: Sequence[str] = ()) -> None:
        self._database, self._clock, self._channels = database, clock, tuple(channels)

    def look(self, tenant: str, rules: Iterable[Rule], observations: Iterable[Observation]) -> tuple[Alert, ...]:
        """Hold observations against rules where the last look left off; return the alerts that changed."""
        rules, observations = tuple(rules), tuple(observations)

        def work(connection: Connection) -> tuple[Alert, ...]:
            before, standings = _open(connection, tenant), _standings(connection, tenant)
            watchman = Watchman(rules, tenant=tenant, clock=self._clock, standings=standings, alerts=before)
            now = {alert.id: alert for alert in (*before, *watchman.look(observations))}
            _save_standings(connection, tenant, standings, watchman.standings)
            known = {alert.id: alert for alert in before}
            found = [self._tell(connection, alert) for alert in now.values()]
            changed = tuple(alert for alert in found if alert != known.get(alert.id))
            for alert in changed:
                _save(connection, alert)
            return changed

        return self._database.write(work)

    def _tell(self, connection: Connection, alert: Alert) -> Alert:
        now = self._clock.now()
        quiet = any(silence.covers(alert, now) for silence in silences(connection, alert.tenant))
        if not alert.is_open and alert.answer is not None and alert.answer.progress == "begun":
            alert = replace(alert, answer=replace(alert.answer, progress="failed", outcome=OVER))
        return announce(connection, alert, silenced=quiet, channels=self._channels, at=now)

    def all(self, tenant: str, *, open_only: bool = False) -> list[Alert]:
        """The alerts of a tenant, oldest first."""
        with self._database.read() as connection:
            return _open(connection, tenant) if open_only else _alerts(connection, ALERTS.c.tenant == tenant)

    def places(self, tenant: str) -> dict[tuple[str, str], int]:
        """(Rule, subject) -> the place of the newest observation that was looked at."""
        with self._database.read() as connection:
            return {key: standing.place for key, standing in _standings(connection, tenant).items()}

    def acknowledge(self, tenant: str, alert: str, by: str) -> Alert:
        """Note that somebody has seen an alert: it sets nothing off from now on. What happened is over with that.

        Acknowledging again changes nothing.

        Raises:
            NotFound: there is no such alert; the open ones are named.
            InvalidInput: nobody is named.
        """
        if not by.strip():
            raise InvalidInput("Nobody is named.", mend="Say who has seen it.")

        def work(connection: Connection) -> Alert:
            found = _one(connection, tenant, alert)
            if found.acknowledged_by is not None:
                return found
            now = self._clock.now()
            found = replace(found, acknowledged_by=by, acknowledged_at=now, updated=now)
            if found.is_open and found.threshold is None:
                found = self._tell(connection, replace(found, resolved=now))
            _save(connection, found)
            return found

        return self._database.write(work)

    def silence(
        self, tenant: str, until: datetime, *, rule: str | None = None, subject: str | None = None, by: str = ""
    ) -> Silence:
        """Tell nobody of the alerts of a rule, of a subject, or of a rule on a subject, until a time; see `Silence`.

        A time that has passed ends the silence of the same rule and subject.

        Raises:
            InvalidInput: neither rule nor subject is named, or the time has no time zone.
        """
        if rule is None and subject is None:
            raise InvalidInput("Neither a rule nor a subject is named.", mend="Name one, or both.")
        if until.tzinfo is None:
            raise InvalidInput("The time has no time zone.", mend="Give an aware datetime.")
        silence = Silence(until=until, rule=rule, subject=subject, by=by)
        self._database.write(lambda connection: put_silence(connection, tenant, silence, self._clock.now()))
        return silence

    def silences(self, tenant: str) -> list[Silence]:
        """The silences that last."""
        now = self._clock.now()
        with self._database.read() as connection:
            return [one for one in silences(connection, tenant) if one.until > now]

    def hold(self, tenant: str) -> Hold | None:
        """What holds back promotions."""
        with self._database.read() as connection:
            return held(connection, tenant)

    def resume(self, tenant: str) -> Hold | None:
        """Let promotions go again; return what held them back."""
        return self._database.write(lambda connection: lift_hold(connection, tenant))

    # Answers ---------------------------------------------------------------------------------------------------------

    def begin(self, tenant: str, alert: str, action: Action, champion: int | None) -> Alert | None:
        """Note that an alert sets something off, before it does; `None` where it must not.

        It must not where it did before, is over, was seen by somebody, or is silenced. A hold is laid down by the same
        transaction, and needs nothing more.
        """

        def work(connection: Connection) -> Alert | None:
            found, now = _one(connection, tenant, alert), self._clock.now()
            quiet = any(silence.covers(found, now) for silence in silences(connection, tenant))
            if not found.is_open or found.acknowledged_by is not None or found.answer is not None or quiet:
                return None
            answer = Answer(action=action, progress="begun", at=now, champion=champion)
            if action == "hold":
                put_hold(connection, tenant, Hold(alert=alert, since=now, reason=found.message))
                answer = replace(answer, progress="done", outcome="promotions are held back")
            found = replace(found, answer=answer, updated=now)
            _save(connection, found)
            return found

        return self._database.write(work)

    def finish(self, tenant: str, alert: str, progress: Literal["done", "failed"], outcome: str) -> Alert:
        """Note what came of what an alert set off.

        Raises:
            NotFound: there is no such alert.
        """

        def work(connection: Connection) -> Alert:
            found = _one(connection, tenant, alert)
            if found.answer is not None and found.answer.progress == "begun":
                answer = replace(found.answer, progress=progress, outcome=outcome)
                found = replace(found, answer=answer, updated=self._clock.now())
                _save(connection, found)
            return found

        return self._database.write(work)


def _alerts(connection: Connection, *which: Any) -> list[Alert]:
    bodies = connection.scalars(select(ALERTS.c.body).where(*which).order_by(ALERTS.c.sequence))
    return [decode(body, Alert) for body in bodies]


def _open(connection: Connection, tenant: str) -> list[Alert]:
    return _alerts(connection, ALERTS.c.tenant == tenant, ALERTS.c.resolved.is_(None))


def _one(connection: Connection, tenant: str, alert: str) -> Alert:
    found = _alerts(connection, ALERTS.c.tenant == tenant, ALERTS.c.id == alert)
    if not found:
        raise NotFound(
            f"There is no alert {alert!r}.",
            mend="List them with: onward alerts",
            options=[one.id for one in _open(connection, tenant)],
        )
    return found[0]


def _save(connection: Connection, alert: Alert) -> None:
    changes = {"resolved": None if alert.resolved is None else stamp(alert.resolved), "body": to_body(alert)}
    row = insert_into(connection, ALERTS).values(
        tenant=alert.tenant, id=alert.id, rule=alert.rule, subject=alert.subject, **changes
    )
    connection.execute(row.on_conflict_do_update(index_elements=["id"], set_=changes))


def _standings(connection: Connection, tenant: str) -> dict[Key, Standing]:
    rows = connection.execute(select(STANDINGS).where(STANDINGS.c.tenant == tenant))
    return {(row.rule, row.subject): Standing(row.place, row.bad, row.critical, row.calm) for row in rows}


def _save_standings(
    connection: Connection, tenant: str, before: Mapping[Key, Standing], now: Mapping[Key, Standing]
) -> None:
    key = ["tenant", "rule", "subject"]
    for (rule, subject), standing in now.items():
        if before.get((rule, subject)) != standing:
            values = {name: getattr(standing, name) for name in ("place", "bad", "critical", "calm")}
            row = insert_into(connection, STANDINGS).values(tenant=tenant, rule=rule, subject=subject, **values)
            connection.execute(row.on_conflict_do_update(index_elements=key, set_=values))
