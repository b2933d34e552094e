"""Ten points of a sinusoid nobody has seen: a network that learned how to learn beside one that only learned.

Run: python examples/few_shot_sinusoid.py
Or in two processes: torchrun --nproc_per_node=2 examples/few_shot_sinusoid.py
"""

import os

import torch
from torch import distributed, nn

from onward.learners.meta import MAML, FineTuning, MetaLearner
from onward.learners.meta.algorithms import Algorithm
from onward.learners.meta.tasks import Sinusoid

STEPS = 1000
AFTER = (0, 1, 2, 5, 10)


def network() -> nn.Module:
    """The network of the MAML paper."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))


def errors(algorithm: Algorithm) -> list[float]:
    """The mean squared error on 600 new sinusoids, after so many gradient steps on ten points of each."""
    tasks = Sinusoid(shots=10, queries=10, seed=0)
    learner = MetaLearner(network(), algorithm, loss="mse", outer_rate=3e-3)
    learner.fit(tasks, steps=STEPS, batch_size=25)
    new = Sinusoid(shots=10, queries=100, seed=1, name="test").sample_batch(600)
    return [sum(learner.evaluate_tasks(new, num_steps=steps)["loss"]) / len(new) for steps in AFTER]


def main() -> None:
    if "WORLD_SIZE" in os.environ:  # torchrun
        distributed.init_process_group("gloo")
    learned_to_learn, learned = errors(MAML(inner_steps=1, inner_rate=0.02)), errors(FineTuning(inner_rate=0.02))
    if os.environ.get("RANK", "0") == "0":
        print("steps      " + "".join(f"{steps:8}" for steps in AFTER))
        print("MAML       " + "".join(f"{error:8.2f}" for error in learned_to_learn))
        print("fine-tuned " + "".join(f"{error:8.2f}" for error in learned))
    if distributed.is_initialized():
        distributed.destroy_process_group()


if __name__ == "__main__":
    main()
