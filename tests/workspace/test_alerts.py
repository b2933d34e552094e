"""Alerts of a whole workspace: what is observed, told and set off, and that none of it can harm a cycle."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.conversations import lines
from tests.monitoring.alerts.servers import free_port, webhook

import onward
from onward.core import InvalidInput, ManualClock, NotFound
from onward.monitoring import LearningProgressTracker
from onward.monitoring.alerts import Alert
from onward.workspace import Watched, Workspace, watch_after
from onward.workspace._alerts import book_of

FOUR = ("order_status", "refund", "greeting", "gift_card")
Make = Callable[..., Workspace]

BREAKS = """
from onward.core import InvalidInput

class Breaks:
    def train(self, dataset, champion, training):
        raise InvalidInput("This learner learns nothing.")

    def load(self, folder):
        raise InvalidInput("Nor does it load.")

def create(settings):
    return Breaks()
"""
DIES = """
import os
import signal
from pathlib import Path
from onward.learners.text.linear import create as linear

class Dies:
    def __init__(self, settings):
        self.linear = linear(settings)

    def train(self, dataset, champion, training):
        if Path("armed").exists():
            Path("armed").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.linear.train(dataset, champion, training)

    def load(self, folder):
        return self.linear.load(folder)

def create(settings):
    return Dies(settings)
"""


@pytest.fixture(autouse=True)
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's own memory is nobody's business here."""
    monkeypatch.setenv("ONWARD_ALERTS__RULES__MEMORY__ENABLED", "false")
    monkeypatch.setenv("ONWARD_WEBHOOK_SECRET", "very-secret")


def plug_in(folder: Path, name: str, source: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    (folder / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(str(folder))
    return {"plugins": {name: f"{name}:create"}, "training": {"learners": [name]}}


def taught(workspace: Workspace) -> Workspace:
    """With two versions, the second in service."""
    workspace.record_many(lines(300))
    assert workspace.cycle().promoted
    workspace.record_many(lines(300, intents=FOUR, seed=1))
    assert workspace.cycle().promoted
    return workspace


def drop(workspace: Workspace, score: float = 0.5) -> None:
    tracker = LearningProgressTracker(workspace=workspace)
    for value in (*[0.9] * 8, *[score] * 8):
        tracker.record_learning_event("intents", value, learning_rate=0.1)


def rules(alerts: Any) -> list[str]:
    return [alert.rule for alert in alerts]


def only(alerts: Any) -> Alert:
    (one,) = alerts
    return one


def test_a_promotion_is_good_news(workspace: Workspace) -> None:
    taught(workspace)
    told = [one for one in workspace.alerts(open_only=False) if one.rule != "drift"]
    assert rules(told) == ["successful_optimisation"] * 2
    assert rules(workspace.alerts()) == ["drift"]  # there is an intent that nobody had asked for before
    assert told[0].message.startswith("Version 1 is in service, by cycle cy_")
    assert told[1].message.startswith("Version 2 is in service in place of 1, by cycle cy_")
    assert workspace.undelivered() == []


def test_a_rollback_is_told_once_and_stays_until_seen(workspace: Workspace) -> None:
    taught(workspace)
    workspace.rollback(by="ann", reason="refunds are misrouted")
    alert = only(workspace.watch().alerts)
    assert (alert.rule, alert.subject, alert.is_open) == ("rollback", "champion", True)
    assert alert.message.startswith("Rolled back: version 1 is in service in place of 2, by ann: refunds are")
    assert workspace.watch() == Watched()
    seen = workspace.acknowledge(alert.id, by="bob")
    assert rules(workspace.alerts()) == ["drift"]
    assert seen.acknowledged_by == "bob"
    with pytest.raises(NotFound):
        workspace.acknowledge("al_0", by="bob")


def test_what_happened_long_ago_is_no_news(workspace: Workspace, clock: ManualClock) -> None:
    taught(workspace)
    workspace.rollback()
    clock.advance(timedelta(days=8))
    assert workspace.watch() == Watched()


def test_a_promotion_by_hand_is_nobodys_success(workspace: Workspace) -> None:
    taught(workspace).rollback()
    workspace.watch()
    workspace.promote(2, force=True, reason="again")
    assert workspace.watch() == Watched()


def test_a_drop_is_told_gets_worse_and_ends(workspace: Workspace) -> None:
    drop(workspace, 0.84)
    alert = only(workspace.watch().alerts)
    assert (alert.rule, alert.subject, alert.severity) == ("performance_drop", "task intents", "warning")
    drop(workspace, 0.5)
    assert only(workspace.watch().alerts).severity == "critical"
    assert workspace.watch() == Watched()
    tracker = LearningProgressTracker(workspace=workspace)
    for _ in range(40):
        tracker.record_learning_event("intents", 0.9, learning_rate=0.1)
    over = only(workspace.watch().alerts)
    assert (over.id, over.is_open) == (alert.id, False)


@pytest.mark.parametrize(("metric", "value", "rule"), [("latency", 250.0, "latency"), ("drift", 0.25, "drift")])
def test_metrics_are_looked_at(workspace: Workspace, metric: str, value: float, rule: str) -> None:
    LearningProgressTracker(workspace=workspace).log_metric(metric, value)
    assert rules(workspace.watch().alerts) == [rule]


def test_a_tracker_of_ones_own_is_looked_at_and_told(workspace: Workspace) -> None:
    tracker, told = LearningProgressTracker(), []
    tracker.on("alert", told.append)
    tracker.log_metric("latency", 250.0)
    found = workspace.watch(tracker=tracker)
    assert found.alerts == tuple(told)
    assert rules(told) == ["latency"]


def test_whoever_listens_to_the_workspaces_tracker_is_told(workspace: Workspace) -> None:
    told: list[Alert] = []
    workspace.tracker().on("alert", told.append)
    workspace.tracker(tenant="other").on("alert", told.append)
    workspace.record_many(lines(300))
    workspace.cycle()
    assert rules(told) == ["successful_optimisation"]
    workspace.tracker(durable=False).on("alert", told.append)
    workspace.tracker().log_metric("latency", 250.0)
    workspace.watch()
    assert rules(told[1:]) == ["latency"] * 2


def test_tenants_are_watched_apart(workspace: Workspace) -> None:
    LearningProgressTracker(workspace=workspace, tenant="other").log_metric("latency", 250.0)
    assert workspace.watch() == Watched()
    assert rules(workspace.watch(tenant="other").alerts) == ["latency"]
    assert workspace.alerts() == []


def test_memory_is_looked_at(make_workspace: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ONWARD_ALERTS__RULES__MEMORY__ENABLED")
    workspace = make_workspace(alerts={"rules": {"memory": {"raise_at": 0.0}}})
    alert = only(workspace.watch().alerts)
    assert (alert.rule, alert.subject) == ("memory", "machine")
    assert only(workspace.watch().alerts).times == 2


def test_a_rule_of_ones_own(make_workspace: Make) -> None:
    rule = {"figure": "metric.loss.average", "when": "above", "raise_at": 2, "next": "onward status", "times": 2}
    workspace = make_workspace(alerts={"rules": {"loss": rule}})
    tracker = LearningProgressTracker(workspace=workspace)
    tracker.log_metric("loss", 3)
    assert workspace.watch() == Watched()
    tracker.log_metric("loss", 3)
    assert only(workspace.watch().alerts).message.endswith("2 times in a row. Next: onward status")


def test_nothing_is_looked_at_where_alerts_are_off(make_workspace: Make) -> None:
    workspace = make_workspace(alerts={"enabled": False})
    drop(workspace)
    assert workspace.watch() == Watched()
    assert workspace.alerts(open_only=False) == []


def test_failing_cycles_are_told_and_good_ones_end_it(
    make_workspace: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = plug_in(tmp_path, "onward_test_breaks", BREAKS, monkeypatch)
    workspace = make_workspace(**broken)
    workspace.record_many(lines(300))
    for _ in range(2):
        assert workspace.cycle(force=True).status == "failed"
        assert workspace.alerts() == []
    assert workspace.cycle(force=True).status == "failed"
    alert = only(workspace.alerts())
    assert (alert.rule, alert.value, alert.threshold) == ("cycle_failures", 1.0, 0.3)
    assert alert.message.startswith("cycles.failed of cycles is 100.0%. Rule cycle_failures raises above 30.0%.")
    settings = workspace.settings.model_copy(update={"training": onward.config.Settings().training})
    linear = settings.training.model_copy(update={"learners": ("linear",)})
    few = settings.alerts.model_copy(update={"recent_cycles": 3})
    workspace.configure(settings.model_copy(update={"training": linear, "alerts": few}))
    for _ in range(3):
        assert workspace.cycle(force=True).status in {"promoted", "kept"}
    assert workspace.alerts() == []


# Telling -------------------------------------------------------------------------------------------------------------


def test_a_webhook_that_is_down_is_seen_in_status_and_gets_it_later(make_workspace: Make, clock: ManualClock) -> None:
    port = free_port()
    said = {"channels": ["log", "webhook"], "webhook_url": f"http://127.0.0.1:{port}/", "timeout_seconds": 2}
    workspace = make_workspace(alerts=said)
    drop(workspace)
    found = workspace.watch()
    assert found.delivered == 1
    assert [(one.channel, one.attempts) for one in found.undelivered] == [("webhook", 1)]
    assert any(line.startswith("alerts by webhook: 127.0.0.1: Connection") for line in workspace.status().degraded)
    assert "Connection" in workspace.test_channels()["webhook"]
    assert workspace.redeliver() == 1
    with webhook(200, port=port) as server:
        assert workspace.watch().delivered == 1
        assert workspace.test_channels() == {"log": "", "webhook": ""}
    assert server.events == ["opened", "test"]
    assert server.ids[0] == found.undelivered[0].id
    assert workspace.undelivered() == []
    assert not any("alerts" in line for line in workspace.status().degraded)


def test_a_silence(workspace: Workspace, clock: ManualClock) -> None:
    silence = workspace.silence(timedelta(hours=1), rule="performance_drop", by="ann")
    assert (silence.by, silence.until) == ("ann", clock.now() + timedelta(hours=1))
    assert workspace.silences() == [silence]
    drop(workspace)
    assert only(workspace.watch().alerts).told == ""
    workspace.silence(0, rule="performance_drop")
    assert only(workspace.watch().alerts).told == "critical"


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 1e18])
def test_a_silence_that_cannot_be(workspace: Workspace, seconds: float) -> None:
    with pytest.raises(InvalidInput, match="Silence for"):
        workspace.silence(seconds, rule="latency")


def test_a_silence_of_a_rule_that_is_none(workspace: Workspace) -> None:
    with pytest.raises(InvalidInput, match="no rule 'latncy'") as caught:
        workspace.silence(60, rule="latncy")
    assert "latency" in caught.value.options


def test_a_cycle_is_not_harmed_by_alerts_that_fail(workspace: Workspace) -> None:
    workspace.house.storage.database.write(lambda c: c.exec_driver_sql("DROP TABLE standings"))
    workspace.record_many(lines(300))
    assert workspace.cycle().promoted
    assert any(line.startswith("alerts: ") for line in workspace.status().degraded)
    create = "CREATE TABLE standings (tenant, rule, subject, place, bad, critical, calm, PRIMARY KEY (tenant, rule, subject))"
    workspace.house.storage.database.write(lambda c: c.exec_driver_sql(create))
    watch_after(workspace.house, "default", workspace.watch)
    assert not any(line.startswith("alerts: ") for line in workspace.status().degraded)


def test_after_going_back_in_time_what_happens_is_told_anew(
    make_workspace: Make, clock: ManualClock, tmp_path: Path
) -> None:
    workspace = taught(make_workspace())
    before = clock.now()
    clock.advance(timedelta(hours=1))
    workspace.rollback()
    workspace.promote(2, force=True, reason="again")
    workspace.rollback()
    assert rules(workspace.watch().alerts) == ["rollback"]
    workspace.back_up(tmp_path / "kept")
    with onward.restore(tmp_path / "kept", tmp_path / "back", at=before + timedelta(minutes=1)) as back:
        assert len(back.history()) == 2
        back.watch()
        back.rollback()
        assert rules(back.watch().alerts) == ["rollback"]


# Acting --------------------------------------------------------------------------------------------------------------


def acting(make: Make, action: str, **more: Any) -> Workspace:
    return taught(make(alerts={"actions": {"performance_drop": action}}, **more))


def outcome(alert: Alert) -> tuple[str, str]:
    assert alert.answer is not None
    return alert.answer.progress, alert.answer.outcome


def test_nothing_is_done_unless_it_was_said(workspace: Workspace) -> None:
    drop(taught(workspace))
    assert only(workspace.watch().alerts).answer is None
    assert (len(workspace.cycles()), len(workspace.history())) == (2, 2)


def test_an_alert_may_retrain_once(make_workspace: Make) -> None:
    workspace = acting(make_workspace, "retrain")
    drop(workspace)
    alert = next(one for one in workspace.watch().alerts if one.rule == "performance_drop")
    ran = workspace.cycles()[2:]
    assert len(ran) == 1
    assert outcome(alert) == ("done", f"cycle {ran[0].id}: {ran[0].status}")
    drop(workspace)
    workspace.watch()
    assert len(workspace.cycles()) == 3


def test_an_alert_may_roll_back_once(make_workspace: Make) -> None:
    workspace = acting(make_workspace, "roll_back")
    drop(workspace)
    found = workspace.watch()
    assert workspace.champion() == 1
    assert sorted(rules(found.alerts)) == ["performance_drop", "rollback"]
    alert = next(one for one in found.alerts if one.rule == "performance_drop")
    assert outcome(alert) == ("done", "version 1 was put back into service")
    moved = workspace.history()[-1]
    assert (moved.by, moved.reason) == (f"alert {alert.id}", alert.message)
    drop(workspace)
    workspace.watch()
    assert len(workspace.history()) == 3


def test_what_cannot_be_rolled_back_is_said(make_workspace: Make) -> None:
    workspace = make_workspace(alerts={"actions": {"performance_drop": "roll_back"}})
    drop(workspace)
    progress, said = outcome(only(workspace.watch().alerts))
    assert progress == "failed"
    assert "no version to roll back to" in said


def test_an_alert_may_hold_promotions_back(make_workspace: Make) -> None:
    workspace = make_workspace(alerts={"actions": {"performance_drop": "hold"}})
    workspace.record_many(lines(300))
    assert workspace.cycle().promoted
    drop(workspace)
    alert = only(workspace.watch().alerts)
    assert outcome(alert) == ("done", "promotions are held back")
    held = workspace.held()
    assert held is not None
    assert held.alert == alert.id
    assert any(f"promotions: held back by alert {alert.id}" in line for line in workspace.status().degraded)
    workspace.record_many(lines(300, intents=FOUR, seed=1))
    result = workspace.cycle()
    assert result.verdict is not None
    assert (result.status, result.verdict.decision, result.champion) == ("kept", "promote", 1)
    assert result.reason.startswith(f"held by alert {alert.id}: performance of task intents fell")
    assert workspace.resume()
    assert not workspace.resume()
    assert workspace.held() is None
    assert not any("promotions" in line for line in workspace.status().degraded)
    assert workspace.promote(2).version == 2


@pytest.mark.parametrize("by", ["seen", "silenced"])
def test_what_somebody_takes_care_of_sets_nothing_off(make_workspace: Make, by: str) -> None:
    workspace = taught(make_workspace())
    drop(workspace)
    alert = only(workspace.watch().alerts)
    if by == "seen":
        workspace.acknowledge(alert.id, by="ann")
    else:
        workspace.silence(60, subject="task intents")
    actions = workspace.settings.alerts.model_copy(update={"actions": {"performance_drop": "roll_back"}})
    workspace.configure(workspace.settings.model_copy(update={"alerts": actions}))
    workspace.watch()
    assert workspace.champion() == 2


def begun(workspace: Workspace, action: Any) -> Alert:
    """As a process leaves it that died right after it had noted that an alert sets something off."""
    actions = workspace.settings.alerts.model_copy(update={"actions": {}})
    after = workspace.settings
    workspace.configure(workspace.settings.model_copy(update={"alerts": actions}))
    drop(workspace)
    alert = only(workspace.watch().alerts)
    workspace.configure(after)
    found = book_of(workspace.house).begin("default", alert.id, action, workspace.champion())
    assert found is not None
    return found


def test_what_was_begun_is_finished(make_workspace: Make) -> None:
    workspace = acting(make_workspace, "roll_back")
    begun(workspace, "roll_back")
    workspace.watch()
    assert workspace.champion() == 1


def test_what_was_done_but_not_noted_is_not_done_again(make_workspace: Make) -> None:
    workspace = acting(make_workspace, "roll_back")
    alert = begun(workspace, "roll_back")
    workspace.rollback(by=f"alert {alert.id}")
    workspace.watch()
    assert (workspace.champion(), len(workspace.history())) == (1, 3)
    found = next(one for one in workspace.alerts() if one.id == alert.id)
    assert outcome(found) == ("done", "version 1 was put back into service")


def test_what_was_begun_is_not_done_to_another_champion(make_workspace: Make) -> None:
    workspace = acting(make_workspace, "roll_back")
    alert = begun(workspace, "roll_back")
    workspace.rollback(by="ann")
    workspace.promote(2, force=True, reason="again", by="ann")
    workspace.rollback(by="ann")
    workspace.watch()
    found = next(one for one in workspace.alerts() if one.id == alert.id)
    assert outcome(found)[0] == "failed"
    assert "Another version is in service" in outcome(found)[1]


def test_what_was_begun_and_seen_is_not_done(make_workspace: Make) -> None:
    workspace = acting(make_workspace, "roll_back")
    alert = begun(workspace, "roll_back")
    workspace.acknowledge(alert.id, by="ann")
    workspace.watch()
    assert workspace.champion() == 2
    found = next(one for one in workspace.alerts() if one.id == alert.id)
    assert "ann had seen it first" in outcome(found)[1]


def test_what_ran_after_the_alert_is_its_retraining(make_workspace: Make, clock: ManualClock) -> None:
    workspace = acting(make_workspace, "retrain")
    alert = begun(workspace, "retrain")
    clock.advance(timedelta(seconds=1))
    result = workspace.cycle(force=True)
    workspace.watch()
    assert len(workspace.cycles()) == 3
    found = next(one for one in workspace.alerts(open_only=False) if one.id == alert.id)
    assert outcome(found) == ("done", f"cycle {result.id}: {result.status}")


def test_what_somebody_else_is_at_waits(make_workspace: Make) -> None:
    from onward.storage import hold

    workspace = acting(make_workspace, "retrain")
    drop(workspace)
    with hold(workspace.house.storage.database, "cycle:default", workspace.house.clock):
        alert = only(one for one in workspace.watch().alerts if one.rule == "performance_drop")
        assert outcome(alert) == ("begun", "")
    workspace.watch()
    assert outcome(only(one for one in workspace.alerts() if one.rule == "performance_drop"))[0] == "done"
    assert len(workspace.cycles()) == 3


def watch_in(folder: Path, place: Path) -> None:
    import os
    import sys

    os.chdir(place)
    sys.path.insert(0, str(place))
    with onward.open(folder) as workspace:
        workspace.watch()


def test_a_process_that_is_killed_while_it_retrains_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = plug_in(tmp_path, "onward_test_dies", DIES, monkeypatch)
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "ws"
    with onward.open(
        folder, settings={**settings, "alerts": {"actions": {"performance_drop": "retrain"}}}
    ) as workspace:
        workspace.write_settings()
        workspace.record_many(lines(300))
        assert workspace.cycle().promoted
        drop(workspace)
    (tmp_path / "armed").touch()
    process = multiprocessing.get_context("spawn").Process(target=watch_in, args=(folder, tmp_path))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL
    with onward.open(folder) as workspace:
        assert workspace.champion() == 1
        assert outcome(only(workspace.alerts())) == ("begun", "")
        assert [one.status for one in workspace.cycles()] == ["promoted", "running"]
        workspace.watch()
        assert len(workspace.cycles()) == 2
        assert (
            outcome(next(one for one in workspace.alerts(open_only=False) if one.rule == "performance_drop"))[0]
            == "done"
        )
        workspace.watch()
        assert len(workspace.cycles()) == 2
