"""The loop that one writes by hand: indices into tensors, nothing measured, nothing looked at.

EWC is one quadratic whose gradient is added in place, the quickest way there is. The memory of replay is filled before
the pass; with `stream`, every batch is offered to it as to a reservoir, without it nothing is put into it meanwhile.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from benchmarks.continual_peers import Run
from benchmarks.continual_peers.work import BATCH, MEMORY, RATE, STRENGTH, Work


def run(work: Work, orders: Sequence[Tensor] | None = None, *, stream: bool = False) -> Run:
    network = work.network()
    optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
    if work.kind == "replay":
        x, y = (torch.cat(parts)[:MEMORY] for parts in zip(*work.experiences, strict=True))
        return replayed(network, optimizer, work, (x, y), stream)
    penalty = Penalty(network) if work.kind == "EWC" else None
    given = [torch.randperm(len(x)) for x, _ in (*work.experiences, (work.x, work.y))] if orders is None else orders
    for (x, y), order in zip(work.experiences, given, strict=False):
        epoch(network, optimizer, x, y, penalty, order)
        if penalty is not None:
            penalty.add(fisher(network, x, y))
    return epoch(network, optimizer, work.x, work.y, penalty, given[-1], tell=orders is not None)


class Penalty:
    """strength / 2 times the sum of weight (parameter - center)^2."""

    def __init__(self, network: nn.Module) -> None:
        self.parameters = list(network.parameters())
        self.weights: list[Tensor] = []
        self.centers: list[Tensor] = []

    @torch.no_grad()
    def add(self, weights: list[Tensor]) -> None:
        """Another one, around where the parameters are."""
        now = [parameter.clone() for parameter in self.parameters]
        if not self.weights:
            self.weights, self.centers = weights, now
            return
        both = [old + new for old, new in zip(self.weights, weights, strict=True)]
        parts = zip(self.weights, self.centers, weights, now, both, strict=True)
        self.centers = [torch.where(sums > 0, (f * c + g * p) / sums, p) for f, c, g, p, sums in parts]
        self.weights = both

    @torch.no_grad()
    def pull(self) -> None:
        """Its gradient, onto that of the loss."""
        way = torch._foreach_sub(self.parameters, self.centers)  # noqa: SLF001 - the name torch's own optimisers use
        grads = [parameter.grad for parameter in self.parameters if parameter.grad is not None]
        torch._foreach_addcmul_(grads, way, self.weights, value=STRENGTH)


def epoch(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    x: Tensor,
    y: Tensor,
    penalty: Penalty | None,
    order: Tensor,
    tell: bool = False,
) -> Run:
    losses = []
    batches = order.split(BATCH)
    began = time.process_time()
    for index in batches:
        loss = F.cross_entropy(network(x[index]), y[index])
        optimizer.zero_grad()
        loss.backward()
        if penalty is not None and penalty.weights:
            penalty.pull()
        optimizer.step()
        if tell:
            losses.append(float(loss.detach()))
    return Run(1e3 * (time.process_time() - began) / len(batches), losses)


def replayed(
    network: nn.Module, optimizer: torch.optim.Optimizer, work: Work, memory: tuple[Tensor, Tensor], stream: bool
) -> Run:
    batches, seen = torch.randperm(len(work.x)).split(BATCH), len(memory[0])
    old_x, old_y = memory
    began = time.process_time()
    for index in batches:
        x, y = work.x[index], work.y[index]
        chosen = torch.randint(len(old_x), (BATCH,))
        new, old = network(torch.cat([x, old_x[chosen]])).split([len(index), BATCH])
        loss = F.cross_entropy(new, y) + F.cross_entropy(old, old_y[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if stream:
            places = (torch.rand(len(index)) * torch.arange(seen + 1, seen + 1 + len(index))).long()
            kept = places < len(old_x)
            old_x[places[kept]], old_y[places[kept]] = x[kept], y[kept]
            seen += len(index)
    return Run(1e3 * (time.process_time() - began) / len(batches))


def fisher(network: nn.Module, x: Tensor, y: Tensor) -> list[Tensor]:
    """Mean over the examples of the squared gradient of each, one after the other."""
    parameters = list(network.parameters())
    sums = [torch.zeros_like(parameter) for parameter in parameters]
    for one, target in zip(x, y, strict=True):
        found = torch.autograd.grad(F.cross_entropy(network(one[None]), target[None]), parameters)
        sums = [total + each**2 for total, each in zip(sums, found, strict=True)]
    return [total / len(x) for total in sums]
