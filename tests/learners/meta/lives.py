"""A training that is killed again and again, beside one that is not; run as a program, which says how it went.

Every life is a fork: nothing is imported again, so that lives can be short.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from onward.learners.meta import MAMLPlusPlus, MetaLearner
from onward.learners.meta.tasks import GaussianBlobs

STEPS = 80


def live(checkpoints: Path, result: Path) -> None:
    """Train to the end and tell of it; with dropout, learned rates, validation, and more tasks than a chunk."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 2))
    learner = MetaLearner(net, MAMLPlusPlus(inner_steps=2, multi_step=30), outer_rate=0.01, clip=1.0, seed=4)
    tasks = GaussianBlobs(ways=2, dimensions=3, seed=1)
    report = learner.fit(
        tasks,
        steps=STEPS,
        batch_size=6,
        validation=tasks.split("validation"),
        validate_every=7,
        validation_tasks=20,
        checkpoints=checkpoints,
        checkpoint_every=1,
    )
    said = report.to_dict()
    timeless = [{name: value for name, value in row.items() if name != "seconds"} for row in said["history"]]
    result.with_suffix(".json").write_text(json.dumps([timeless, said["best_step"], said["validation_loss"]]))
    save_file(learner.meta_parameters(), result.with_suffix(".part"))
    result.with_suffix(".part").replace(result)


def fork(checkpoints: Path, result: Path) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            live(checkpoints, result)
        finally:
            os._exit(0 if result.exists() else 1)
    return pid


def main(folder: Path, kills: int, seed: int) -> None:
    chance = random.Random(seed)
    torch.optim.Adam([torch.zeros(1)])  # loads half of torch, once for all lives
    start = time.perf_counter()
    os.waitpid(fork(folder / "whole", folder / "whole.safetensors"), 0)
    took = time.perf_counter() - start
    done = []
    for _ in range(kills):
        pid = fork(folder / "torn", folder / "torn.safetensors")
        time.sleep(chance.uniform(0.02, 0.25) * took)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        state = folder / "torn" / "checkpoint.json"
        done.append(json.loads(state.read_bytes())["weights"] if state.exists() else "")
        if (folder / "torn.safetensors").exists():
            break
    code = os.waitpid(fork(folder / "torn", folder / "torn.safetensors"), 0)[1]
    one, other = (load_file(folder / f"{name}.safetensors") for name in ("whole", "torn"))
    print(
        json.dumps(
            {
                "code": code,
                "stages": len(set(done)),
                "equal": one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one),
                "history": (folder / "whole.json").read_text() == (folder / "torn.json").read_text(),
                "files": sorted(path.suffix for path in (folder / "torn").iterdir()),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
