"""Bears the processes that the fault tests kill: forks, so that none of them waits for imports or for a first cycle.

    python -m tests.faults.nursery

Each line that it reads is JSON: {"operation", "url", "said", ...} forks one and answers its number; {"wait": number}
answers its exit status. What a child has to say goes to the file `said`, so that nothing is lost with it.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any

import psycopg  # noqa: F401 - loaded here, so that no child loads it

import onward
from tests.conversations import lines
from tests.faults.operations import SETTINGS, run, try_all

DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def main() -> None:
    warm_up()
    print("ready", flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        number = asked.get("wait")
        print(born(asked) if number is None else status_of(number), flush=True)


def warm_up() -> None:
    """Load all that an operation may load: what is forked later may have no right to read it."""
    with tempfile.TemporaryDirectory() as folder:
        with onward.open(f"{folder}/ws", settings=SETTINGS) as ws:
            ws.record_many(lines(300))
            ws.cycle()
            ws.write_settings()
        for _ in range(2):
            try_all(f"{folder}/ws", f"{folder}/kept", lambda *_: None)
        (Path(folder) / "ws" / "onward.toml").write_text("[no such thing", encoding="utf8")
        try_all(f"{folder}/ws", f"{folder}/none", lambda *_: None)


def born(asked: dict[str, Any]) -> int:
    number = os.fork()
    if number:
        return number
    ctypes.CDLL(None).prctl(DIE_WITH_PARENT, signal.SIGKILL)
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        told = os.open(f"{asked['said']}.err", os.O_WRONLY | os.O_CREAT, 0o666)
        for here, there in ((nothing, 0), (told, 1), (told, 2)):
            os.dup2(here, there)
        run(**{**asked, "said": Path(asked["said"])})
    except BaseException:  # noqa: BLE001 - it is told, and the fork ends here
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def status_of(number: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


if __name__ == "__main__":
    main()
