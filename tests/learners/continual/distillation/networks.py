from __future__ import annotations

from functools import cache

import torch
from sklearn.datasets import load_digits
from torch import nn

from onward.learners.continual import Experience


@cache
def digits() -> tuple[Experience, Experience]:
    """Handwritten digits: 1,400 to learn from, 397 to measure on."""
    found = load_digits()
    order = torch.randperm(len(found.target), generator=torch.Generator().manual_seed(0))
    x = torch.tensor(found.data, dtype=torch.float32)[order] / 16
    y = torch.tensor(found.target)[order]
    return Experience(x[:1400], y[:1400]), Experience(x[1400:], y[1400:])


@cache
def teacher() -> nn.Sequential:
    """A network that knows the digits; nobody may change it."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10))
    learn, _ = digits()
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    for _ in range(15):
        for rows in torch.randperm(len(learn)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(network(learn.x[rows]), learn.y[rows]).backward()
            optimizer.step()
    return network.eval()


def convolutional() -> nn.Sequential:
    """All the layers that can be made narrower."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Conv2d(8, 12, 3, padding=1, bias=False),
        nn.BatchNorm2d(12),
        nn.PReLU(),
        nn.Flatten(),
        nn.Linear(12 * 16, 20),
        nn.LayerNorm(20),
        nn.Dropout(0.1),
        nn.Linear(20, 5),
    )
