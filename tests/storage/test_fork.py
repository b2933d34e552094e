"""A child that was forked while a workspace is open is told so at once, and harms nothing of its parent's."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

CHILD = """
import os, signal, sys
import onward
from onward.core import Unavailable

url, attempt = sys.argv[1], sys.argv[2]
ws = onward.open(url)
ws.record("before", id="a")
ws.champion()
lock = ws.house.storage.database._writer._lock
if attempt == "locked":
    lock.acquire()  # as another thread may hold it in the instant of the fork
child = os.fork()
if child == 0:
    signal.alarm(20)
    if attempt == "again":
        ws.close()
        with onward.open(url) as own:
            own.record("from the child", id="b")
        os._exit(0)
    for call in (
        lambda: ws.record("from the child", id="b"),
        lambda: ws.record("from the child", durable=False),
        lambda: ws.status(),
        lambda: ws.flush(),
    ):
        try:
            call()
        except Unavailable as error:
            if "Open it again in the child" not in str(error):
                os._exit(4)
        else:
            os._exit(5)
    ws.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
if attempt == "locked":
    lock.release()
ws.record("after", id="c")
print(os.waitstatus_to_exitcode(status), [one.id for one in ws.house.experience.interactions("default")])
print(ws.doctor())
ws.close()
"""


def forked(url: str | Path, attempt: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(url), attempt], capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("attempt", ["calls", "locked"])
def test_what_the_parent_opened_is_not_the_childs(tmp_path: Path, attempt: str) -> None:
    assert forked(tmp_path / "shop", attempt) == ["0 ['a', 'c']", "()"]


def test_the_child_opens_it_again(tmp_path: Path) -> None:
    assert forked(tmp_path / "shop", "again") == ["0 ['a', 'b', 'c']", "()"]


def test_what_is_in_memory_stays_the_parents() -> None:
    assert forked("memory://", "calls") == ["0 ['a', 'c']", "()"]


def test_on_a_server(postgresql_url: str) -> None:
    assert forked(postgresql_url, "calls") == ["0 ['a', 'c']", "()"]
