"""report, watch."""

import os
import pty
import re
import signal
import subprocess
import sys
import termios
import threading
from contextlib import suppress

import pytest
from tests.cli.terminal import run

import onward
from onward.cli import main
from onward.cli._learning_tables import bar, expected, sparkline
from onward.monitoring import GoalProgress


@pytest.fixture
def learned(empty):
    """A workspace whose tasks, goals and metrics somebody recorded."""
    with onward.open(empty) as workspace:
        tracker = workspace.tracker()
        for name, scores in (("greetings", range(100)), ("[bold]order\nstatus[/bold]", range(100, 0, -1))):
            times = [1.79e9 + 60 * step for step in range(100)]
            events = {"task_type": name, "performance_score": [score / 200 for score in scores], "timestamp": times}
            tracker.record_learning_events({**events, "learning_rate": 0.01})
        tracker.record_learning_events({"task_type": "steady", "performance_score": [0.5] * 100, "learning_rate": 0.1})
        tracker.create_goal("accuracy", target_performance=0.9)
        tracker.update_goal_progress("accuracy", 0.45)
        tracker.create_goal("done", target_performance=0.9, direction="minimize")
        tracker.update_goal_progress("done", 0.8)
    return empty


def test_a_report_tells_every_task_and_every_goal(learned):
    answer = run("report", "--workspace", learned)
    assert answer.code == 0
    lines = {line.split("  ")[0]: line for line in answer.out.splitlines()}
    assert "↑ improving" in lines["greetings"]
    assert "▁▁▁▂▃▃▄▄▅▅▆▆▇▇██" in lines["greetings"]
    assert "↓ declining" in lines[r"[bold]order\nstatus[/bold]"]
    assert "→ stable" in lines["steady"]
    assert re.search(r"steady .* 20\d\d-\d\d-\d\d \d\d:\d\d:\d\dZ", lines["steady"])
    assert "██████░░░░░░   50%    0.450   at least 0.900   no estimate" in lines["accuracy"]
    assert "at most 0.900    reached 20" in lines["done"]
    assert f"Next: onward --workspace {learned} report NAME" in answer.out


def test_a_report_for_machines(learned):
    value = run("report", "--workspace", learned, "--json").value
    assert [task["task"] for task in value["tasks"]] == ["[bold]order\nstatus[/bold]", "greetings", "steady"]
    assert value["tasks"][1]["latest"] == 0.495
    assert [goal["completion_percentage"] for goal in value["goals"]] == [50.0, 100.0]


def test_one_task_in_depth(learned):
    told = run("report", "greetings", "--workspace", learned).out
    for words in ("greetings", "↑ improving", "slope per hour", "0.01 on average", "2026-09-21 14:13:20Z", "50%"):
        assert words in told
    assert "Convergence" in run("report", "steady", "--workspace", learned).out
    assert run("report", "greetings", "--workspace", learned, "--json").value["events"] == 100
    unknown = run("report", "other", "--workspace", learned, "--json")
    assert unknown.code == 3
    assert "greetings" in unknown.error["options"]


def test_changes_of_level_are_told(empty):
    with onward.open(empty) as workspace:
        scores = [0.8 + 0.01 * (-1) ** step for step in range(100)] + [0.5 + 0.01 * (-1) ** step for step in range(100)]
        workspace.tracker().record_learning_events(
            {"task_type": "a", "performance_score": scores, "learning_rate": 0.1, "timestamp": list(range(200))}
        )
    told = run("report", "a", "--workspace", empty).out
    assert "Changes of level" in told
    assert re.search(r"^1970-01-01 00:01:40Z +101 +-0\.300$", told, re.MULTILINE)


def test_a_report_of_a_loop_tells_its_cycles(taught):
    value = run("report", "--workspace", taught, "--json").value
    assert value["champion"] == 1
    assert [cycle["status"] for cycle in value["cycles"]] == ["promoted", "kept"]
    assert "Last cycles" in run("report", "--workspace", taught).out


def test_nothing_learned_yet(empty):
    answer = run("report", "--workspace", empty)
    assert answer.code == 0
    assert "Nothing was learned yet." in answer.out
    assert f"Next: onward --workspace {empty} cycle" in answer.out
    refused = run("report", "--picture", empty / "a.png", "--workspace", empty, "--json")
    assert refused.code == 3


def test_a_page_and_a_picture_are_written(learned, tmp_path):
    pytest.importorskip("matplotlib")
    page, picture = tmp_path / "learning.html", tmp_path / "learning.png"
    answer = run("report", "--html", page, "--picture", picture, "--workspace", learned)
    assert answer.out.splitlines() == [f"Wrote {picture}", f"Wrote {page}"]
    assert page.read_text().startswith("<!doctype html>")
    assert "greetings" in page.read_text()
    assert picture.read_bytes().startswith(b"\x89PNG")
    one = tmp_path / "one.svg"
    value = run("report", "greetings", "--picture", one, "--workspace", learned, "--json").value
    assert value == {"picture": str(one)}
    assert run("report", "--html", tmp_path / "no" / "x.html", "--workspace", learned, "--json").code == 8
    refused = run("report", "greetings", "--html", page, "--workspace", learned, "--json")
    assert refused.code == 2
    assert "every task" in refused.error["what"]


def test_each_tenant_sees_its_own(learned):
    assert "Nothing was learned yet." in run("report", "--tenant", "acme", "--workspace", learned).out


def test_a_look_is_a_report(learned):
    watched = run("watch", "--once", "--workspace", learned).out
    reported = run("report", "--workspace", learned).out
    assert _timeless(watched) == _timeless(reported)
    assert len(run("watch", "--once", "--workspace", learned, "--json").value["tasks"]) == 3
    assert run("watch", "--every", "0", "--workspace", learned).code == 2


def _timeless(told):
    return re.sub(r"seen at .*", "", told)


@pytest.mark.parametrize(("options", "end"), [((), signal.SIGTERM), (("--json",), signal.SIGINT)])
def test_in_a_pipe_every_look_follows_the_one_before(learned, options, end):
    command = (sys.executable, "-m", "onward", "watch", "--workspace", str(learned), "--every", "0.05", *options)
    environment = os.environ | {"PYTHONIOENCODING": "utf8"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as watching:
        _until(watching.stdout.fileno(), 3)
        watching.send_signal(end)
        _, said = watching.communicate(timeout=60)
    assert (watching.returncode, said) == (0, b"")


def _until(stream, looks):
    """Read on until there were so many looks."""
    seen = b""
    while seen.count(b"greeti") < looks:
        data = os.read(stream, 65_536)
        assert data, seen
        seen += data
    return seen


def test_on_a_terminal_it_stays_in_place_until_ctrl_c(learned, monkeypatch):
    monkeypatch.setenv("TERM", "xterm-256color")
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (60, 140))
    seen = []

    def person():
        seen.append(_until(ours, 3))
        os.kill(os.getpid(), signal.SIGINT)
        with suppress(OSError):  # what Linux says of a terminal that nobody writes to any more
            while os.read(ours, 65_536):
                pass

    watcher = threading.Thread(target=person, daemon=True)
    with os.fdopen(theirs, "w", encoding="utf8") as screen, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        watcher.start()
        with pytest.raises(SystemExit) as end:
            main(["watch", "--workspace", str(learned), "--every", "0.05"])
    watcher.join(60)
    os.close(ours)
    assert end.value.code == 0
    assert b"\x1b[1A" in seen[0]


def test_a_terminal_without_blocks_gets_letters(monkeypatch):
    class Plain:
        encoding = "ascii"

    monkeypatch.setattr(sys, "stdout", Plain())
    assert sparkline([0.0, 0.5, 1.0]) == "_*@"
    assert bar(50.0) == "######......"


def test_an_even_curve_is_a_line_in_the_middle():
    assert sparkline([0.5, 0.5]) == "▄▄"


@pytest.mark.parametrize(
    ("at", "told"),
    [(None, "no estimate"), (0.0, "about 1970-01-01 00:00:00Z"), (1e20, "about a time beyond any calendar")],
)
def test_a_goal_says_when(at, told):
    goal = GoalProgress(
        goal_id="a", goal_description="", creation_time=0, target_performance=1, estimated_completion_time=at
    )
    assert expected(goal) == told
