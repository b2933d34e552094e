"""What linear methods look at, and the network that predicts from it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from onward.core import InvalidInput


class Features(nn.Module):
    """(n, ...) inputs -> (n, d) features: what the last linear layer of a network is given.

    Args:
        network: one with a linear layer; the last one listed is its head.

    Raises:
        InvalidInput: it has none.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    >>> tuple(Features(network)(torch.zeros(3, 2, 3)).shape)
    (3, 5)
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        heads = [module for module in network.modules() if isinstance(module, nn.Linear)]
        if not heads:
            raise InvalidInput(
                "The network has no linear layer, so that its features are not known.", mend="Give encoder=."
            )
        self.network = network
        self._head = [heads[-1]]

    def forward(self, x: Tensor) -> Tensor:
        seen: list[Tensor] = []

        def look(module: nn.Module, given: tuple[Tensor, ...]) -> None:  # noqa: ARG001
            seen.append(given[0])

        handle = self._head[0].register_forward_pre_hook(look)
        try:
            self.network(x)
        finally:
            handle.remove()
        return seen[-1].flatten(1)


class Projected(nn.Module):
    """Features, then a fixed random layer: relu(features @ weight).

    Args:
        encoder: gives (n, ...) features.
        weight: (d, m), or `None` for the features as they are.
    """

    def __init__(self, encoder: nn.Module, weight: Tensor | None) -> None:
        super().__init__()
        self.encoder = encoder
        self.weight: Tensor | None
        self.register_buffer("weight", weight)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.encoder(x).flatten(1)
        return features if self.weight is None else torch.relu(features.to(self.weight.dtype) @ self.weight)


class Linear(nn.Module):
    """A frozen linear layer over features.

    Args:
        features: gives (n, d) features.
        weight: (outputs, d).
        bias: (outputs,); -inf where nothing is known.
        shape: of what it gives for an example, of so many numbers as there are outputs.
    """

    def __init__(self, features: nn.Module, weight: Tensor, bias: Tensor, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.features = features
        self.shape = shape
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)

    def forward(self, x: Tensor) -> Tensor:
        features: Tensor = self.features(x)
        answers = torch.nn.functional.linear(features.to(self.weight.dtype), self.weight, self.bias)
        return answers.view(len(x), *self.shape)
