"""`onward demo`: the whole story, on our own days and on a user's file."""

import json
import os
import pty
import random
import re
import shlex
import subprocess
import sys
import termios

import pytest
from tests.cli.terminal import COLOURS, THINGS, run

from onward.cli._story import _program

LINEAR = {"ONWARD_TRAINING__LEARNERS": '["linear"]'}
MORE = {
    "gift": "a gift voucher for the",
    "repair": "please repair the",
    "advice": "which is better, the",
    "lost": "i lost my",
}


@pytest.fixture(scope="module")
def own_file(tmp_path_factory):
    """A user's file: four intents, two of them rarer."""
    lines = []
    for place, (intent, opening) in enumerate(MORE.items()):
        for number in range(100 if place < 2 else 60):
            colour, thing = COLOURS[number % len(COLOURS)], THINGS[(number * 7 + place) % len(THINGS)]
            text = f"{opening} {colour} {thing} {number}"
            lines.append({"id": f"{intent}-{number}", "text": text, "intent": intent, "user": f"u{number % 9}"})
    lines.append({"interaction": "gift-0", "score": 1.0})
    file = tmp_path_factory.mktemp("own") / "chats.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def test_our_own_story_to_the_end(tmp_path):
    """With every learner, as a new user would: in a process of its own, in an empty folder."""
    pytest.importorskip("spacy")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ONWARD_")}
    command = [sys.executable, "-m", "onward", "demo"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    day_one, questions, day_two, poisoned, rest = _chapters(done.stdout)
    assert "promoted after" in day_one
    assert day_one.count("set aside: ") == 5
    assert "interactions taught." in questions
    assert "promoted after" in day_two
    assert "keeps older work" in day_two
    assert "refused after" in poisoned
    assert "are contradicted by other examples" in poisoned
    assert "rollback" in rest
    assert "10 interactions of u-013 are erased and teach no later version" in rest
    picture = tmp_path / "onward-demo" / "learning.png"
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "onward-demo" / "progress.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "onward-demo" / "report.html").read_text()
    assert "refused" in page
    assert "in service" in page


def _chapters(told):
    parts = told.split("\n── ")[1:]
    assert len(parts) >= 5
    return [*parts[:4], "\n".join(parts[4:])]


def test_the_story_on_a_users_file(own_file, tmp_path):
    folder = tmp_path / "story"
    told = run("demo", "--data", own_file, "--workspace", folder, "--json", env=LINEAR)
    assert told.code == 0, told.err
    first, second, third = told.value["cycles"]
    assert (first["status"], second["status"]) == ("promoted", "promoted")
    assert third["status"] != "promoted"
    assert third["champion"] == second["champion"]
    assert told.value["rolled back"] == [second["champion"], first["champion"]]
    assert told.value["forgotten"] > 0
    again = run("demo", "--data", own_file, "--workspace", folder, env=LINEAR)
    assert again.code == 0
    assert "Where to look next" in again.out


def _on_a_terminal(*command, **options):
    """What a terminal of 110 columns and 40 lines is given to show, and the exit code."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 110))
    with os.fdopen(ours, "rb", buffering=0) as screen:
        process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, **options)
        os.close(theirs)
        shown = b"".join(_until_it_ends(screen))
        return shown.decode(), process.wait(60)


def _until_it_ends(screen):
    while True:
        try:
            data = screen.read(65_536)
        except OSError:  # what Linux says of a terminal that nobody writes to any more
            return
        if not data:
            return
        yield data


def _what_remains(shown):
    """The lines that are left once the cursor's moves up and the erasures are done."""
    lines, row = [""], 0
    for part in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|\r|\n|[^\x1b\r\n]+", shown):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part == "\x1b[1A":
            row -= 1
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part[0] not in "\x1b\r":
            lines[row] += part
    return lines


def test_the_story_stays_on_a_terminal(own_file, tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ONWARD_")}
    environment |= {**LINEAR, "TERM": "xterm-256color"}
    for name in ("COLUMNS", "LINES"):
        environment.pop(name, None)
    command = (sys.executable, "-m", "onward", "demo", "--data", str(own_file))
    shown, code = _on_a_terminal(*command, cwd=tmp_path, env=environment)
    assert code == 0, shown
    left = _what_remains(shown)
    headings = [line for line in left if line.startswith("── ")]
    assert [heading[3:8] for heading in headings] == ["Day 1", "The c", "Day 2", "Day 3", "Day 4", "A use", "What "]
    end = left.index("Where to look next")
    assert max(place for place, line in enumerate(left) if line.startswith("train ")) < end
    last = [line.rstrip() for line in left[end + 1 :] if line]
    assert [line[:20].strip() for line in last] == [
        "picture",
        "progress",
        "page to browse",
        "the gate's reasons",
        "who served when",
        "ask it yourself",
        "your own data",
    ]
    (asked,) = [line for line in last if line.startswith("ask")]
    assert shlex.split(asked[20:])[-2] == "predict"


def test_the_commands_of_the_story_work_where_onward_is_not_on_the_path(monkeypatch, tmp_path):
    (tmp_path / "script.py").touch()
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "argv", [str(tmp_path / "script.py")])
    assert _program() == f"{shlex.quote(sys.executable)} -m onward"
    (tmp_path / "script.py").chmod(0o755)
    assert _program() == str(tmp_path / "script.py")
    (tmp_path / "script.py").rename(tmp_path / "onward")
    assert _program() == "onward"


def test_a_folder_that_no_demo_made_is_left_alone(own_file, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious.txt").write_text("mine")
    refused = run("demo", "--data", own_file, "--workspace", tmp_path / "mine", "--json", env=LINEAR)
    assert refused.code == 2
    assert "no earlier demo" in refused.error["what"]
    assert (tmp_path / "mine" / "precious.txt").read_text() == "mine"


def test_too_little_to_tell_a_story_of(tmp_path):
    file = tmp_path / "few.csv"
    file.write_text("text,intent\nhello,greeting\n")
    few = run("demo", "--data", file, "--workspace", tmp_path / "ws", "--json", env=LINEAR)
    assert few.code == 2
    assert "1 texts with an intent, of 1 intents" in few.error["what"]
    assert (
        few.error["mend"]
        == "For a task with fewer intents use the commands init, record and cycle in a folder of your own."
    )
    assert "set aside" not in few.error["why"]
    file.write_text("text,intent\nhello,greeting\n,greeting\n")
    why = run("demo", "--data", file, "--workspace", tmp_path / "ws", "--json", env=LINEAR).error["why"]
    assert "Lines set aside: 1; the first is line 3: " in why
    assert not (tmp_path / "ws").exists()
    assert run("demo", "--data", tmp_path / "none.jsonl", "--json").code == 3


def test_a_file_that_nothing_can_be_learned_from(tmp_path):
    """Labels by chance: the gate passes nothing, and the story says so."""
    names = ["one", "two", "three", "four"]
    rng = random.Random(0)
    lines = [
        {"text": f"{rng.choice(COLOURS)} {rng.choice(THINGS)} {number}", "intent": rng.choice(names)}
        for number in range(240)
    ]
    file = tmp_path / "noise.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    told = run("demo", "--data", file, "--workspace", tmp_path / "ws", env=LINEAR)
    assert told.code == 0, told.err
    assert "The gate passed no candidate" in told.out
