"""The work: examples, a network with its weights, earlier experiences."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor, nn

BATCH, RATE, SMALL, STRENGTH, MEMORY = 128, 0.05, 256, 10.0, 5_000


@dataclass
class Work:
    """What is learned, and how.

    Args:
        kind: "naive", "EWC" or "replay".
        x: (n, 784) examples.
        y: (n,) digits.
        before: small experiences that are learned first, each the first examples with their pixels in another order.
    """

    kind: str
    x: Tensor
    y: Tensor
    before: int = 0

    def network(self) -> nn.Sequential:
        """784-256-256-10, the same weights each time."""
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, 10))

    @cached_property
    def experiences(self) -> list[tuple[Tensor, Tensor]]:
        """The small ones."""
        random = torch.Generator().manual_seed(1)
        orders = [torch.randperm(784, generator=random) for _ in range(self.before)]
        count = MEMORY // max(self.before, 1) if self.kind == "replay" else SMALL
        return [(self.x[:count, order], self.y[:count]) for order in orders]
