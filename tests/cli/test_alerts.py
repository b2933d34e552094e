import json

import pytest
from tests.cli.terminal import run
from tests.monitoring.alerts.servers import free_port

import onward
from onward.monitoring import LearningProgressTracker

CALM = {"ONWARD_ALERTS__RULES__MEMORY__ENABLED": "false"}


def alerts(shop, *arguments, **env):
    return run("alerts", *arguments, "--workspace", shop, env={**CALM, **env})


@pytest.fixture
def slow(empty):
    """A workspace whose latency is too high."""
    with onward.open(empty) as workspace:
        LearningProgressTracker(workspace=workspace).log_metric("latency", 250.0)
    return empty


def test_where_nothing_is_wrong(empty):
    assert alerts(empty).out == "No alert is open\n"
    assert alerts(empty, "--json").value == {"alerts": [], "undelivered": [], "silences": [], "hold": None}
    assert alerts(empty, "watch").out.startswith("Nothing changed\n0 messages delivered\n")
    assert alerts(empty, "resume").out.startswith("Nothing held promotions back\n")
    assert alerts(empty, "redeliver", "--json").value == {"due": 0}


def test_an_alert_is_raised_listed_and_acknowledged(slow):
    found = alerts(slow, "watch", "--json").value
    (alert,) = found["alerts"]
    assert (alert["rule"], alert["severity"], found["delivered"]) == ("latency", "warning", 1)
    listed = alerts(slow, "list")
    assert "metric.latency.p95 of metric latency is 250." in listed.out
    assert f"alerts ack {alert['id']} --by NAME" in listed.out
    seen = alerts(slow, "ack", alert["id"], "--by", "ann", "--json").value
    assert [one["acknowledged_by"] for one in seen] == ["ann"]
    assert "open, seen by ann" in alerts(slow).out
    unknown = alerts(slow, "ack", "al_0", "--json")
    assert (unknown.code, unknown.error["options"]) == (3, [alert["id"]])


def test_a_watch_is_shown_to_people_too(slow):
    shown = alerts(slow, "watch").out
    assert "latency" in shown
    assert "1 messages delivered" in shown


def test_alerts_that_are_over_are_listed_with_all(slow):
    alerts(slow, "watch")
    with onward.open(slow) as workspace:
        for _ in range(300):
            LearningProgressTracker(workspace=workspace).log_metric("latency", 1.0)
    alerts(slow, "watch")
    assert alerts(slow, "--json").value["alerts"] == []
    (over,) = alerts(slow, "--all", "--json").value["alerts"]
    assert over["resolved"] is not None
    assert "over" in alerts(slow, "--all").out


def test_a_rule_is_silenced_and_let_speak_again(slow):
    silence = alerts(slow, "silence", "--rule", "latency", "--for", "3600", "--by", "ann", "--json").value
    assert (silence["rule"], silence["subject"], silence["by"]) == ("latency", None, "ann")
    assert "Silent until 20" in alerts(slow).out
    assert alerts(slow, "watch", "--json").value["delivered"] == 0
    assert alerts(slow, "silence", "--rule", "latency", "--for", "0").out.startswith("Nobody is told until 20")
    assert alerts(slow, "watch", "--json").value["delivered"] == 1
    assert alerts(slow, "silence", "--subject", "metric latency", "--for", "60").code == 0
    wrong = alerts(slow, "silence", "--rule", "latncy", "--for", "60", "--json")
    assert wrong.code == 2
    assert "latency" in wrong.error["options"]


def test_promotions_go_on(slow):
    held = {"ONWARD_ALERTS__ACTIONS": '{"latency": "hold"}'}
    alerts(slow, "watch", **held)
    listed = alerts(slow)
    assert "Promotions are held back by alert al_" in listed.out
    assert "hold: promotions are held back" in listed.out
    assert alerts(slow, "--json").value["hold"]["alert"].startswith("al_")
    assert alerts(slow, "resume").out.startswith("Promotions go on\n")
    assert alerts(slow, "--json").value["hold"] is None


def test_the_channels_are_tried(slow):
    assert alerts(slow, "test", "--json").value == {"log": ""}
    url = f"http://127.0.0.1:{free_port()}/"
    down = {
        "ONWARD_ALERTS__CHANNELS": '["log", "webhook"]',
        "ONWARD_ALERTS__WEBHOOK_URL": url,
        "ONWARD_WEBHOOK_SECRET": "very-secret",
    }
    tried = alerts(slow, "test", "--json", **down)
    assert tried.code == 8
    assert tried.value["log"] == ""
    assert "ConnectionRefusedError" in tried.value["webhook"]
    assert "fails" in alerts(slow, "test", **down).out
    assert "No channel is set" in alerts(slow, "test", ONWARD_ALERTS__CHANNELS="[]").out
    watched = alerts(slow, "watch", **down)
    assert "Not delivered" in watched.out
    assert "ConnectionRefusedError" in alerts(slow, **down).out
    assert alerts(slow, "redeliver", **down).out.startswith("1 messages are due\n")
    assert "very-secret" not in watched.out + json.dumps(alerts(slow, "--json").value)


@pytest.mark.parametrize(
    "words",
    [
        ("panic",),
        ("ack",),
        ("list", "al_1"),
        ("silence",),
        ("silence", "--for", "60"),
        ("silence", "--for", "nan", "--rule", "latency"),
        ("watch", "--for", "60"),
    ],
)
def test_what_makes_no_sense_is_refused(empty, words):
    answer = alerts(empty, *words, "--json")
    assert answer.code == 2
    assert answer.error["mend"] or answer.error["options"]
