"""The rule engine: hysteresis, one open alert of a rule and subject, severities, what happened."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from onward.config import AlertSettings, RuleSettings
from onward.core import InvalidInput, ManualClock
from onward.monitoring.alerts import Alert, Observation, Rule, Standing, Watchman, rules_of

SLOW = Rule(name="slow", figure="latency", when="above", raise_at=200, clear_at=160, critical_at=500)
RARE = Rule(name="rare", figure="rate", when="below", raise_at=0.5, clear_at=0.6, critical_at=0.2, times=2)
DROP = Rule(name="fell", figure="performance", when="drop", raise_at=0.05, clear_at=0.04, critical_at=0.1)
ROLLED = Rule(name="rolled", figure="rollback", when="happens")
GOOD = Rule(name="good", figure="promotion", when="happens", severity="info")
START = datetime(2026, 1, 1, tzinfo=UTC)


def seen(figure: str, value: float, subject: str = "api", **also: object) -> Observation:
    return Observation(figure=figure, subject=subject, value=value, **also)


def look(watchman: Watchman, *values: float, figure: str = "latency") -> list[Alert]:
    return [alert for value in values for alert in watchman.look([seen(figure, value)])]


def test_the_default_rules_are_what_is_promised() -> None:
    rules = {rule.name: rule for rule in rules_of(AlertSettings())}
    assert (rules["performance_drop"].raise_at, rules["performance_drop"].critical_at) == (0.05, 0.10)
    assert rules["performance_drop"].severity == "warning"
    assert (rules["latency"].figure, rules["latency"].raise_at) == ("metric.latency.p95", 200.0)
    assert (rules["memory"].raise_at, rules["cycle_failures"].raise_at) == (0.80, 0.30)
    assert rules["successful_optimisation"].severity == "info"
    assert {rule.figure for rule in rules.values() if rule.when == "happens"} == {"promotion", "rollback"}
    assert rules["drift"].figure == "metric.drift.latest"
    assert all(rule.to_dict()["name"] == name for name, rule in rules.items())


def test_a_rule_that_is_off_is_no_rule() -> None:
    settings = AlertSettings(rules={"latency": RuleSettings(enabled=False)})
    assert "latency" not in {rule.name for rule in rules_of(settings)}


def test_an_alert_opens_counts_up_gets_critical_and_ends() -> None:
    clock = ManualClock(START)
    watchman = Watchman([SLOW], tenant="shop", clock=clock)
    (opened,) = look(watchman, 210)
    assert (opened.rule, opened.subject, opened.severity, opened.tenant) == ("slow", "api", "warning", "shop")
    assert (opened.value, opened.threshold, opened.times, opened.is_open) == (210, 200, 1, True)
    assert opened.opened == opened.updated == START
    clock.advance(timedelta(minutes=1))
    (again,) = look(watchman, 600)
    assert (again.id, again.severity, again.times, again.value) == (opened.id, "critical", 2, 600)
    assert again.updated == START + timedelta(minutes=1)
    (still,) = look(watchman, 250)
    assert (still.severity, still.times) == ("critical", 3)  # never less while it is open
    assert look(watchman, 180) == []
    (over,) = look(watchman, 160)
    assert (over.id, over.resolved, over.is_open) == (opened.id, clock.now(), False)
    assert watchman.open == {}
    assert over.to_dict()["resolved"] == "2026-01-01T00:01:00Z"


def test_the_threshold_itself_is_no_alert() -> None:
    assert look(Watchman([SLOW]), 200) == []


def test_so_many_in_a_row_raise_clear_and_make_critical() -> None:
    watchman = Watchman([RARE])
    assert look(watchman, 0.4, 0.55, 0.4, figure="rate") == []
    (opened,) = look(watchman, 0.1, figure="rate")
    assert opened.severity == "warning"
    (worse,) = look(watchman, 0.1, figure="rate")
    assert worse.severity == "critical"
    assert look(watchman, 0.7, 0.55, 0.7, figure="rate") == []
    (over,) = look(watchman, 0.9, figure="rate")
    assert not over.is_open


def test_an_alert_may_open_critical() -> None:
    (opened,) = look(Watchman([SLOW]), 501)
    assert opened.severity == "critical"


@pytest.mark.parametrize(
    ("value", "severity"), [(0.86, None), (0.85, "warning"), (0.82, "warning"), (0.80, "critical")]
)
def test_a_drop_is_measured_from_its_best(value: float, severity: str | None) -> None:
    found = Watchman([DROP]).look([seen("performance", value, "task a", baseline=0.9)])
    assert [alert.severity for alert in found] == ([severity] if severity else [])


def test_a_drop_from_nowhere_is_none() -> None:
    nothing = [seen("performance", 0.0, baseline=0.0), seen("performance", 0.1)]
    assert Watchman([DROP]).look(nothing) == ()


def test_the_message_says_what_why_and_next() -> None:
    (alert,) = Watchman([DROP]).look([seen("performance", 0.72, "task a", baseline=0.9)])
    assert alert.message == (
        "performance of task a fell by 20.0% to 0.72: its best was 0.9. "
        "Rule fell raises at a drop of more than 5.0%. Next: onward alerts"
    )
    (alert,) = look(Watchman([RARE]), 0.1, 0.1, figure="rate")
    assert "rate of api is 0.1. Rule rare raises below 0.5 2 times in a row." in alert.message


def test_what_was_looked_at_is_not_looked_at_again() -> None:
    watchman = Watchman([RARE])
    same = [seen("rate", 0.1, place=7)]
    assert watchman.look(same) == watchman.look(same) == ()
    assert watchman.look([seen("rate", 0.1, place=6)]) == ()
    assert len(watchman.look([seen("rate", 0.1, place=8)])) == 1


def test_a_watchman_goes_on_where_another_left_off() -> None:
    first = Watchman([RARE])
    look(first, 0.1, figure="rate")
    assert first.standings == {("rare", "api"): Standing(-1, 1, 1, 0)}
    second = Watchman([RARE], standings=first.standings)
    (opened,) = look(second, 0.1, figure="rate")
    third = Watchman([RARE], standings=second.standings, alerts=[opened])
    assert look(third, 0.1, figure="rate")[0].id == opened.id


def test_what_happened_stays_open_and_good_news_do_not() -> None:
    watchman = Watchman([ROLLED, GOOD])
    (rolled,) = watchman.look([seen("rollback", 1, "champion", place=1, note="Version 1 is back")])
    assert rolled.is_open
    assert rolled.threshold is None
    assert rolled.message == "Version 1 is back. Rule rolled tells whenever that happens. Next: onward alerts"
    (again,) = watchman.look([seen("rollback", 1, "champion", place=2)])
    assert (again.id, again.times) == (rolled.id, 2)
    (good,) = watchman.look([seen("promotion", 2, "champion", place=3)])
    (better,) = watchman.look([seen("promotion", 3, "champion", place=4)])
    assert (good.severity, good.is_open, better.is_open) == ("info", False, False)
    assert good.id != better.id


def test_an_alert_whose_rule_is_gone_ends() -> None:
    (opened,) = look(Watchman([SLOW]), 210)
    (over,) = Watchman([RARE], alerts=[opened]).look([])
    assert (over.id, over.is_open) == (opened.id, False)


@pytest.mark.parametrize(("value", "baseline"), [(float("nan"), None), (float("inf"), None), (1.0, float("nan"))])
def test_what_is_no_number_is_refused(value: float, baseline: float | None) -> None:
    with pytest.raises(InvalidInput, match="finite"):
        seen("latency", value, baseline=baseline)


values = st.floats(-1000, 1000)


@given(values=st.lists(values, max_size=60), times=st.integers(1, 4))
def test_within_the_band_nothing_changes(values: list[float], times: int) -> None:
    rule = Rule(name="slow", figure="latency", when="above", raise_at=200, clear_at=160, times=times)
    watchman = Watchman([rule])
    look(watchman, *values)
    before = dict(watchman.open)
    assert look(watchman, *(200 - (value + 1000) / 50.1 for value in values)) == []
    assert watchman.open == before


@given(values=st.lists(values, max_size=80), times=st.integers(1, 4), below=st.booleans())
def test_every_alert_has_its_run_and_every_end_its_calm(values: list[float], times: int, below: bool) -> None:
    """Against the plain definition: so many in a row beyond, then so many in a row calm."""
    sign = -1 if below else 1
    rule = Rule(
        name="r",
        figure="latency",
        when="below" if below else "above",
        raise_at=sign * 200,
        clear_at=sign * 160,
        times=times,
    )
    watchman = Watchman([rule])
    for number, _ in enumerate(values):
        was_open = bool(watchman.open)
        found = look(watchman, sign * values[number])
        newest = values[max(0, number + 1 - times) : number + 1]
        all_bad = len(newest) == times and all(value > 200 for value in newest)
        all_calm = len(newest) == times and all(value <= 160 for value in newest)
        expected = not all_calm if was_open else all_bad
        assert bool(watchman.open) == expected
        assert len(found) == ((was_open and (values[number] > 200 or all_calm)) or (not was_open and all_bad))


@given(
    drops=st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), max_size=30),
)
def test_any_performance_does(drops: list[tuple[float, float]]) -> None:
    watchman = Watchman([DROP])
    for value, baseline in drops:
        for alert in watchman.look([seen("performance", value, baseline=baseline)]):
            assert alert.message
            assert not alert.is_open or alert.baseline == baseline


class Looking(RuleBasedStateMachine):
    """Two rules over one figure and one happening, three subjects; whatever comes, in whatever order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(START)
        self.rules = [SLOW, Rule(name="slower", figure="latency", when="above", raise_at=300, clear_at=100), ROLLED]
        self.watchman = Watchman(self.rules, clock=self.clock)
        self.alerts: dict[str, Alert] = {}
        self.place = 0

    def _look(self, *observations: Observation) -> None:
        self.clock.advance(timedelta(seconds=1))
        for alert in self.watchman.look(observations):
            before = self.alerts.get(alert.id)
            if before is not None:
                assert before.is_open, "what is over never changes"
                assert alert.times >= before.times
                assert ("warning", "critical").index(alert.severity) >= ("warning", "critical").index(before.severity)
            self.alerts[alert.id] = alert

    @rule(value=st.floats(0, 700), subject=st.sampled_from("abc"))
    def see(self, value: float, subject: str) -> None:
        self._look(seen("latency", value, subject))

    @rule(values=st.lists(st.floats(0, 700), max_size=5))
    def see_many(self, values: list[float]) -> None:
        self._look(*(seen("latency", value, "a") for value in values))

    @rule()
    def roll_back(self) -> None:
        self.place += 1
        self._look(seen("rollback", 1, "champion", place=self.place), seen("rollback", 1, "champion", place=self.place))

    @rule()
    def restart(self) -> None:
        kept = [alert for alert in self.alerts.values() if alert.is_open]
        self.watchman = Watchman(self.rules, clock=self.clock, standings=self.watchman.standings, alerts=kept)

    @rule(off=st.sampled_from(["slow", "slower", "rolled"]))
    def without(self, off: str) -> None:
        kept = [alert for alert in self.alerts.values() if alert.is_open]
        rules = [rule for rule in self.rules if rule.name != off]
        self.watchman = Watchman(rules, clock=self.clock, standings=self.watchman.standings, alerts=kept)
        self._look()

    @invariant()
    def one_open_alert_of_a_rule_and_subject(self) -> None:
        found = [(alert.rule, alert.subject) for alert in self.alerts.values() if alert.is_open]
        assert len(found) == len(set(found))
        assert set(found) == set(self.watchman.open)


TestLooking = Looking.TestCase
