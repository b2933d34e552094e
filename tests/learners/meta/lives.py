"""A meta-training for `kills`; run as a program."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tests.learners.kills import main
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


if __name__ == "__main__":
    main(live, "checkpoint.json")
