"""One network that holds many, by masks over its weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from onward.core import InvalidInput

MOST: Final = 255
"""Tasks: a mask is uint8."""


class PackedNetwork(nn.Module):
    """A network that answers for a task with the weights of that task and of those before it.

    Args:
        network: the one that is trained.
        head: name of its output layer; "": the last linear or convolution layer.

    Raises:
        InvalidInput: there is no such layer, or no weights but its own.

    >>> packed = PackedNetwork(nn.Sequential(nn.Linear(2, 8), nn.ReLU(), nn.Linear(8, 2)))
    >>> packed.capacity
    1.0
    """

    by_task: Final = True

    def __init__(self, network: nn.Module, head: str = "") -> None:
        super().__init__()
        self.network = network
        self.head = frozenset(_head(network, head))
        self.masks = {
            name: torch.zeros_like(value, dtype=torch.uint8, requires_grad=False)
            for name, value in _weights(network)
            if name not in self.head
        }
        self.levels: dict[int, int] = {}
        self.heads: dict[int, dict[str, Tensor]] = {}
        if not self.masks:
            raise InvalidInput(
                f"A {type(network).__name__} has no weights to pack.",
                why="Its output layer is each task's own.",
                mend="Give a network with a hidden layer.",
            )

    @property
    def capacity(self) -> float:
        """Share of the weights that are free, 0..1; those of the output layer are not counted."""
        free = sum(int((mask == 0).sum()) for mask in self.masks.values())
        return free / sum(mask.numel() for mask in self.masks.values())

    def shares(self) -> dict[int, float]:
        """Share of the weights that came with each task, 0..1; a task that came again has those of its last time."""
        counts = torch.stack([torch.bincount(mask.flatten(), minlength=MOST + 1) for mask in self.masks.values()])
        parts = (counts.sum(0).double() / counts.sum()).tolist()
        return {task: parts[level] for task, level in self.levels.items()}

    def forward(self, x: Tensor, task: Tensor | int | None = None) -> Tensor:
        """(n, C) outputs of (n, ...) inputs.

        Args:
            task: (n,) task of each, or of all; the network as it stands answers for one that is not learned.
        """
        if not isinstance(task, Tensor):
            return self._answer(x, task)
        return by_groups(x, task, self._answer)

    def _answer(self, x: Tensor, task: int | None) -> Tensor:
        level = None if task is None else self.levels.get(task)
        values = dict(self.network.named_parameters())
        own = (
            {}
            if level is None
            else self.heads[level]
            | {name: values[name] * ((mask > 0) & (mask <= level)) for name, mask in self.masks.items()}
        )
        said: Tensor = functional_call(self.network, own, (x,))
        return said


def by_groups(x: Tensor, task: Tensor, answer: Callable[[Tensor, int | None], Tensor]) -> Tensor:
    """(n, C) answers of (n, ...) inputs, those of each task together."""
    said: Tensor | None = None
    for of in task.unique().tolist():
        rows = (task == of).nonzero()[:, 0]
        part = answer(x[rows], of)
        said = part.new_empty(len(x), *part.shape[1:]) if said is None else said
        said = said.index_copy(0, rows, part)
    return answer(x, None) if said is None else said


def _weights(network: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    """Weights by name: parameters of two dimensions or more but embeddings; one that is tied has its first name."""
    embeddings = [module for module in network.modules() if isinstance(module, nn.Embedding | nn.EmbeddingBag)]
    embedded = {id(value) for module in embeddings for value in module.parameters()}
    for name, value in network.named_parameters():
        if value.ndim >= 2 and value.requires_grad and id(value) not in embedded:
            yield name, value


def _head(network: nn.Module, name: str) -> list[str]:
    """Names of the parameters of the output layer; one that is tied has its first name."""
    known = [own for own, module in network.named_modules() if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d)]
    if not known or name not in {"", *known}:
        raise InvalidInput(f"There is no output layer {name!r}.", mend="Name the layer as head=.", options=known)
    within = {id(value) for value in network.get_submodule(name or known[-1]).parameters()}
    return [own for own, value in network.named_parameters() if id(value) in within]
