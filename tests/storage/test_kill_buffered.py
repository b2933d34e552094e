"""kill -9 while records are buffered: what was flushed is there; of the rest a beginning is, in order, and nothing twice."""

import random
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from onward.experience import Experience
from onward.storage import open_storage

KILLS = 4
RECORDER = """
import os
import sys
from datetime import datetime, UTC
from onward.core import Interaction
from onward.experience import Experience
from onward.storage import open_storage

def record(turn, every):
    experience = Experience(open_storage(sys.argv[1]).database)
    for n in range(1_000_000):
        one = Interaction(id=f"{turn:02d}-{n:07d}", text="where is my parcel " * 20, at=datetime.now(UTC))
        experience.buffer([one])
        if n % 7 == 0:
            experience.buffer([one])
        if n % every == every - 1:
            experience.flush()
            os.write(1, f"flushed {one.id}\\n".encode())

while line := sys.stdin.readline():
    turn, every = map(int, line.split())
    if (child := os.fork()) == 0:
        record(turn, every)
    print("pid", child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


@pytest.mark.parametrize("place", ["sqlite", "postgresql"])
def test_only_what_was_not_flushed_is_lost_and_nothing_is_doubled(
    place: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = str(tmp_path / "shop") if place == "sqlite" else str(request.getfixturevalue("postgresql_url"))
    chance = random.Random(0)
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for turn in range(KILLS):
            print(turn, chance.choice((1, 50, 700)), file=nursery.stdin, flush=True)
            child = int(nursery.stdout.readline().split()[1])
            flushed = [nursery.stdout.readline()]
            assert flushed[0].startswith("flushed"), "the recorder died by itself"
            time.sleep(chance.random() * 0.2)
            subprocess.run(["/bin/kill", "-9", str(child)], check=True)
            while (line := nursery.stdout.readline()) != "dead\n":
                flushed.append(line)
            check(url, turn, last=[line.split()[1] for line in flushed if line.endswith("\n")][-1])
        nursery.stdin.close()


def check(url: str, turn: int, last: str) -> None:
    with closing(open_storage(url)) as storage:
        experience = Experience(storage.database)
        stored = [one.id for one in experience.interactions("default")]
        assert experience.counts("default") == (len(stored), 0)
    own = [one for one in stored if one.startswith(f"{turn:02d}")]
    assert own == [f"{turn:02d}-{n:07d}" for n in range(len(own))]
    assert own[-1] >= last
