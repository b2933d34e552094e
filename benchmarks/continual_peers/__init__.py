"""Who trains in benchmarks/continual_speed.py: one module each, whose library loads when asked.

Each has `run(work, orders)`: a new network with the weights of the work learns some small experiences and then, timed,
one pass over all examples. With orders, one of each experience, in these orders, and telling the loss of each step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from torch import Tensor


@dataclass
class Run:
    """One pass.

    Args:
        milliseconds: of CPU, of a step.
        losses: of the batch alone, of each step, where orders were given.
        orders: (n,) in which the examples of each experience came, where they were asked for.
    """

    milliseconds: float
    losses: list[float] = field(default_factory=list)
    orders: list[Tensor] = field(default_factory=list)
