import sys

import pytest
from tests.cli.terminal import labelled, run

from onward.cli import main

GOOD = b'{"id": "one", "text": "where is my parcel"}'


def test_a_workspace_is_made_and_the_lines_are_counted(tmp_path):
    file = tmp_path / "chat.jsonl"
    file.write_bytes(labelled(3) + b'\n{"interaction": "s0-1", "score": 1, "id": "f"}')
    answer = run("record", file, "--workspace", tmp_path / "new")
    assert answer.code == 0
    assert "3 interactions and 1 feedback recorded, 0 known already, 0 bad lines set aside" in answer.out
    assert answer.out.endswith(f"Next: onward --workspace {tmp_path / 'new'} cycle\n")
    again = run("record", file, "--workspace", tmp_path / "new", "--json")
    assert again.value == {"interactions": 0, "feedback": 0, "known": 4, "bad": []}


def test_bad_lines_are_told_with_number_and_reason_the_first_ten_of_them(tmp_path):
    lines = b"\n".join([GOOD, *(b"[red]%d[/red]" % n for n in range(12))])
    answer = run("record", "-", "--workspace", tmp_path, stdin=lines)
    assert answer.code == 0
    assert "1 interactions" in answer.out
    assert "12 bad lines" in answer.out
    assert "  line 2: Not JSON" in answer.out
    assert "  line 11: " in answer.out
    assert "  line 12: " not in answer.out
    assert "and 2 more" in answer.out
    assert [
        bad["number"] for bad in run("record", "-", "--workspace", tmp_path, "--json", stdin=lines).value["bad"]
    ] == [*range(2, 14)]


def test_a_file_of_which_no_line_could_be_used_is_bad_input(tmp_path):
    bad = run("record", "-", "--workspace", tmp_path, stdin=b"\xff\xfe\x00")
    assert bad.code == 2
    assert "Next:" not in bad.out


def test_a_file_without_a_line_is_told(tmp_path):
    nothing = run("record", "-", "--workspace", tmp_path, stdin=b"")
    assert (nothing.code, nothing.out) == (0, "Nothing recorded: there is no line in it\n")


def test_the_tenant_is_taken_for_lines_that_name_none(empty):
    run("record", "-", "--workspace", empty, "--tenant", "acme", stdin=GOOD)
    assert run("status", "--workspace", empty, "--tenant", "acme", "--json").value["interactions"] == 1
    assert run("status", "--workspace", empty, "--json").value["interactions"] == 0


def test_a_missing_file_is_not_found_and_a_folder_is_bad_input(tmp_path):
    answer = run("record", tmp_path / "none.jsonl", "--workspace", tmp_path, "--json")
    assert answer.code == 3
    assert "none.jsonl" in answer.error["what"]
    assert run("record", tmp_path, "--workspace", tmp_path).code == 2


def test_a_closed_standard_input_is_bad_input(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(SystemExit) as end:
        main(["record", "-", "--workspace", str(tmp_path)])
    assert end.value.code == 2
    assert "Standard input is closed" in capsys.readouterr().err
