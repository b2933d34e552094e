"""Continual learning for `kills`; run as a program."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tests.learners.kills import main
from torch import nn

from onward.learners.continual import EWC, ContinualLearner, Experience, ExperienceReplay, SynapticIntelligence


def live(checkpoints: Path, result: Path) -> None:
    """Three experiences, with dropout, a buffer, importance, and two numbers for each parameter of an optimiser."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    x = torch.randn(240, 6)
    y = (x[:, :3].argmax(1) + 3 * torch.arange(3).repeat_interleave(80)).long()
    net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 9))
    methods = [SynapticIntelligence(0.1), EWC(1.0), ExperienceReplay(50, balanced="class")]
    learner = ContinualLearner(net, methods, rate=0.01, batch_size=8, seed=4)
    reports = []
    for at in range(learner.resume(checkpoints), 3):
        part = Experience(x[80 * at : 80 * at + 80], y[80 * at : 80 * at + 80], task=at)
        report = learner.learn(part, epochs=3, checkpoints=checkpoints, checkpoint_every=1)
        reports.append([report.losses, report.accuracies, report.steps])
    result.with_suffix(".json").write_text(json.dumps(reports[-1:]))
    save_file(
        {name: value.clone() for name, value in learner.network.state_dict().items()}, result.with_suffix(".part")
    )
    result.with_suffix(".part").replace(result)


if __name__ == "__main__":
    main(live, "continual.json")
