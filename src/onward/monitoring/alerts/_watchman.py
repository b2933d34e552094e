"""The rule engine: observations in, changed alerts out. Touches no clock but its own and no storage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from onward.config import Severity
from onward.core import Clock, SystemClock, new_id

from ._records import Alert, Observation, Rule, Standing
from ._words import measure, message

Key = tuple[str, str]
"""A rule's name and a subject."""


class Watchman:
    """Holds observations against rules. Not safe for several threads at once.

    Hysteresis: an alert is raised after `times` observations in a row beyond `raise_at`, and ends after as many at
    `clear_at` or calmer; what lies between ends both counts and changes nothing. There is never more than one open
    alert of a rule and a subject: what calls for it again counts up on it.

    Args:
        rules: what to look for.
        tenant: whose alerts these are.
        clock: the time of alerts.
        standings: where it left off.
        alerts: those that are open.

    >>> rule = Rule(name="slow", figure="latency", when="above", raise_at=200, clear_at=160, critical_at=500)
    >>> watchman = Watchman([rule])
    >>> def see(value: float) -> list[tuple[str, int, bool]]:
    ...     found = watchman.look([Observation(figure="latency", subject="api", value=value)])
    ...     return [(alert.severity, alert.times, alert.is_open) for alert in found]
    >>> see(190), see(210), see(600), see(180), see(150)
    ([], [('warning', 1, True)], [('critical', 2, True)], [], [('critical', 2, False)])
    """

    def __init__(
        self,
        rules: Iterable[Rule],
        *,
        tenant: str = "default",
        clock: Clock | None = None,
        standings: Mapping[Key, Standing] | None = None,
        alerts: Iterable[Alert] = (),
    ) -> None:
        self.rules = tuple(rules)
        self.standings = dict(standings or {})
        self.open = {(alert.rule, alert.subject): alert for alert in alerts if alert.is_open}
        self._tenant, self._clock = tenant, clock or SystemClock()

    def look(self, observations: Iterable[Observation]) -> tuple[Alert, ...]:
        """Take in observations, oldest first; return the alerts that changed, as they are now."""
        changed: dict[str, Alert] = {alert.id: alert for alert in self._without_rule()}
        for seen in observations:
            for rule in self.rules:
                if rule.figure == seen.figure:
                    found = self._look_at(rule, seen)
                    if found is not None:
                        changed[found.id] = found
        return tuple(changed.values())

    def _look_at(self, rule: Rule, seen: Observation) -> Alert | None:
        key = (rule.name, seen.subject)
        standing, measured = self.standings.get(key, Standing()), measure(rule, seen)
        if measured is None or (seen.place is not None and seen.place <= standing.place):
            return None
        place = standing.place if seen.place is None else seen.place
        if rule.when == "happens":
            self.standings[key] = replace(standing, place=place)
            return self._happened(key, rule, seen)
        standing = self.standings[key] = _counted(rule, standing, measured, place)
        found = self.open.get(key)
        if found is None:
            return self._raise(key, rule, seen, standing, measured) if standing.bad >= rule.times else None
        if standing.calm >= rule.times:
            return self._resolve(key, found, seen.value)
        return self._again(key, rule, seen, standing, measured) if standing.bad else None

    def _raise(self, key: Key, rule: Rule, seen: Observation, standing: Standing, measured: float) -> Alert:
        now = self._clock.now()
        self.open[key] = alert = Alert(
            id=new_id("al", now),
            tenant=self._tenant,
            rule=rule.name,
            subject=seen.subject,
            severity=_severity(rule, standing, rule.severity),
            message=message(rule, seen, measured),
            value=seen.value,
            threshold=None if rule.when == "happens" else rule.raise_at,
            baseline=seen.baseline,
            opened=now,
            updated=now,
        )
        return alert

    def _again(self, key: Key, rule: Rule, seen: Observation, standing: Standing, measured: float) -> Alert:
        before = self.open[key]
        self.open[key] = alert = replace(
            before,
            severity=_severity(rule, standing, before.severity),
            message=message(rule, seen, measured),
            value=seen.value,
            baseline=seen.baseline,
            times=before.times + 1,
            updated=self._clock.now(),
        )
        return alert

    def _happened(self, key: Key, rule: Rule, seen: Observation) -> Alert:
        """What is good news ends with being told; what is not stays open until somebody has seen it."""
        nothing = Standing()
        if key in self.open:
            return self._again(key, rule, seen, nothing, seen.value)
        alert = self._raise(key, rule, seen, nothing, seen.value)
        return self._resolve(key, alert, seen.value) if rule.severity == "info" else alert

    def _resolve(self, key: Key, alert: Alert, value: float) -> Alert:
        del self.open[key]
        now = self._clock.now()
        return replace(alert, value=value, updated=now, resolved=now)

    def _without_rule(self) -> list[Alert]:
        """Nothing will ever clear an alert whose rule is gone."""
        names = {rule.name for rule in self.rules}
        gone = [(key, alert) for key, alert in self.open.items() if alert.rule not in names]
        return [self._resolve(key, alert, alert.value) for key, alert in gone]


def _counted(rule: Rule, before: Standing, measured: float, place: int) -> Standing:
    away = -1 if rule.when == "below" else 1
    bad = away * measured > away * rule.raise_at
    critical = bad and rule.critical_at is not None and away * measured > away * rule.critical_at
    calm = away * measured <= away * rule.clear_at

    def more(count: int, called_for: bool) -> int:
        return min(count + 1, rule.times) if called_for else 0

    return Standing(place, more(before.bad, bad), more(before.critical, critical), more(before.calm, calm))


def _severity(rule: Rule, standing: Standing, least: Severity) -> Severity:
    return "critical" if rule.critical_at is not None and standing.critical >= rule.times else least
