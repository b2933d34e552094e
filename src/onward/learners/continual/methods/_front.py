"""The frozen front of a network: what it makes of an example can be kept where the example itself may not."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._method import MANY, Course


class Front:
    """A submodule that takes the inputs of the network and never changes.

    It is put into evaluation mode, so that it gives the same features of an example today and tomorrow.

    Args:
        name: of the submodule, e.g. "encoder", or "0" of an `nn.Sequential`.

    Raises:
        InvalidInput: there is no such submodule, or it has parameters that are trained.
    """

    def __init__(self, course: Course, name: str) -> None:
        self._course, self._name = course, name
        names = [each for each, _ in course.network.named_modules() if each]
        if name not in names:
            raise InvalidInput(f"The network has no part {name!r}.", mend="Name one.", options=names)
        self._module = course.network.get_submodule(name)
        self._refuse_trained()

    def _refuse_trained(self) -> None:
        if any(parameter.requires_grad for parameter in self._module.parameters()):
            raise InvalidInput(
                f"{self._name} has parameters that are trained.",
                why="Features that are kept would no longer be what it gives.",
                mend=f"Freeze it first: network.{self._name}.requires_grad_(False).",
            )

    def settle(self) -> None:
        """Put it back into evaluation mode where somebody put the whole network into training mode."""
        if self._module.training:
            self._module.eval()

    def features(self, x: Tensor) -> Tensor:
        """(n, ...) features of (n, ...) examples, some of them at a time."""
        return torch.cat([self._features(self._course.prepare(part)) for part in x.split(MANY)])

    def _features(self, inputs: Tensor) -> Tensor:
        self.settle()
        with torch.no_grad():
            return self._answer(self._module, inputs)

    def rest(self, features: Tensor) -> Tensor:
        """(n, C) outputs of the network for (n, ...) features, with graph."""
        count = len(features)
        given = torch.cat([features, features]) if count == 1 else features  # batch norm cannot work on one
        with self._without():
            return self._answer(self._course.network, given)[:count]

    def check(self, x: Tensor) -> None:
        """Refuse a network that does more with its inputs than hand them to the front, or trains it by now.

        Args:
            x: (n, ...) a few examples.

        Raises:
            InvalidInput: the front and the rest do not make the whole, or the front has parameters that are trained.
        """
        self._refuse_trained()
        network = self._course.network
        modes = [(module, module.training) for module in network.modules()]
        network.eval()
        try:
            with torch.no_grad():
                inputs = self._course.prepare(x)
                whole, parts = self._answer(network, inputs), self.rest(self._features(inputs))
            same = whole.shape == parts.shape and torch.allclose(whole, parts, rtol=1e-3, atol=1e-5)
        except (RuntimeError, TypeError, ValueError):  # the rest takes nothing of the kind
            same = False
        finally:
            for module, mode in modes:
                module.training = mode
        if not same:
            raise InvalidInput(
                f"The network does not begin with {self._name}.",
                why="Without it, and given its outputs, the network does not give the same.",
                mend="Make it nn.Sequential(front, rest), say.",
            )

    @contextmanager
    def _without(self) -> Iterator[None]:
        parent, _, child = self._name.rpartition(".")
        owner = self._course.network.get_submodule(parent)
        setattr(owner, child, nn.Identity())
        try:
            yield
        finally:
            setattr(owner, child, self._module)

    @staticmethod
    def _answer(module: nn.Module, x: Tensor) -> Tensor:
        answer: Tensor = module(x)
        return answer
