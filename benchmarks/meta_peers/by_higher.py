"""higher 0.2.1, used as its MAML example does."""

from __future__ import annotations

import importlib
from collections.abc import Mapping

import torch
from torch import Tensor

from benchmarks.meta_peers import Gradient, in_torch
from benchmarks.meta_peers.work import Data, Work


def prepare(work: Work, data: Data) -> Gradient:
    higher = importlib.import_module("higher")

    net, loss = in_torch.network(work, data), in_torch.loss(work)
    parts = in_torch.tasks(data)
    optimizer = torch.optim.SGD(net.parameters(), lr=work.inner_rate)
    settings = {"copy_initial_weights": False, "track_higher_grads": not work.first_order}

    def one(sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> None:
        with higher.innerloop_ctx(net, optimizer, **settings) as (model, inner):
            for _ in range(work.inner_steps):
                inner.step(loss(model(sx), sy))
            judged = loss(model(qx), qy)
            if not work.first_order:
                judged.backward()
                return
            found = torch.autograd.grad(judged, list(model.parameters()))  # of the adapted ones: nothing leads back
            for parameter, gradient in zip(net.parameters(), found, strict=True):
                parameter.grad = gradient if parameter.grad is None else parameter.grad + gradient

    def gradient(count: int) -> Mapping[str, Tensor]:
        for task in zip(*(part[:count] for part in parts), strict=True):
            one(*task)
        return in_torch.collected(net, count)

    return gradient
