"""torchopt 0.7.3, used as its MAML example does, but for one backward pass a task, which takes less memory."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

from torch import Tensor

from benchmarks.meta_peers import Gradient, in_torch
from benchmarks.meta_peers.work import Data, Work


def prepare(work: Work, data: Data) -> Gradient:
    torchopt = importlib.import_module("torchopt")

    net, loss = in_torch.network(work, data), in_torch.loss(work)
    parts = in_torch.tasks(data)
    optimizer = torchopt.MetaSGD(net, lr=work.inner_rate)
    first = torchopt.extract_state_dict(net, by="reference")
    idle = torchopt.extract_state_dict(optimizer, by="reference")

    def gradient(count: int) -> Mapping[str, Tensor]:
        for sx, sy, qx, qy in zip(*(part[:count] for part in parts), strict=True):
            for _ in range(work.inner_steps):
                optimizer.step(loss(net(sx), sy))
            loss(net(qx), qy).backward()
            torchopt.recover_state_dict(net, first)
            torchopt.recover_state_dict(optimizer, idle)
        return in_torch.collected(net, count)

    return gradient
