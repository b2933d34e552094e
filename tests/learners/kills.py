"""A training that is killed again and again, beside one that is not; for programs that say how it went.

Every life is a fork: nothing is imported again, so that lives can be short.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file

Live = Callable[[Path, Path], None]
"""Train to the end with checkpoints in the first folder, and tell of it in the second path and its `.json`; "[]" there
where nothing was left to do."""


def fork(live: Live, checkpoints: Path, result: Path) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            live(checkpoints, result)
        finally:
            os._exit(0 if result.exists() else 1)
    return pid


def main(live: Live, record: str) -> None:
    """Arguments of the program: a folder, how many kills, a seed. `record` is the JSON file of a checkpoint."""
    folder, kills, chance = Path(sys.argv[1]), int(sys.argv[2]), random.Random(int(sys.argv[3]))
    torch.optim.Adam([torch.zeros(1)])  # loads half of torch, once for all lives
    start = time.perf_counter()
    os.waitpid(fork(live, folder / "whole", folder / "whole.safetensors"), 0)
    took = time.perf_counter() - start
    done = []
    for _ in range(kills):
        pid = fork(live, folder / "torn", folder / "torn.safetensors")
        time.sleep(chance.uniform(0.02, 0.25) * took)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        state = folder / "torn" / record
        done.append(json.loads(state.read_bytes())["weights"] if state.exists() else "")
        if (folder / "torn.safetensors").exists():
            break
    code = os.waitpid(fork(live, folder / "torn", folder / "torn.safetensors"), 0)[1]
    one, other = (load_file(folder / f"{name}.safetensors") for name in ("whole", "torn"))
    print(
        json.dumps(
            {
                "code": code,
                "stages": len(set(done)),
                "equal": one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one),
                "history": (folder / "torn.json").read_text() in {(folder / "whole.json").read_text(), "[]"},
                "files": sorted(path.suffix for path in (folder / "torn").iterdir()),
            }
        )
    )
