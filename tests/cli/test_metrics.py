"""metrics."""

import io

import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.cli.terminal import run

import onward
from onward.cli._output import verbatim

ODD = 'odd\n"\\ \x1b[31m'


@pytest.fixture
def measured(empty):
    with onward.open(empty) as workspace:
        tracker = workspace.tracker()
        tracker.record_learning_events({"task_type": "intents", "performance_score": [0.5, 0.7], "learning_rate": 0.1})
        tracker.log_metric("latency", 12.5, client_id="a")
        tracker.log_metric(ODD, 3.0)
        tracker.create_goal("good", target_performance=0.9)
        tracker.update_goal_progress("good", 0.45)
        workspace.tracker(tenant="acme").log_metric("theirs", 1.0)
    return empty


def test_metrics_prints_what_measurements_add_up_to(measured):
    answer = run("metrics", "--workspace", measured)
    assert answer.code == 0
    for words in ("intents", "0.600", "latency", "12.500", "good", "maximize", "50"):
        assert words in answer.out
    assert "\x1b" not in answer.out
    assert "theirs" not in answer.out
    value = run("metrics", "--workspace", measured, "--json").value
    assert value["tasks"]["intents"]["event_count"] == 2
    assert value["metrics"]["latency"]["average"] == 12.5
    assert value["goals"]["good"]["completion_percentage"] == 50.0
    assert value["convergence"] == {}


def test_metrics_for_prometheus(measured):
    answer = run("metrics", "--prometheus", "--workspace", measured)
    assert answer.code == 0
    samples = [one for family in text_string_to_metric_families(answer.out) for one in family.samples]
    last = {one.labels["name"]: one.value for one in samples if one.name == "onward_metric_last"}
    assert last == {"latency": 12.5, ODD: 3.0}
    theirs = run("metrics", "--prometheus", "--workspace", measured, "--tenant", "acme").out
    assert 'name="theirs"' in theirs
    assert "latency" not in theirs
    assert run("metrics", "--prometheus", "--json", "--workspace", measured).value["metrics"]["latency"]["count"] == 1


def test_metrics_of_nothing(empty):
    answer = run("metrics", "--workspace", empty)
    assert "Nothing was measured yet." in answer.out
    assert f"Next: onward --workspace {empty} cycle" in answer.out
    assert run("metrics", "--prometheus", "--workspace", empty).out == ""
    assert run("metrics", "--workspace", empty / "nowhere").code == 3


def test_a_terminal_never_gets_a_control_character(monkeypatch):
    class Terminal(io.TextIOWrapper):
        def isatty(self):
            return True

    screen = Terminal(io.BytesIO(), encoding="utf8")
    monkeypatch.setattr("sys.stdout", screen)
    verbatim('a{name="\x1b[31m"} 1.0\nb 2.0\n')
    screen.flush()
    assert screen.buffer.getvalue().decode() == 'a{name="\\x1b[31m"} 1.0\nb 2.0\n'
