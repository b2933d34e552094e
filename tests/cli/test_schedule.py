import json
import sys
import threading
import time
from contextlib import ExitStack

import pytest
from tests.cli.terminal import labelled, run

import onward
from onward.core import SystemClock
from onward.storage import hold


def test_a_line_is_printed_for_each_cycle(empty):
    run("record", "-", "--workspace", empty, stdin=labelled(150))
    answer = run("schedule", "--every", "0.01", "--max-cycles", "2", "--json", "--workspace", empty)
    assert answer.code == 0
    lines = [json.loads(line) for line in answer.out.splitlines()]
    assert [line["status"] for line in lines] == ["promoted", "skipped"]
    shown = run("schedule", "--max-cycles", "1", "--workspace", empty).out
    assert "Cycle cy_" in shown
    assert "skipped after" in shown


@pytest.mark.parametrize(("options", "busy"), [((), "  Busy: 'cycle:default'"), (("--json",), '{"error":"busy"')])
def test_a_busy_workspace_is_told_and_tried_again(empty, options, busy):
    with onward.open(empty) as workspace:
        holding = ExitStack()
        holding.enter_context(hold(workspace.house.storage.database, "cycle:default", SystemClock()))

        def give_way():
            while busy not in getattr(sys.stdout.buffer, "getvalue", bytes)().decode():
                time.sleep(0.02)
            holding.close()

        other = threading.Thread(target=give_way, daemon=True)
        other.start()
        answer = run("schedule", "--every", "0.05", "--max-cycles", "1", "--workspace", empty, *options)
        other.join(timeout=60)
    assert answer.code == 0
    first, *_, last = answer.out.splitlines()
    assert busy in first
    assert "skipped" in last


@pytest.mark.parametrize(
    "options",
    [
        ("--every", "0"),
        ("--every", "nan"),
        ("--every", "inf"),
        ("--every", "x"),
        ("--on-new", "-1"),
        ("--max-cycles", "0"),
    ],
)
def test_what_is_no_schedule_is_refused(empty, options):
    answer = run("schedule", *options, "--workspace", empty, "--json")
    assert answer.code == 2
    assert answer.error["mend"]
