"""By hand: a loop over tasks, in it one over steps of `torch.autograd.grad`. In float64: the reference."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.func import functional_call

from benchmarks.meta_peers import Gradient, in_torch
from benchmarks.meta_peers.work import Data, Work


def prepare(work: Work, data: Data, dtype: torch.dtype = torch.float32) -> Gradient:
    net, loss = in_torch.network(work, data).to(dtype), in_torch.loss(work)
    parts = [part.to(dtype) if part.is_floating_point() else part for part in in_torch.tasks(data)]

    def prototypical(sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        """Support and query set embedded together; minus squared distances from the means of the classes."""
        embedded = net(torch.cat([sx, qx]))
        support, queries = embedded[: len(sy)], embedded[len(sy) :]
        centres = torch.stack([support[sy == number].mean(0) for number in range(work.ways)])
        return loss(-(torch.cdist(queries, centres) ** 2), qy)

    def maml(sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        return loss(functional_call(net, adapt(sx, sy), qx), qy)

    def adapt(x: Tensor, y: Tensor) -> dict[str, Tensor]:
        parameters: dict[str, Tensor] = dict(net.named_parameters())
        for _ in range(work.inner_steps):
            found = torch.autograd.grad(
                loss(functional_call(net, parameters, x), y),
                list(parameters.values()),
                create_graph=not work.first_order,
            )
            parameters = {
                name: old - work.inner_rate * one for (name, old), one in zip(parameters.items(), found, strict=True)
            }
        return parameters

    def gradient(count: int) -> Mapping[str, Tensor]:
        judged = prototypical if work.network == "embedding" else maml
        for task in zip(*(part[:count] for part in parts), strict=True):
            judged(*task).backward()
        return in_torch.collected(net, count)

    return gradient
