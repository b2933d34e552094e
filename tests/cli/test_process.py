"""The command line as a process of its own: signals, pipes, standard input that stays open."""

import json
import os
import signal
import subprocess
import sys

import pytest

PYTHON = (sys.executable, "-m", "onward")


def start(*arguments, **options):
    env = {name: value for name, value in os.environ.items() if not name.startswith("ONWARD_")}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*PYTHON, *map(str, arguments)], env=env, **{**pipes, **options})


def test_predict_answers_each_line_as_it_comes_and_ctrl_c_ends_it(shop):
    process = start("predict", "-", "--json", "--workspace", shop)
    for text in ("please refund it", "hello there"):
        process.stdin.write(f"{text}\n".encode())
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["text"] == text
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == b""
    assert json.loads(err)["error"] == "interrupted"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_schedule_ends_after_the_running_cycle_when_told_to(shop, number):
    process = start("schedule", "--every", "3600", "--json", "--workspace", shop)
    first = json.loads(process.stdout.readline())
    assert first["status"] in {"skipped", "kept"}
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, b"", b"")


def test_a_reader_that_has_gone_is_no_error(taught):
    reading, writing = os.pipe()
    os.close(reading)
    process = start("versions", "--workspace", taught, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")


def test_a_closed_standard_input_is_bad_input(tmp_path):
    command = f"{' '.join(PYTHON)} record - --workspace {tmp_path} --json <&-"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "Standard input is closed" in json.loads(done.stderr)["what"]


def test_help_needs_none_of_the_heavy_libraries():
    heavy = "{'sqlalchemy', 'sklearn', 'numpy', 'pydantic', 'spacy', 'structlog', 'apscheduler', 'onward.core'}"
    code = f"import sys, onward.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)
    assert done.stdout == b"[]\n"
