from dataclasses import replace

import pytest
from tests.cli.terminal import copy, run

import onward
from onward.cli._call import Call


def test_versions_mark_the_champion_and_show_decision_and_accuracy(taught):
    versions = run("versions", "--workspace", taught, "--json").value
    assert [(v["number"], v["champion"], v["verdict"]["decision"]) for v in versions] == [
        (1, True, "promote"),
        (2, False, "keep"),
    ]
    lines = run("versions", "--workspace", taught).out.splitlines()
    (first,) = [line for line in lines if line.lstrip().startswith("champion")]
    assert first.split()[:5] == ["champion", "1", "linear", "-", "promote"]
    accuracy = versions[0]["scorecard"]["overall"]["accuracy"]
    assert first.split()[5] == f"{accuracy:.3f}"
    assert lines[-1] == f"Next: onward --workspace {taught} show 2"


def test_no_version_yet_names_the_way_to_one(empty):
    assert run("versions", "--workspace", empty, "--json").value == []
    assert f"Next: onward --workspace {empty} record FILE, then onward" in run("versions", "--workspace", empty).out


def test_show_tells_scorecard_and_verdict(taught):
    answer = run("show", "2", "--workspace", taught)
    for words in ("Scorecard", "overall", "intent", "Verdict: keep", "compare 1 2", "parent", "data set"):
        assert words in answer.out
    champion = run("show", "1", "--workspace", taught)
    assert "1 (champion)" in champion.out
    assert "Next:" not in champion.out
    assert run("show", "1", "--workspace", taught, "--json").value["champion"] is True


def test_show_names_promote_only_where_the_gate_passed_it(shop):
    run("promote", "2", "--force", "--reason", "new", "--workspace", shop)
    assert f"Next: onward --workspace {shop} promote 1\n" in run("show", "1", "--workspace", shop).out
    assert "Next:" not in run("show", "2", "--workspace", shop).out


def test_a_version_that_was_never_judged_is_shown_without_figures(shop):
    with onward.open(shop) as workspace:
        bare = replace(workspace.version(2), scorecard=None, verdict=None)
        workspace.house.storage.database.write(lambda c: workspace.house.registry.register(c, bare))
        workspace.pin(3)
    shown = run("show", "3", "--workspace", shop).out
    assert "Scorecard" not in shown
    assert "Verdict" not in shown
    (line,) = [line for line in run("versions", "--workspace", shop).out.splitlines() if line.split()[:1] == ["3"]]
    assert line.split()[2:8] == ["1", "-", "-", "-", "-", "-"]
    assert line.rstrip().endswith("pinned")


def test_a_version_that_does_not_exist_is_not_found_and_another_tenants_neither(taught):
    answer = run("show", "9", "--workspace", taught, "--json")
    assert answer.code == 3
    assert answer.error["options"] == ["1", "2"]
    assert run("show", "1", "--tenant", "other", "--workspace", taught).code == 3


def test_compare_scores_both_on_every_set(taught):
    value = run("compare", "1", "2", "--workspace", taught, "--json").value
    assert (value["first"]["number"], value["second"]["number"]) == (1, 2)
    assert value["first_scorecard"]["overall"]["count"] == value["second_scorecard"]["overall"]["count"] > 0
    answer = run("compare", "1", "2", "--workspace", taught)
    for words in (
        "Version 1",
        "Version 2",
        "Difference",
        "overall",
        "Verdict: keep",
        f"Next: onward --workspace {taught} show 2",
    ):
        assert words in answer.out


def test_compare_without_anything_frozen_names_the_way(empty):
    assert run("compare", "1", "2", "--workspace", empty).code == 3


def test_promote_and_rollback_move_the_champion_and_leave_a_trail(taught, tmp_path):
    shop = copy(taught, tmp_path / "moved")
    refused = run("promote", "2", "--workspace", shop, "--json")
    assert refused.code == 2
    assert "--force --reason" in refused.error["mend"]
    promoted = run("promote", "2", "--force", "--reason", "new [red]intents[/red]", "--by", "ann", "--workspace", shop)
    assert promoted.code == 0
    assert "Version 2 is in service now, version 1 before" in promoted.out
    assert run("promote", "2", "--force", "--reason", "again", "--workspace", shop).code == 2
    back = run("rollback", "--workspace", shop, "--json", env={"USER": "bob"}).value
    assert (back["version"], back["previous"], back["cause"], back["by"]) == (1, 2, "rollback", "bob")
    run("rollback", "--to", "2", "--reason", "no", "--workspace", shop, env={"USER": None, "LOGNAME": None})
    trail = run("history", "--workspace", shop, "--json").value
    assert [(t["version"], t["cause"]) for t in trail] == [
        (1, "promote"),
        (2, "promote"),
        (1, "rollback"),
        (2, "rollback"),
    ]
    assert trail[1]["reason"] == "new [red]intents[/red]"
    assert trail[3]["by"] == "user"
    shown = run("history", "--workspace", shop).out
    for words in ("When", "Who", "What", "Why", "ann", "bob", "new [red]intents[/red]"):
        assert words in shown


@pytest.mark.parametrize("to", ["0", "-1", "x", str(2**63)])
def test_rollback_refuses_what_is_no_number(taught, to):
    assert run("rollback", "--to", to, "--workspace", taught).code == 2


def test_history_tells_which_version_served_at_a_time(taught):
    promoted = run("history", "--workspace", taught, "--json").value[0]["at"]
    then = run("history", "--at", promoted, "--workspace", taught, "--json").value
    assert then["champion"] == 1
    assert "Version 1 served at" in run("history", "--at", promoted, "--workspace", taught).out
    before = run("history", "--at", "2000-01-01", "--workspace", taught)
    assert before.out == "No version served at 2000-01-01 00:00:00Z\n"
    assert run("history", "--at", "2000-01-01T05:00+01:00", "--workspace", taught, "--json").value == {
        "at": "2000-01-01T04:00:00Z",
        "champion": None,
    }


@pytest.mark.parametrize("time", ["yesterday", "", "0001-01-01T00:00+23:00", "99999-01-01"])
def test_history_refuses_what_is_no_time(taught, time):
    answer = run("history", "--at", time, "--workspace", taught, "--json")
    assert answer.code == 2
    assert "2026-03-02T08:00:00+00:00" in answer.error["what"]


def test_no_history_yet(empty):
    assert run("history", "--workspace", empty, "--json").value == []
    assert "No version has served yet" in run("history", "--workspace", empty).out


def test_what_mends_an_error_can_be_pasted(shop):
    wrong = run("show", "99", "--workspace", shop, "--tenant", "default")
    assert wrong.code == 3
    assert f"List them with: onward --workspace {shop} versions" in wrong.err


def test_a_password_never_comes_back():
    call = Call("postgresql://me:secret@host/shop?folder=/srv/shop", "default", json=False)
    for text in (call.again("cycle"), call.pasteable("Run: onward cycle")):
        assert "secret" not in text
        assert text.endswith("onward --workspace 'postgresql://me:***@host/shop?folder=/srv/shop' cycle")
