"""`torch.func`: the gradient of one task's loss after adaptation, mapped over as many tasks at a time as is fastest."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.func import functional_call, grad, vmap

from benchmarks.meta_peers import Gradient, in_torch
from benchmarks.meta_peers.work import Data, Work


def prepare(work: Work, data: Data) -> Gradient:
    net, loss = in_torch.network(work, data), in_torch.loss(work)
    parts = in_torch.tasks(data)
    first = {name: parameter.detach() for name, parameter in net.named_parameters()}

    def judged(parameters: Mapping[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(net, dict(parameters), x), y)

    def adapt(parameters: Mapping[str, Tensor], x: Tensor, y: Tensor) -> Mapping[str, Tensor]:
        for _ in range(work.inner_steps):
            found = grad(judged)(parameters, x, y)
            parameters = {name: parameters[name] - work.inner_rate * found[name] for name in parameters}
        return parameters

    def second_order(parameters: Mapping[str, Tensor], sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> Tensor:
        return judged(adapt(parameters, sx, sy), qx, qy)

    def first_order(sx: Tensor, sy: Tensor, qx: Tensor, qy: Tensor) -> Mapping[str, Tensor]:
        found: Mapping[str, Tensor] = grad(judged)(adapt(first, sx, sy), qx, qy)
        return found

    of_one = first_order if work.first_order else lambda *task: grad(second_order)(first, *task)

    def gradient(count: int) -> Mapping[str, Tensor]:
        found = vmap(of_one, chunk_size=work.few)(*(part[:count] for part in parts))
        return {name: each.mean(0) for name, each in found.items()}

    return gradient
