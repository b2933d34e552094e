"""init, status, trace, forget, quarantine."""

from tests.cli.terminal import run

import onward
from onward.storage import stamp


def test_init_writes_every_setting_once(tmp_path):
    answer = run("init", "--workspace", tmp_path / "new")
    assert answer.code == 0
    assert f"Next: onward --workspace {tmp_path / 'new'} record FILE" in answer.out
    settings = tmp_path / "new" / "onward.toml"
    assert "max_loss" in settings.read_text()
    settings.write_text("[gate]\nmax_loss = 0.01\n")
    again = run("init", "--workspace", tmp_path / "new", "--json")
    assert again.value == {"workspace": str(tmp_path / "new"), "settings": str(settings)}
    assert settings.read_text() == "[gate]\nmax_loss = 0.01\n"


def test_status_tells_how_it_stands_and_what_to_do_next(empty, taught):
    assert f"Next: onward --workspace {empty} record FILE" in run("status", "--workspace", empty).out
    run("record", "-", "--workspace", empty, stdin=b'{"text": "hello"}')
    assert f"Next: onward --workspace {empty} cycle" in run("status", "--workspace", empty).out
    value = run("status", "--workspace", taught, "--json").value
    assert (value["champion"], value["versions"], value["interactions"], value["degraded"]) == (1, 2, 210, [])
    shown = run("status", "--workspace", taught).out
    assert f"Next: onward --workspace {taught} predict" in shown
    assert "kept after" in shown


def test_trace_follows_a_prediction_back_to_what_taught_it(shop):
    text = "refund me the red lamp [bold]now[/bold]"
    made = run("predict", text, "--workspace", shop, "--json").value["interaction"]
    run("feedback", made, "--score", "1", "--workspace", shop)
    answer = run("trace", made, "--workspace", shop)
    assert answer.code == 0
    for words in (
        text,
        "score 1.0",
        "Version 1 (linear) answered: refund",
        "In service from",
        "promote by cycle",
        "alike",
    ):
        assert words in answer.out
    value = run("trace", made, "--workspace", shop, "--json").value
    assert value["version"]["number"] == 1
    assert len(value["teachers"]) == 5
    assert value["interactions_taught_from"] > 100


def test_trace_tells_corrections_as_names_and_values(shop):
    said = ("--intent", "refund", "--sentiment", "negative", "--entity", "0:2:X")
    run("feedback", "s0-1", *said, "--workspace", shop)
    run("feedback", "s0-1", "--no-entities", "--workspace", shop)
    told = run("trace", "s0-1", "--workspace", shop).out
    assert "correction intent=refund, sentiment=negative, entities=0:2:X" in told
    assert "correction entities=none" in told


def test_trace_follows_an_interaction_to_the_versions_it_taught(taught):
    taught_by_it = [run("trace", f"s0-{n}", "--workspace", taught, "--json").value["taught"] for n in range(10)]
    assert [1, 2] in taught_by_it
    answer = run("trace", f"s0-{taught_by_it.index([1, 2])}", "--workspace", taught)
    assert "No version of this workspace answered" in answer.out
    assert "Versions that learned from it: 1, 2" in answer.out
    assert run("trace", "nothing", "--workspace", taught).code == 3


def test_trace_of_a_version_whose_service_is_unknown(shop):
    line = b'{"id": "old", "text": "hi", "at": "2001-01-01T00:00:00Z", "prediction": {"labels": {}, "version": 2}}'
    run("record", "-", "--workspace", shop, stdin=line)
    answer = run("trace", "old", "--workspace", shop)
    assert "Version 2 (linear) answered: no intent" in answer.out
    assert "In service from" not in answer.out


def test_forget_marks_what_learned_from_the_user(shop):
    answer = run("forget", "--user", "u3", "--workspace", shop)
    assert answer.code == 0
    assert "11 interactions of u3 are erased and teach no later version" in answer.out
    assert "Marked, for they had learned from them: 1, 2" in answer.out
    assert run("versions", "--workspace", shop, "--json").value[0]["marks"]
    assert run("forget", "--user", "nobody", "--workspace", shop, "--json").value == {
        "user": "nobody",
        "interactions": 0,
        "marked_versions": [],
        "unfinished": None,
        "cycle": None,
    }
    nobody = run("forget", "--user", "nobody", "--workspace", shop, "--tenant", "acme").out
    assert nobody == (
        "No interaction of 'nobody' is recorded for tenant acme; "
        "the withdrawal is noted for later ones. Check the spelling.\n"
    )
    assert run("forget", "--user", " ", "--workspace", shop, "--json").code == 2
    assert run("forget", "--workspace", shop).code == 2


def _quarantine(folder, *interactions):
    with onward.open(folder) as workspace:
        house = workspace.house
        row = {"tenant": "default", "cycle": "cy", "at": stamp(house.clock.now()), "reason": "labels [b]contradict[/b]"}
        rows = [{**row, "interaction": one} for one in interactions]
        house.storage.database.write(lambda c: house.experience.quarantine(c, rows))


def test_quarantine_lists_and_lets_out(empty):
    assert run("quarantine", "--workspace", empty, "--json").value == []
    assert "Nothing is in quarantine" in run("quarantine", "--workspace", empty).out
    _quarantine(empty, "a", "b", "c")
    assert run("quarantine", "--workspace", empty, "--json").value[0] == {
        "interaction": "a",
        "reason": "labels [b]contradict[/b]",
    }
    shown = run("quarantine", "--workspace", empty).out
    assert "labels [b]contradict[/b]" in shown
    assert f"Next: onward --workspace {empty} quarantine --release ID" in shown
    assert run("quarantine", "a", "--workspace", empty).code == 2
    unknown = run("quarantine", "--release", "a", "x", "--workspace", empty, "--json")
    assert unknown.code == 3
    assert unknown.error["what"] == "Not in quarantine: x."
    assert run("quarantine", "--release", "a", "--workspace", empty, "--json").value == {"released": 1}
    for unclear in (["--release"], ["--release", "--all", "b"], ["--all"]):
        assert run("quarantine", *unclear, "--workspace", empty).code == 2
    assert len(run("quarantine", "--workspace", empty, "--json").value) == 2
    assert "2 interactions let out" in run("quarantine", "--release", "--all", "--workspace", empty).out
    assert run("quarantine", "--workspace", empty, "--json").value == []
