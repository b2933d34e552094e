"""What a workspace observes of itself, whom it tells, and what it does about it where it was told to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from onward.core import Busy, CycleStatus, Damaged, InvalidInput, OnwardError, Unavailable, log, new_id
from onward.loop import House, Options, run_cycle, unwatched
from onward.monitoring import LearningProgressTracker
from onward.monitoring.alerts import (
    Alert,
    Alerts,
    Answer,
    Delivery,
    Down,
    Message,
    Observation,
    Refused,
    Rule,
    Sent,
    Silence,
    body,
    channels_of,
    deliver_due,
    machine_memory,
    message_of,
    revive,
    rules_of,
    tracked,
    undelivered,
)
from onward.release import predecessor
from onward.storage import hold

from ._forget import finish
from ._service import roll_back

PART: Final = "alerts"
HELD: Final = "promotions"
TRIED: Final[tuple[CycleStatus, ...]] = ("promoted", "kept", "refused", "failed")
FAILED: Final = "failed"
LONGEST: Final = 10 * 365 * 86_400


@dataclass(frozen=True, slots=True)
class Watched:
    """What one look at a tenant changed.

    Args:
        alerts: those that were raised, counted up, resolved, or set something off; as they are now.
        delivered: messages that were taken, of all tenants.
        undelivered: messages of this tenant that wait, or were given up.
    """

    alerts: tuple[Alert, ...] = ()
    delivered: int = 0
    undelivered: tuple[Delivery, ...] = ()


def book_of(house: House) -> Alerts:
    """The alerts of a workspace."""
    return Alerts(house.storage.database, house.clock, house.settings.alerts.channels)


def watch(
    house: House, tenant: str, tracker: LearningProgressTracker, listening: Sequence[LearningProgressTracker] = ()
) -> Watched:
    """See `Workspace.watch`."""
    if not house.settings.alerts.enabled:
        return Watched()
    rules, book = rules_of(house.settings.alerts), book_of(house)
    changed = _go_on(house, tenant, book)
    changed += book.look(tenant, rules, observed(house, tenant, rules, tracker))
    answered = _answer(house, tenant, book)
    if answered:  # what was done shows at once, not with the next look
        changed += [*answered, *book.look(tenant, rules, observed(house, tenant, rules, tracker))]
    found = tuple({alert.id: alert for alert in changed}.values())
    for told in {id(one): one for one in (tracker, *listening)}.values():
        for alert in found:
            told.tell(alert)
    sent = deliver_due(house.storage.database, house.settings.alerts, house.clock)
    _tell_of_channels(house, sent)
    return Watched(found, sent.delivered, tuple(undelivered(house.storage.database, tenant)))


def watch_after(house: House, tenant: str, look: Callable[[], object]) -> None:
    """Look; whatever fails is noted, and harms nobody: what a cycle decided stands."""
    try:
        look()
    except Exception as error:  # noqa: BLE001 - alerts watch over the loop, and must never stop it
        log.warning("alerts failed", tenant=tenant, exc_info=error)
        with suppress(OnwardError):
            house.conditions.note(tenant, PART, f"{type(error).__name__}: {error}")
    else:
        with suppress(OnwardError):
            house.conditions.clear(tenant, PART)


# Observing -----------------------------------------------------------------------------------------------------------


def observed(
    house: House, tenant: str, rules: Sequence[Rule], tracker: LearningProgressTracker
) -> Iterator[Observation]:
    """What is known of a tenant now, of the figures that rules look at.

    Candidates' own accuracies are none of it: a bad one that the gate refused harms nobody.
    """
    figures, settings = {rule.figure for rule in rules}, house.settings.alerts
    places = book_of(house).places(tenant)
    yield from tracked(tracker.store, rules, settings, apart=house.settings.training.learners, places=places)
    if "cycles.failed" in figures:
        yield from _failures(house, tenant)
    yield from (one for one in _moves(house, tenant) if one.figure in figures)
    memory = machine_memory() if "memory" in figures else None
    if memory is not None:
        yield memory


def _failures(house: House, tenant: str) -> Iterator[Observation]:
    """The share of failures among the newest cycles that tried to learn."""
    settings = house.settings.alerts
    newest = house.cycles.newest(tenant, settings.recent_cycles, TRIED)
    if len(newest) >= settings.least_cycles:
        failed = sum(state.result.status == FAILED for state in newest.values())
        share = failed / len(newest)
        yield Observation(figure="cycles.failed", subject="cycles", value=share, place=max(newest))


def _moves(house: House, tenant: str) -> Iterator[Observation]:
    """Promotions by the gate, and rollbacks, of late."""
    since = house.clock.now() - timedelta(days=house.settings.alerts.recent_days)
    for moved in house.registry.history(tenant):
        if moved.at < since:
            continue
        from_where = "" if moved.previous is None else f" in place of {moved.previous}"
        how = "Rolled back: version" if moved.cause == "rollback" else "Version"
        said = f"{how} {moved.version} is in service{from_where}, by {moved.by}: {moved.reason}"
        figure = "rollback" if moved.cause == "rollback" else "promotion"
        if figure == "rollback" or moved.by.startswith("cycle "):
            version, place = float(moved.version), moved.sequence
            yield Observation(figure=figure, subject="champion", value=version, place=place, note=said)


# Acting --------------------------------------------------------------------------------------------------------------


def _answer(house: House, tenant: str, book: Alerts) -> list[Alert]:
    """Do what `[alerts.actions]` says about open alerts, once for each alert; return those that set something off."""
    actions = house.settings.alerts.actions
    wanted = [a for a in book.all(tenant, open_only=True) if a.rule in actions and a.answer is None]
    if not wanted:
        return []
    done = []
    for alert in wanted:
        begun = book.begin(tenant, alert.id, actions[alert.rule], house.registry.alias(tenant))
        if begun is not None:
            done.append(_act(house, tenant, book, begun))
    return done


def _go_on(house: House, tenant: str, book: Alerts) -> list[Alert]:
    """Finish what was begun by a process that died, or found somebody else at work."""
    begun = [a for a in book.all(tenant, open_only=True) if a.answer is not None and a.answer.progress == "begun"]
    return [_act(house, tenant, book, alert) for alert in begun]


def _act(house: House, tenant: str, book: Alerts, alert: Alert) -> Alert:
    answer = alert.answer
    if answer is None or answer.progress != "begun":
        _note_hold(house, tenant, alert)
        return alert
    doing = {"retrain": _retrain, "roll_back": _roll_back}[answer.action]
    try:
        with hold(house.storage.database, f"{PART}:{tenant}", house.clock):
            outcome = doing(house, tenant, alert, answer)
    except (Busy, Unavailable) as error:
        log.info("alert waits", alert=alert.id, action=answer.action, reason=str(error))
        return alert
    except OnwardError as error:
        return book.finish(tenant, alert.id, "failed", str(error))
    return book.finish(tenant, alert.id, "done", outcome)


def _retrain(house: House, tenant: str, alert: Alert, answer: Answer) -> str:
    """A cycle, unless one has run since the alert called for it."""
    since = [one for one in house.cycles.newest(tenant, 1, TRIED).values() if one.result.started > answer.at]
    if since:
        result = since[0].result
    else:
        with suppress(Damaged):  # as in `Workspace.cycle`
            finish(house, tenant, unwatched)
        reason = f"alert {alert.id}: {alert.rule}"
        result = run_cycle(house, tenant, Options(force=True, reason=reason))
    return f"cycle {result.id}: {result.status}"


def _roll_back(house: House, tenant: str, alert: Alert, answer: Answer) -> str:
    """One step back from the version that was in service when the alert called for it; from no other."""
    by = f"alert {alert.id}"
    history = house.registry.history(tenant)
    moved = next((one for one in history if one.by == by), None)
    if moved is None:
        if house.registry.alias(tenant) != answer.champion:
            raise InvalidInput("Another version is in service by now.", mend="Nothing was changed.")
        if alert.acknowledged_by is not None:
            raise InvalidInput(f"{alert.acknowledged_by} had seen it first.", mend="Nothing was changed.")
        to = predecessor(history, answer.champion)  # by number: two that believe they are alone go back one step only
        moved = roll_back(house, to, tenant, by=by, reason=alert.message)
    return f"version {moved.version} was put back into service"


def _note_hold(house: House, tenant: str, alert: Alert) -> None:
    if alert.answer is not None and alert.answer.action == "hold":
        house.conditions.note(tenant, HELD, f"held back by alert {alert.id}; let them go with: onward alerts resume")


def resume(house: House, tenant: str) -> bool:
    """See `Workspace.resume`."""
    held = book_of(house).resume(tenant)
    house.conditions.clear(tenant, HELD)
    return held is not None


# Telling -------------------------------------------------------------------------------------------------------------


def _tell_of_channels(house: House, sent: Sent) -> None:
    """Say in `status` which channels take nothing."""
    for (tenant, channel), error in sent.errors.items():
        house.conditions.note(tenant, f"{PART} by {channel}", error)
    for tenant, channel in sent.worked:
        house.conditions.clear(tenant, f"{PART} by {channel}")


def try_channels(house: House, tenant: str) -> dict[str, str]:
    """See `Workspace.test_channels`."""
    now = house.clock.now()
    alert = Alert(
        id=new_id("al", now),
        tenant=tenant,
        rule="test",
        subject="channels",
        severity="info",
        message="This is a test. Somebody wanted to see whether alerts arrive. Next: onward alerts",
        value=0.0,
        opened=now,
        updated=now,
        resolved=now,
    )
    return {name: _try(send, alert) for name, send in channels_of(house.settings.alerts).items()}


def _try(send: Callable[[Message], None], alert: Alert) -> str:
    one = new_id("dl", alert.opened)
    try:
        send(message_of(one, body(one, "test", alert)))
    except (Down, Refused) as error:
        return str(error)
    return ""


def silence(
    house: House, tenant: str, length: float | timedelta, rule: str | None, subject: str | None, by: str
) -> Silence:
    """See `Workspace.silence`."""
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if not 0 <= seconds <= LONGEST:
        raise InvalidInput(f"Silence for {seconds} s cannot be.", mend=f"Give 0 to {LONGEST:,} seconds.")
    known = set(house.settings.alerts.rules_in_force(all_of_them=True))
    if rule is not None and rule not in known:
        raise InvalidInput(f"There is no rule {rule!r}.", mend="Name one that there is.", options=known)
    return book_of(house).silence(
        tenant, house.clock.now() + timedelta(seconds=seconds), rule=rule, subject=subject, by=by
    )


def redeliver(house: House, tenant: str) -> int:
    """See `Workspace.redeliver`."""
    return revive(house.storage.database, tenant, house.clock.now())
