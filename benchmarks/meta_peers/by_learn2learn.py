"""learn2learn 0.2.0: its `algorithms.MAML`, used as its examples do; and its prototypical example.

Its data part is compiled and needs an old Python, so the modules in use are loaded from the unpacked source package,
whose folder the environment variable LEARN2LEARN names.
"""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from benchmarks.meta_peers import Gradient, in_torch
from benchmarks.meta_peers.work import Data, Work


def part(name: str) -> ModuleType:
    """A module of learn2learn, without running the `__init__` of the packages above it."""
    root = Path(os.environ.get("LEARN2LEARN", "learn2learn-0.2.0")) / "learn2learn"
    if not root.is_dir():
        raise ImportError("LEARN2LEARN does not name the unpacked source package of learn2learn")
    for package, folder in {"learn2learn": root, "learn2learn.algorithms": root / "algorithms"}.items():
        if package not in sys.modules:
            bare = importlib.machinery.ModuleSpec(package, None, is_package=True)
            bare.submodule_search_locations = [str(folder)]
            sys.modules[package] = importlib.util.module_from_spec(bare)
    return importlib.import_module(f"learn2learn.{name}")


def prepare(work: Work, data: Data) -> Gradient:
    return prototypical(work, data) if work.network == "embedding" else maml(work, data)


def maml(work: Work, data: Data) -> Gradient:
    net, loss = in_torch.network(work, data), in_torch.loss(work)
    parts = in_torch.tasks(data)
    learner = part("algorithms.maml").MAML(net, lr=work.inner_rate, first_order=work.first_order)

    def gradient(count: int) -> Mapping[str, Tensor]:
        for sx, sy, qx, qy in zip(*(each[:count] for each in parts), strict=True):
            clone = learner.clone()
            for _ in range(work.inner_steps):
                clone.adapt(loss(clone(sx), sy))
            loss(clone(qx), qy).backward()
        return in_torch.collected(net, count)

    return gradient


def prototypical(work: Work, data: Data) -> Gradient:
    """The steps of examples/vision/protonet_miniimagenet.py: one task's support and query set embedded together."""
    net, loss = in_torch.network(work, data), in_torch.loss(work)
    parts = in_torch.tasks(data)

    def gradient(count: int) -> Mapping[str, Tensor]:
        for sx, sy, qx, qy in zip(*(each[:count] for each in parts), strict=True):
            embedded = net(torch.cat([sx, qx]))
            prototypes = embedded[: len(sy)].reshape(work.ways, work.shots, -1).mean(1)
            queries = embedded[len(sy) :]
            shape = (len(qy), work.ways, -1)
            gaps = queries.unsqueeze(1).expand(shape) - prototypes.unsqueeze(0).expand(shape)
            loss(-(gaps**2).sum(2), qy).backward()
        return in_torch.collected(net, count)

    return gradient
