"""A network that tells tasks apart is told the task of every example."""

import torch
from tests.learners.continual.streams import digits
from torch import Tensor, nn

from onward.learners.continual import ContinualLearner, Experience


class Shifted(nn.Module):
    by_task = True

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 2)

    def forward(self, x: Tensor, task: Tensor | int | None = None) -> Tensor:
        shift = torch.as_tensor(-1.0 if task is None else task, dtype=x.dtype)
        return 0 * self.layer(x) + shift.expand(len(x))[:, None]


def test_predicting_hands_over_the_task() -> None:
    one = ContinualLearner(Shifted(), scenario="task")
    x, y = torch.rand(3, 1), torch.tensor([0, 1, 0])
    for task in range(3):
        one.learn(Experience(x, y, task=task))
    assert one.scores(x, 2).tolist() == [[2.0, 2.0]] * 3
    many = torch.rand(2500, 1)
    tasks = torch.arange(2500) % 3
    assert torch.equal(one.scores(many, tasks)[:, 0], tasks.float())


def test_other_networks_are_not_asked_about_it() -> None:
    torch.manual_seed(0)
    one = ContinualLearner(nn.Linear(64, 10), scenario="task")
    one.learn(digits()[0])
    assert one.scores(digits()[0].x, 0).shape == (len(digits()[0]), 10)
