import os
import pty
import re
import select
import sys
from contextlib import contextmanager

import pytest
import typer
from rich.text import Text
from tests.cli.terminal import run

from onward.cli._output import PIPE_WIDTH, emit, facts, following, pasted, rendered, show, tabbed, table
from onward.cli._progress import bars

WICKED = "[red]\x1b[31m[/red]\u202e"
WRITTEN = "[red]\\x1b[31m[/red]\\u202e"


@contextmanager
def screen(monkeypatch, **environment):
    """A terminal of 60 columns as standard output and error; what it is given reads what it shows."""
    ours, theirs = pty.openpty()
    for name, value in {"TERM": "xterm-256color", "COLUMNS": "60", "NO_COLOR": "", **environment}.items():
        monkeypatch.setenv(name, value)
    with os.fdopen(theirs, "w") as stream, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stream)
        patch.setattr(sys, "stderr", stream)
        yield lambda: b"".join(_arrived(ours)).decode()
    os.close(ours)


def _arrived(terminal):
    while select.select([terminal], [], [], 0.3)[0]:
        yield os.read(terminal, 65_536)


def test_what_users_said_is_shown_as_it_is_and_commands_nothing(capsys):
    show([WICKED, following(WICKED), facts([("said", WICKED)]), table(WICKED, [WICKED], [[WICKED]])])
    tabbed([WICKED, None, "a\tb"])
    out = capsys.readouterr().out
    assert out.count(WRITTEN) == 7
    assert out.endswith(f"{WRITTEN}\t-\ta\\tb\n")
    assert "\x1b" not in out


def test_a_pipe_gets_no_colours_and_whole_lines(capsys):
    show([Text("w" * 500, style="red"), table("", ["Text"], [["w" * (PIPE_WIDTH - 10)]])])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "w" * 500 + "\n" in out
    assert "w" * (PIPE_WIDTH - 10) in out


def test_a_terminal_gets_colours_and_tables_of_its_width(monkeypatch):
    with screen(monkeypatch) as text:
        show([Text("hello", style="red"), table("", ["Text"], [["w" * 100]])])
        seen = text()
    assert "\x1b[31mhello" in seen
    assert "w" * 50 in seen
    assert "w" * 61 not in seen


def test_a_terminal_wraps_sentences_at_words_and_leaves_commands_whole(monkeypatch):
    words, command = " ".join(["seventeen"] * 9), "onward " + "x y" * 30
    with screen(monkeypatch, NO_COLOR="1") as text:
        show([words, Text(words), following(command), pasted("again", command)])
        seen = re.sub(r"\x1b\[[0-9;]*m", "", text()).splitlines()
    assert [line.split() for line in seen[:4]] == [["seventeen"] * 6, ["seventeen"] * 3] * 2
    assert seen[4] == f"Next: {command}"
    assert seen[5:] == [f"{'again':<20}{command}"]


def test_a_heading_is_cut_and_never_folded(monkeypatch):
    with screen(monkeypatch, NO_COLOR="1") as text:
        show([table("", ["Sentiment"] * 12, [["1"] * 12])])
        heading = re.sub(r"\x1b\[[0-9;]*m", "", text()).splitlines()[0]
    assert {word[0] + word[-1] for word in heading.split()} == {"S…"}


def test_no_colours_where_the_environment_says_so(monkeypatch):
    with screen(monkeypatch, NO_COLOR="1"):
        assert "\x1b[31m" not in rendered(Text("hello", style="red"), sys.stdout)


def test_cells_show_what_is_there(capsys):
    show([facts([("none", None), ("count", 3), ("share", 0.25), ("no", False)])])
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["none", "-"],
        ["count", "3"],
        ["share", "0.250"],
        ["no", "False"],
    ]


def test_json_is_utf8_whatever_the_terminal_speaks(monkeypatch, tmp_path):
    with (tmp_path / "out").open("w", encoding="ascii") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        emit({"text": "où\x1b", "figure": float("nan")})
        show(["où"])
        monkeypatch.undo()
    assert (tmp_path / "out").read_bytes() == '{"text":"où\\u001b","figure":null}\n'.encode() + b"o\\xf9\n"


def test_a_reader_that_has_gone_is_no_error(monkeypatch):
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as stream:
        monkeypatch.setattr(sys, "stdout", stream)
        with pytest.raises(typer.Exit) as end:
            emit([1])
        emit([2])
        monkeypatch.undo()
    assert end.value.exit_code == 0


def test_bars_are_drawn_on_a_terminal_by_stage(monkeypatch):
    with screen(monkeypatch) as text:
        with bars(wanted=True) as progress:
            progress("train linear", 1, 4, WICKED)
            progress("train linear", 4, 4, "done")
            progress("prove", 0, 2, "linear")
        seen = text()
    assert "train linear" in seen
    assert "prove" in seen
    assert "done" in seen
    assert "\u202e" not in seen


def test_no_bars_where_unwanted(monkeypatch):
    with screen(monkeypatch) as text:
        with bars(wanted=False) as progress:
            progress("prove", 0, 2, "linear")
        show(["end"])
        assert text() == "end\r\n"


def test_a_cycle_writes_no_bars_into_a_pipe(empty):
    assert run("cycle", "--workspace", empty).err == ""
