from tests.cli.terminal import change, labelled, make, run

import onward
from onward.core import SystemClock
from onward.storage import hold


def test_a_promoted_candidate_is_told_with_every_check_and_the_next_command(empty):
    run("record", "-", "--workspace", empty, stdin=labelled(150))
    answer = run("cycle", "--workspace", empty)
    assert answer.code == 0
    assert "promoted" in answer.out
    assert "Version 1 is in service" in answer.out
    assert "Next: onward predict" in answer.out
    assert answer.out.count("pass") >= 3
    for word in ("Check", "Figure", "Bound", "Reason", "evidence", "150 examples"):
        assert word in answer.out


def test_a_kept_champion_is_no_error(shop):
    kept = run("--json", "--workspace", shop, "cycle", "--force", "--quick")
    assert kept.code == 0
    assert kept.value["status"] == "kept"
    assert kept.value["champion"] == 1
    assert {"name", "passed", "figure", "bound", "reason"} <= set(kept.value["verdict"]["checks"][0])
    assert "Next: onward compare 1 4" in run("--workspace", shop, "cycle", "--force").out


def test_too_little_to_learn_from_is_no_error(empty):
    answer = run("cycle", "--workspace", empty)
    assert answer.code == 0
    assert "skipped" in answer.out
    assert "onward record FILE, or onward cycle --force" in answer.out
    assert "No version is in service" in answer.out


def test_a_refused_candidate_has_its_own_exit_code(tmp_path):
    folder = make(tmp_path / "noise")
    run("record", "-", "--workspace", folder, stdin=labelled(120, random_labels=True))
    answer = run("cycle", "--workspace", folder, "--json")
    assert answer.code == 7
    assert answer.value["status"] == "refused"
    again = run("cycle", "--workspace", folder, "--force")
    assert again.code == 7
    assert "fail" in again.out
    assert "Next: onward show 2" in again.out


def test_a_cycle_in_which_no_learner_could_make_a_candidate_is_a_failure(empty):
    change(empty, linear='"tests.cli.absent:create"')
    answer = run("cycle", "--force", "--workspace", empty)
    assert answer.code == 1
    assert "failed" in answer.out
    assert "torch is not installed" in answer.out
    assert "Next: onward status" in answer.out


def test_the_second_of_two_cycles_at_once_is_told_to_wait(shop):
    with onward.open(shop) as workspace, hold(workspace.house.storage.database, "cycle:default", SystemClock()):
        answer = run("cycle", "--workspace", shop, "--json")
    assert answer.code == 4
    assert answer.error["error"] == "busy"
    assert answer.out == ""
