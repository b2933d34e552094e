"""A network for tasks that come without one: its shape from theirs."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from math import prod
from typing import Final

import torch
from torch import nn

from onward.core import InvalidInput
from onward.learners.neural import seed_of_torch, whole

from .tasks import MetaLearningTask

WIDE: Final = 64
NARROW: Final = 32
LARGE: Final = 32
BLOCKS: Final = 4


def default_network(
    tasks: Sequence[MetaLearningTask], *, embeds: bool, real: bool = False, seed: int = 0
) -> nn.Sequential:
    """A network for tasks like these: a "body", and, unless it only embeds, a "head".

    Images (channels, height, width): up to four convolutions 3 x 3 with stride 2, batch norm and ReLU (the network of
    Vinyals et al. 2016 as Finn et al. 2017 use it on Omniglot), 64 filters, or 32 for images over 32 pixels. Anything
    else is flattened: two hidden layers of 64 with ReLU. The head has an output for each class of the task that has the
    most, or for each number of a real target.

    Args:
        tasks: at least one; inputs and real targets are taken to have the shape of the first one's.
        embeds: whether an algorithm compares what the network gives; 64 numbers then, or what a convolution has left.
        real: whether whole numbers are real targets, too.
        seed: of its first weights, any whole number; torch's own random numbers stay as they are.

    Raises:
        InvalidInput: inputs are no real numbers, or the seed is no whole number.

    >>> from onward.learners.meta.tasks import GaussianBlobs
    >>> default_network(GaussianBlobs(ways=3).sample_batch(2), embeds=False).head
    Linear(in_features=64, out_features=3, bias=True)
    """
    whole(None, seed=seed)
    x = tasks[0].support_set.x
    if not x.is_floating_point():
        raise InvalidInput(
            f"There is no network for inputs of type {x.dtype}.",
            why="Such numbers may be words of a vocabulary, or anything else.",
            mend="Give a model, or inputs that are real numbers.",
        )
    shape = tuple(x.shape[1:])
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed_of_torch(seed))
        body = _convolutions(shape) if len(shape) == 3 else _layers(shape)
        with torch.no_grad():
            width = body.eval()(torch.zeros(1, *shape)).shape[1]
        parts: OrderedDict[str, nn.Module] = OrderedDict(body=body.train())
        if not embeds:
            parts["head"] = nn.Linear(width, outputs_of(tasks, real))
        return nn.Sequential(parts).to(x.dtype)


def outputs_of(tasks: Sequence[MetaLearningTask], real: bool = False) -> int:
    """How many numbers a network has to give for an example: of classes, or of a target where they are `real`."""
    targets = [examples.y for task in tasks for examples in (task.support_set, task.query_set)]
    if real or targets[0].is_floating_point():
        return prod(targets[0].shape[1:])
    return 1 + max(int(y.max()) for y in targets)


def _layers(shape: tuple[int, ...]) -> nn.Sequential:
    rows = nn.Flatten() if shape else nn.Unflatten(0, (-1, 1))
    return nn.Sequential(rows, nn.Linear(prod(shape), WIDE), nn.ReLU(), nn.Linear(WIDE, WIDE), nn.ReLU())


def _convolutions(shape: tuple[int, ...]) -> nn.Sequential:
    channels, *sides = shape
    filters = WIDE if min(sides) <= LARGE else NARROW
    blocks: list[nn.Module] = []
    side = min(sides)
    while len(blocks) < BLOCKS and (side > 1 or not blocks):
        before = filters if blocks else channels
        convolution = nn.Conv2d(before, filters, 3, stride=2, padding=1)
        blocks.append(nn.Sequential(convolution, nn.BatchNorm2d(filters), nn.ReLU()))
        side = (side + 1) // 2
    return nn.Sequential(*blocks, nn.Flatten())
