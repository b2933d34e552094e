"""The rules of a layer kind: forward, backward, and the tangents of both. README.md beside this has the mathematics.

Shapes: values are (T, n, ...) with the features or channels last, images (T, n, height, width, channels); cotangents
and tangents have the shape of their value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor

from ._engine import Chance, Params


class Back(NamedTuple):
    """What a backward pass of one layer gives.

    Args:
        inputs: the cotangent of its inputs, in order; `None` where nobody asked.
        grads: gradients of its parameters.
        kept: what `backward_tangent` needs.
    """

    inputs: tuple[Tensor | None, ...]
    grads: Params
    kept: Any = None


class Asked(NamedTuple):
    """What a backward pass is asked for: cotangents of inputs, gradients by name, and whether to keep a tape."""

    inputs: bool
    names: frozenset[str]
    tape: bool


class Op(Protocol):
    """One layer kind. Whoever hands over a cotangent or a tangent of a cotangent gives it away.

    Where its slope is constant almost everywhere that is all: how its backward pass moves is that pass itself, of how
    the cotangent moves. Otherwise it is `Curved`.
    """

    @property
    def fresh(self) -> bool:
        """Whether its output is nobody else's and its rules never read it again, so that the next may overwrite it."""
        ...

    @property
    def random(self) -> bool:
        """Whether two passes over the same values differ."""
        ...

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:
        """The value, and what the other rules need. `own`: the input may be overwritten."""
        ...

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:
        """Cotangents of inputs and gradients of parameters."""
        ...

    def tangent(
        self, params: Params, kept: Any, moved: tuple[Tensor | None, ...], direction: Params
    ) -> tuple[Tensor, Any]:
        """How the value moves when the inputs move by `moved` and the parameters by `direction`; what to keep of it.

        `None`, and a name that `direction` lacks, do not move; something does.
        """
        ...


@runtime_checkable
class Curved(Protocol):
    """A layer kind whose backward pass moves with its inputs or parameters."""

    def backward_tangent(
        self, params: Params, kept: tuple[Any, Any, Any], cotangent: Tensor, direction: Params, asked: Asked
    ) -> Back:
        """How `backward` moves. `kept`: of forward, backward and tangent; `cotangent`: how the cotangent moves."""
        ...


@runtime_checkable
class Weighted(Protocol):
    """A layer kind with parameters."""

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its parameters."""
        ...

    def pack(self, name: str, value: Tensor) -> Tensor:
        """(T, *shape in the module) -> (T, *shape here)."""
        ...

    def unpack(self, name: str, value: Tensor) -> Tensor:
        """The way back."""
        ...


class Map(Protocol):
    """A linear map without parameters."""

    def __call__(self, x: Tensor) -> Tensor: ...

    def adjoint(self, y: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Its transpose: a cotangent of the value -> one of the input, which has `shape`."""
        ...


@dataclass(frozen=True, slots=True)
class Mapped:
    """A linear map as a layer: its tangent is itself, and its backward pass its adjoint."""

    map: Map
    fresh: bool = False
    random: bool = False

    def forward(self, params: Params, inputs: tuple[Tensor, ...], own: bool, chance: Chance) -> tuple[Tensor, Any]:  # noqa: ARG002
        return self.map(inputs[0]), tuple(inputs[0].shape)

    def backward(self, params: Params, kept: Any, cotangent: Tensor, asked: Asked) -> Back:  # noqa: ARG002
        return Back((self.map.adjoint(cotangent, kept) if asked.inputs else None,), {})

    def tangent(
        self,
        params: Params,  # noqa: ARG002
        kept: Any,  # noqa: ARG002
        moved: tuple[Tensor | None, ...],
        direction: Params,  # noqa: ARG002
    ) -> tuple[Tensor, Any]:
        (by,) = moved
        assert by is not None
        return self.map(by), None


def stacked(each: Sequence[Tensor]) -> Tensor:
    """One value for each task, together; without a copy where there is one task."""
    return each[0].unsqueeze(0) if len(each) == 1 else torch.stack(list(each))
