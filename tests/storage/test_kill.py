"""kill -9 at any instant: what was acknowledged is there, once, and the database opens clean."""

import random
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

from onward.experience import Experience
from onward.storage import open_storage

KILLS = 10
RECORDER = """
import os
import sys
import threading
from datetime import datetime, UTC
from onward.core import Interaction
from onward.experience import Experience
from onward.storage import open_storage

def record(name):
    for n in range(1_000_000):
        one = Interaction(id=f"{name}-{n}", text="where is my parcel " * 20, at=datetime.now(UTC))
        experience.record([one])
        experience.record([one])
        os.write(1, f"{one.id}\\n".encode())

while line := sys.stdin.readline():
    # A fork, so that each of them starts at once: importing takes longer than the rest.
    if (child := os.fork()) == 0:
        experience = Experience(open_storage(sys.argv[1]).database)
        threads = [threading.Thread(target=record, args=(f"{line.strip()}-{t}",), daemon=True) for t in range(3)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    print("pid", child, flush=True)
    os.waitpid(child, 0)
    print("dead", flush=True)
"""


def test_what_was_acknowledged_survives_any_kill(tmp_path: Path) -> None:
    chance, acknowledged = random.Random(0), Counter[str]()
    with subprocess.Popen(
        [sys.executable, "-c", RECORDER, tmp_path / "shop"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as nursery:
        assert nursery.stdin is not None
        assert nursery.stdout is not None
        for kill in range(KILLS):
            print(kill, file=nursery.stdin, flush=True)
            wanted, child = chance.randrange(1, 60), 0
            for line in nursery.stdout:
                child = int(line.split()[1]) if line.startswith("pid") else child
                acknowledged.update([line.strip()] if line[0].isdigit() else [])
                wanted -= 1
                assert line != "dead\n", "the recorder died by itself"
                if child and wanted < 0:
                    break
            time.sleep(chance.random() * 0.02)
            subprocess.run(["/bin/kill", "-9", str(child)], check=True)
            for line in nursery.stdout:
                if line.endswith("dead\n"):
                    break
                acknowledged.update([line.strip()] if line.endswith("\n") else [])
            check(tmp_path / "shop", acknowledged)
        nursery.stdin.close()
    assert sum(acknowledged.values()) > KILLS


def check(folder: Path, acknowledged: Counter[str]) -> None:
    with closing(open_storage(folder)) as storage:
        with storage.database.read() as connection:
            assert connection.exec_driver_sql("PRAGMA integrity_check").scalars().all() == ["ok"]
        stored = Counter(interaction.id for interaction in Experience(storage.database).interactions("default"))
    assert set(stored.values()) <= {1}
    assert not acknowledged - stored
