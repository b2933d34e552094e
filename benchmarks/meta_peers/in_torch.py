"""The work as PyTorch has it: the network with its weights, the tasks, the loss."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.meta_peers.work import CHANNELS, HIDDEN, Data, Work


def network(work: Work, data: Data) -> nn.Sequential:
    net = nn.Sequential(*_layers(work))
    net.load_state_dict({name[4:]: torch.from_numpy(data[name]) for name in data if name.startswith("net.")})
    return net


def _layers(work: Work) -> list[nn.Module]:
    if work.regression:
        hidden = [nn.Linear(1, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()]
        return [*hidden, nn.Linear(HIDDEN, 1)]
    layers: list[nn.Module] = []
    for block in range(4):
        layers.append(nn.Conv2d(CHANNELS if block else 1, CHANNELS, 3, 1 if work.network == "pooled" else 2, 1))
        layers += [nn.BatchNorm2d(CHANNELS, track_running_stats=False), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if work.network == "pooled" else []
    if work.network == "embedding":
        return [*layers, nn.Flatten()]
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, work.ways)]


def tasks(data: Data) -> list[Tensor]:
    """Support x and y, query x and y; tasks first."""
    return [torch.from_numpy(data[name]) for name in ("support_x", "support_y", "query_x", "query_y")]


def loss(work: Work) -> Callable[[Tensor, Tensor], Tensor]:
    return nn.functional.mse_loss if work.regression else nn.functional.cross_entropy


def collected(net: nn.Module, count: int) -> dict[str, Tensor]:
    """The mean gradient of so many tasks, whose sum is in `.grad`; which is emptied."""
    found = {}
    for name, parameter in net.named_parameters():
        found[name] = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad / count
        parameter.grad = None
    return found
