import json
import re
import runpy
import sys

import pytest
from tests.cli.terminal import change, run

import onward
from onward.cli import EXIT_CODES, app, main
from onward.core import DEFAULT_TENANT, OnwardError

COMMANDS = sorted(command.callback.__name__ for command in app.registered_commands)
PROMISED = [
    "compare",
    "cycle",
    "feedback",
    "forget",
    "history",
    "init",
    "predict",
    "promote",
    "quarantine",
    "record",
    "rollback",
    "schedule",
    "show",
    "status",
    "trace",
    "versions",
]


def test_every_promised_command_is_there():
    assert set(PROMISED) <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_every_command_shows_an_example_and_the_options_of_all(command):
    answer = run(command, "--help")
    assert answer.code == 0
    assert re.search(rf"Example: onward {command}\b", answer.out)
    for option in ("--json", "--workspace", "--tenant"):
        assert option in answer.out


def test_the_help_of_all_names_every_command_and_every_exit_code():
    answer = run("--help")
    assert answer.code == 0
    for command in COMMANDS:
        assert re.search(rf"^│ {command} ", answer.out, re.MULTILINE)
    for code, meaning in EXIT_CODES.items():
        assert f"{code}  {meaning}" in answer.out


def test_without_a_command_a_person_is_helped_and_a_script_is_told():
    assert "Usage: onward" in run().out
    answer = run("--json")
    assert answer.code == 2
    assert answer.error["what"] == "No command is named."
    assert answer.error["mend"] == "See: onward --help"


def test_every_error_of_the_library_has_its_exit_code_in_the_table():
    kinds = OnwardError.__subclasses__()
    assert len(kinds) >= 6
    for kind in kinds:
        assert kind.exit_code in EXIT_CODES
    assert len({kind.exit_code for kind in kinds}) == len(kinds)


def test_the_version_is_told():
    assert run("--version").out == f"onward {onward.__version__}\n"
    assert run("--version", "--json").value == {"onward": onward.__version__}


def test_options_stand_before_or_after_the_command_and_the_later_one_wins(empty, tmp_path):
    for arguments in (
        ("--json", "--workspace", empty, "status"),
        ("status", "--workspace", empty, "--json"),
        ("--workspace", tmp_path / "nowhere", "status", "--json", "--workspace", empty),
    ):
        assert run(*arguments).value["folder"] == str(empty)
    assert run("--workspace", empty, "--tenant", "a", "status", "--json").value["tenant"] == "a"
    assert run("--workspace", empty, "--tenant", "a", "status", "--json", "--tenant", "b").value["tenant"] == "b"
    assert run("--workspace", empty, "status", "--json").value["tenant"] == DEFAULT_TENANT


def test_the_workspace_is_taken_from_the_environment_unless_named(empty, tmp_path):
    env = {"ONWARD_WORKSPACE": str(empty)}
    assert run("status", "--json", env=env).value["folder"] == str(empty)
    assert run("status", "--json", "--workspace", tmp_path / "other", env=env).code == 3


@pytest.mark.parametrize(
    "arguments",
    [
        ("feedback", "x", "--score", "1"),
        ("predict", "x"),
        ("cycle",),
        ("versions",),
        ("show", "1"),
        ("compare", "1", "2"),
        ("promote", "1"),
        ("rollback",),
        ("history",),
        ("trace", "x"),
        ("schedule",),
        ("status",),
        ("forget", "--user", "u"),
        ("quarantine",),
    ],
)
def test_no_other_command_makes_a_workspace_and_each_names_the_one_that_does(arguments, tmp_path):
    folder = tmp_path / "none"
    answer = run("--workspace", folder, *arguments, "--json")
    assert answer.code == 3
    assert answer.out == ""
    assert answer.error["mend"] == f"Make one with: onward --workspace {folder} init"
    assert not folder.exists()


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("versons",), "No such command 'versons'"),
        (("versions", "--jsn"), "No such option: --jsn"),
        (("show", "one"), "'NUMBER'"),
        (("show", "0"), "'NUMBER'"),
        (("show", str(2**64)), "'NUMBER'"),
        (("show",), "NUMBER"),
        (("show", "1", "2"), "unexpected extra argument"),
        (("predict", "\udcff"), "not UTF-8"),
    ],
)
def test_a_misuse_is_told_in_one_line_with_where_to_look(arguments, what):
    answer = run(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert what in answer.err
    assert "Mend:  See: onward" in answer.err
    assert run("--json", *arguments).error["error"] == "invalid_input"


def test_a_text_that_looks_like_the_option_asks_for_no_json(empty):
    answer = run("--workspace", empty, "predict", "--", "--json")
    assert answer.code == 3
    assert answer.err.startswith("Error: ")


def test_a_storage_that_cannot_be_used_is_unavailable(tmp_path):
    (tmp_path / "file").touch()
    answer = run("init", "--workspace", tmp_path / "file" / "in", "--json")
    assert answer.code == 8
    assert answer.error["error"] == "unavailable"
    assert answer.error["mend"]


def test_a_wrong_setting_is_bad_input_and_the_options_are_named(empty):
    change(empty, accuracy="2.0")
    answer = run("status", "--workspace", empty)
    assert answer.code == 2
    assert "thresholds.accuracy" in answer.err
    assert "Mend:" in answer.err
    with (empty / "onward.toml").open("a") as file:
        file.write("\n[gaet]\nx = 1\n")
    assert "gate" in run("status", "--workspace", empty, "--json").error["options"]
    assert "Known: " in run("status", "--workspace", empty).err


def test_a_missing_package_is_named_with_the_command_that_adds_it(shop):
    change(shop, linear='"tests.cli.absent:create"')
    answer = run("predict", "hello", "--workspace", shop, "--json")
    assert answer.code == 6
    assert answer.error["mend"] == "Add it with: pip install 'onward[neural]'"
    assert "Works in part: learner linear: torch" in run("status", "--workspace", shop).out


def test_a_changed_artifact_is_damaged(shop):
    with onward.open(shop) as workspace:
        folder = workspace.house.storage.blobs.folder(workspace.version(1).artifact)
    largest = max((file for file in folder.rglob("*") if file.is_file()), key=lambda file: file.stat().st_size)
    largest.chmod(0o600)
    largest.write_bytes(largest.read_bytes()[:-1] + b"!")
    answer = run("predict", "hello", "--workspace", shop, "--json")
    assert answer.code == 5
    assert answer.error["error"] == "damaged"


def _to_a_full_disk(monkeypatch, capsys, *arguments):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as end:
            main([str(each) for each in arguments])
        monkeypatch.undo()
    return end.value.code, capsys.readouterr().err


def test_what_nobody_foresaw_is_told_shortly(empty, monkeypatch, capsys):
    code, err = _to_a_full_disk(monkeypatch, capsys, "--workspace", empty, "status")
    assert code == 1
    assert "Something unexpected happened: OSError" in err
    assert "Mend:  See where with: ONWARD_DEBUG=1" in err
    assert "Traceback" not in err
    code, err = _to_a_full_disk(monkeypatch, capsys, "--workspace", empty, "status", "--json")
    assert code == 1
    assert json.loads(err)["error"] == "unexpected"


def test_its_traceback_is_there_for_who_asks(empty, monkeypatch, capsys):
    monkeypatch.setenv("ONWARD_DEBUG", "1")
    code, err = _to_a_full_disk(monkeypatch, capsys, "--workspace", empty, "status")
    assert code == 1
    assert "Traceback" in err
    assert "No space left on device" in err


class Interrupting:
    """A standard input at which somebody presses Ctrl-C."""

    @property
    def buffer(self):
        raise KeyboardInterrupt


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_an_interruption_is_told_quietly(empty, monkeypatch, capsys, options):
    monkeypatch.setattr(sys, "stdin", Interrupting())
    with pytest.raises(SystemExit) as end:
        main(["--workspace", str(empty), "record", "-", *options])
    assert end.value.code == 130
    captured = capsys.readouterr()
    assert captured.out == ""
    assert ("Error: Interrupted." in captured.err) != bool(options)
    assert "onward cycle" in captured.err


def test_python_m_onward_is_the_command_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["onward", "--version"])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("onward", run_name="__main__")
    assert end.value.code == 0
    assert capsys.readouterr().out == f"onward {onward.__version__}\n"
