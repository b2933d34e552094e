"""A manager of agents for `kills`; run as a program."""

import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from tests.learners.kills import main
from torch import nn

from onward.learners.continual import ContinualLearningManager, SynapticIntelligence

TASKS = 6


def managed() -> ContinualLearningManager:
    """One agent that replays and drops out, one that grows."""
    torch.manual_seed(0)
    manager = ContinualLearningManager(margin=0.2, batch_size=8, seed=4)
    net = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 12))
    manager.setup_agent_continual_learning(
        "support", net, [SynapticIntelligence(0.1), manager.memory_replay(memory=60)]
    )
    grows = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 12))
    manager.setup_agent_continual_learning("sales", grows, [manager.progressive_neural_networks()], rate=0.01)
    return manager


def live(folder: Path, result: Path) -> None:
    """Six tasks for each, kept after every one."""
    torch.set_num_threads(1)
    chance = torch.Generator().manual_seed(0)
    x, manager = torch.randn(TASKS, 100, 6, generator=chance), managed()
    done = manager.resume(folder)
    for at in range(TASKS):
        for name in manager.agents:
            if done[name] <= at:
                manager.learn_new_task(name, (x[at], (x[at, :, 0] > 0).long() + 2 * at), epochs=2)
                manager.save(folder)
    kept: dict[str, torch.Tensor] = {}
    told: dict[str, list[object]] = {}
    for name, agent in manager._agents.items():
        kept |= {f"{name} {key}": value.clone() for key, value in agent.learner.network.state_dict().items()}
        kept |= {f"{name} {task}": one.asked.x for task, one in agent.held.items()}
        kept |= {f"{name} {task} at best": one.best for task, one in agent.held.items()}
        asked = [agent.learner.evaluate(one.asked) for one in agent.held.values()]
        told[name] = [agent.names, agent.learner.learned, asked]
    result.with_suffix(".json").write_text(json.dumps(told))
    save_file(kept, result.with_suffix(".part"))
    result.with_suffix(".part").replace(result)


if __name__ == "__main__":
    main(live, "manager.json")
