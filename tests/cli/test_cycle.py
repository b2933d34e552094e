import re
from dataclasses import replace

from tests.cli.terminal import change, labelled, make, run

import onward
from onward.cli._call import Call
from onward.cli._cycle import _human
from onward.core import SystemClock
from onward.storage import hold


def test_a_promoted_candidate_is_told_with_every_check_and_the_next_command(empty):
    run("record", "-", "--workspace", empty, stdin=labelled(150))
    answer = run("cycle", "--workspace", empty)
    assert answer.code == 0
    assert "promoted" in answer.out
    assert "Version 1 is in service" in answer.out
    assert f"Next: onward --workspace {empty} predict" in answer.out
    assert answer.out.count("pass") >= 3
    lines = answer.out.splitlines()
    assert lines[-2] == "Version 1 is in service"
    assert re.fullmatch(
        r"150 examples, 150 new, \d+ train, \d+ validation, \d+ evaluation, 0 deferred, 0 set aside", lines[1]
    )
    for word in ("Check", "Figure", "Bound", "Reason", "evidence", "150 examples"):
        assert word in answer.out


def test_it_is_told_why_interactions_were_set_aside(empty):
    silent = "".join(f'{{"text": "I have nothing to say about {n}"}}\n' for n in range(7))
    silent += '{"text": "?!", "intent": "refund"}\n'
    run("record", "-", "--workspace", empty, stdin=labelled(150) + b"\n" + silent.encode())
    lines = run("cycle", "--workspace", empty).out.splitlines()
    assert lines[2:4] == [
        "7 set aside: no label that people gave or confirmed",
        "1 set aside: text has no letters or digits",
    ]


def test_a_kept_champion_is_no_error(shop):
    kept = run("--json", "--workspace", shop, "cycle", "--force", "--quick")
    assert kept.code == 0
    assert kept.value["status"] == "kept"
    assert kept.value["champion"] == 1
    assert {"name", "passed", "figure", "bound", "reason"} <= set(kept.value["verdict"]["checks"][0])
    told = run("--workspace", shop, "cycle", "--force").out.splitlines()
    assert told[-1] == f"Next: onward --workspace {shop} compare 1 4"


def test_the_headline_is_told_again_under_a_long_table(shop):
    with onward.open(shop) as workspace:
        last, version = workspace.status().last_cycle, workspace.version(2)
    checks = (version.verdict.checks * 9)[:9]
    for count in (8, 9):
        result = replace(last, verdict=replace(version.verdict, checks=checks[:count]))
        told = [str(part) for part in _human(Call(str(shop), "default", json=False), result)]
        assert told.count(told[0]) == count - 7
    assert told[-2] == told[0]


def test_too_little_to_learn_from_is_no_error(empty):
    answer = run("cycle", "--workspace", empty)
    assert answer.code == 0
    assert "skipped" in answer.out
    assert f"onward --workspace {empty} record FILE, or onward --workspace {empty} cycle --force" in answer.out
    assert "No version is in service" in answer.out


def test_a_refused_candidate_has_its_own_exit_code(tmp_path):
    folder = make(tmp_path / "noise")
    run("record", "-", "--workspace", folder, stdin=labelled(120, random_labels=True))
    answer = run("cycle", "--workspace", folder, "--json")
    assert answer.code == 7
    assert answer.value["status"] == "refused"
    assert f"Next: onward --workspace {folder} quarantine\n" in run("show", "1", "--workspace", folder).out
    again = run("cycle", "--workspace", folder, "--force")
    assert again.code == 7
    assert "fail" in again.out
    assert f"Next: onward --workspace {folder} show 2" in again.out


def test_a_cycle_in_which_no_learner_could_make_a_candidate_is_a_failure(empty):
    change(empty, linear='"tests.cli.absent:create"')
    answer = run("cycle", "--force", "--workspace", empty)
    assert answer.code == 1
    assert "failed" in answer.out
    assert "torch is not installed" in answer.out
    assert f"Next: onward --workspace {empty} status" in answer.out


def test_the_second_of_two_cycles_at_once_is_told_to_wait(shop):
    with onward.open(shop) as workspace, hold(workspace.house.storage.database, "cycle:default", SystemClock()):
        answer = run("cycle", "--workspace", shop, "--json")
    assert answer.code == 4
    assert answer.error["error"] == "busy"
    assert answer.out == ""
