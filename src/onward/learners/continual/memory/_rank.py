"""Equal shares for groups, by sorting: nothing here looks at one example at a time."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor


def ranks(groups: Tensor, priority: Tensor) -> Tensor:
    """(n,) place of each within its group, from 0, the lowest priority first.

    >>> ranks(torch.tensor([0, 1, 0, 0]), torch.tensor([0.3, 0.9, 0.1, 0.2]))
    tensor([2, 0, 0, 1])
    """
    order = priority.argsort(stable=True)
    order = order[groups[order].argsort(stable=True)]
    _, counts = torch.unique_consecutive(groups[order], return_counts=True)
    place = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    return torch.empty_like(place).index_copy_(0, order, place)


def leading(
    groups: Tensor | None, priority: Tensor, count: int, each: int | None = None, ties: Tensor | None = None
) -> Tensor:
    """At most (count,) positions, in no order: the lowest priorities, in shares as equal as the groups allow.

    First the first of every group, then the second of every group, and so on; where the count ends within a round,
    the lowest priorities of that round. A group that is too small leaves its share to the others.

    Args:
        groups: (n,) numbers; `None`: one group.
        each: at most so many of any group.
        ties: (n,) of those in the round that does not fit, the lowest stay; `priority` where left out, which prefers
            large groups.

    >>> leading(torch.tensor([0, 0, 0, 1]), torch.tensor([0.3, 0.2, 0.1, 0.9]), 3).sort().values
    tensor([1, 2, 3])
    """
    if groups is None:
        return priority.argsort(stable=True)[: count if each is None else min(count, each)]
    place = ranks(groups, priority)
    bound = len(place) if each is None else each
    below = torch.bincount(place.clamp(max=bound), minlength=bound + 1)[:bound].cumsum(0)
    level = int((below <= count).sum())
    whole = (place < level).nonzero().squeeze(1)
    if level == bound:
        return whole
    last = (place == level).nonzero().squeeze(1)
    last = last[(priority if ties is None else ties)[last].argsort(stable=True)[: count - len(whole)]]
    return torch.cat([whole, last])


def distinct(count: int, size: int, generator: torch.Generator) -> Tensor:
    """(min(count, size),) different numbers below `size`, every set and order of them equally likely."""
    if size <= 16 * count:
        return torch.randperm(size, generator=generator)[:count]
    while True:  # the first of each number, in the order drawn: enough of them unless by a very unlikely chance
        drawn = torch.randint(size, (count + count // 8 + 8,), generator=generator).numpy()
        firsts = np.unique(drawn, return_index=True)[1]
        if len(firsts) >= count:
            return torch.from_numpy(drawn[np.sort(firsts)[:count]])
