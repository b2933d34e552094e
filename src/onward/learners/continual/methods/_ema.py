"""Slow copies of a network: exponential moving averages of its weights."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.neural import share


@dataclass(frozen=True, slots=True)
class EMA:
    """Predict with an exponential moving average of the network's weights.

    After a step, with a probability of `frequency`, the average moves by 1 - decay of the way to the network, and in
    the first steps by more: by 1 / (t + 1) after step t, so that it is a plain mean until it has enough to average.
    The running statistics of batch norms are averaged alike. The training itself is not changed, so that it goes with
    every method that trains the same parameters throughout and brings no network of its own to predict with.

    Args:
        decay: 0 to below 1.
        frequency: probability of an update after each step, above 0 to 1.

    Raises:
        InvalidInput: a value is out of its range.

    >>> EMA(decay=0.99)
    EMA(decay=0.99, frequency=1.0)
    """

    decay: float = 0.999
    frequency: float = 1.0

    def __post_init__(self) -> None:
        share(decay=self.decay, frequency=self.frequency)
        if self.decay == 1 or self.frequency == 0:
            raise InvalidInput(
                f"{self} never follows the network.", mend="Give a decay below 1, and a frequency above 0."
            )

    def start(self, course: Course) -> Hooks:
        averages = Averages((self,), course)
        return Hooks(
            begin=averages.begin,
            stepped=averages.follow,
            serve=averages.first,
            state=averages.state,
            restore=averages.restore,
        )


class Averages:
    """Averages of one network's weights, each with its own pace. They are in evaluation mode and need no gradients.

    Steps towards a network become smaller than half precision can tell; so what is averaged there is kept in single
    precision beside it.
    """

    def __init__(self, paces: tuple[EMA, ...], course: Course) -> None:
        self._paces, self._course = paces, course
        self.networks = [copy.deepcopy(course.network).eval().requires_grad_(False) for _ in paces]
        self._exact = [_exact(network) for network in self.networks]
        self._pairs: list[_Pairs] = []
        self._steps = 0

    def begin(self, experience: Experience) -> None:  # noqa: ARG002
        self._pairs = []

    def first(self) -> nn.Module:
        return self.networks[0]

    def follow(self, step: Step) -> None:  # noqa: ARG002
        """Move each that its chance chooses."""
        both = zip(self.networks, self._exact, strict=True)
        self._pairs = self._pairs or [_Pairs(network, self._course.network, exact) for network, exact in both]
        self._steps += 1
        chance = torch.rand(len(self._paces), generator=self._course.generator).tolist()
        for drawn, pace, pairs in zip(chance, self._paces, self._pairs, strict=True):
            if drawn < pace.frequency:
                pairs.move(1 - min(1 - 1 / (self._steps + 1), pace.decay))

    def state(self) -> dict[str, Any]:
        networks = [dict(network.state_dict()) for network in self.networks]
        return {"steps": self._steps, "networks": networks, "exact": self._exact}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._pairs, self._steps = [], int(state["steps"])
        for network, held in zip(self.networks, state["networks"], strict=True):
            network.load_state_dict(held)
        self._exact = [_exact(network) for network in self.networks]
        for exact, told in zip(self._exact, state["exact"], strict=True):
            for name, value in exact.items():
                value.copy_(told[name])


class _Pairs:
    """The tensors of an average and of what it follows, side by side."""

    def __init__(self, average: nn.Module, network: nn.Module, exact: dict[str, Tensor]) -> None:
        device = next((value.device for value in network.parameters()), None)
        ours, theirs = _tensors(average.to(device)), _tensors(network)
        if _kinds(ours) != _kinds(theirs):
            raise InvalidInput(
                "The network is no longer what its average was made of.",
                why="Another method adds parameters to it, or it was given another precision.",
                mend="Use a method of averaged weights without it; make a new learner for another precision.",
            )
        exact.update({name: value.to(device) for name, value in exact.items()})
        self._coarse = [(ours[name], value, theirs[name]) for name, value in exact.items()]
        moving = [name for name, value in ours.items() if value.is_floating_point() and name not in exact]
        self._ours, self._theirs = [ours[name] for name in moving], [theirs[name] for name in moving]
        self._counts = [(value, theirs[name]) for name, value in ours.items() if not value.is_floating_point()]

    def move(self, share: float) -> None:
        if self._ours:
            torch._foreach_lerp_(self._ours, self._theirs, share)
        for ours, exact, theirs in self._coarse:
            ours.copy_(exact.lerp_(theirs.to(exact.dtype), share))
        for ours, theirs in self._counts:
            ours.copy_(theirs)


def _exact(network: nn.Module) -> dict[str, Tensor]:
    """Copies in single precision of what a network has in less."""
    return {
        name: value.float()
        for name, value in _tensors(network).items()
        if value.is_floating_point() and value.dtype.itemsize < 4
    }


def _kinds(tensors: Mapping[str, Tensor]) -> dict[str, tuple[torch.Size, torch.dtype]]:
    """Shape and type of each."""
    return {name: (value.shape, value.dtype) for name, value in tensors.items()}


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers, each once whatever shares it."""
    return {name: value.detach() for name, value in (*network.named_parameters(), *network.named_buffers())}
