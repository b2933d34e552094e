"""What an algorithm asks of a network: gradients of many tasks at once, and products with their Hessians."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor

from ._losses import Loss

Params = dict[str, Tensor]
"""Parameter name -> (T, ...), one value for each task; a leading 1, or a stride of 0, where tasks share it.

The shape behind the leading dimension is the engine's own (`pack` and `unpack` lead there and back); every elementwise
operation holds in either.
"""


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """Losses and gradients of T tasks at their own parameters.

    Args:
        loss: (T,) mean loss of each task's examples.
        outputs: (T, n, ...) what the network said.
        grads: gradient of each task's loss with respect to its own parameters, (T, ...) each; a name that is missing
            has none.
        tape: what `product` needs; `None` where none was asked for.
    """

    loss: Tensor
    outputs: Tensor
    grads: Params
    tape: Any = None


@dataclass(frozen=True, slots=True)
class Chance:
    """Where random numbers (dropout) come from; `None`: the network is asked, not trained, and nothing is random."""

    generator: torch.Generator | None = None


class Engine(Protocol):
    """A network as functions of stacked parameters. Stateless: everything that a call needs is handed in.

    An engine may be used by several threads at once.
    """

    @property
    def name(self) -> str:
        """Which formulation it is: "rules", "func" or "loop"; "model" for what is not a torch module."""
        ...

    @property
    def names(self) -> frozenset[str]:
        """The parameters of the network that are learned; it keeps the others itself."""
        ...

    @property
    def together(self) -> bool:
        """Whether what the network says of an example depends on those beside it: it norms over a batch."""
        ...

    def pack(self, params: Mapping[str, Tensor]) -> Params:
        """(T, *shape of the module's) -> the engine's own layout."""
        ...

    def unpack(self, params: Mapping[str, Tensor]) -> Params:
        """The way back."""
        ...

    def prepare(self, params: Params, x: Tensor, wrt: frozenset[str], chance: Chance) -> Any:
        """All of a forward pass over (T, n, ...) inputs that does not depend on the parameters `wrt`: done once."""
        ...

    def outputs(self, prepared: Any, params: Params) -> Tensor:
        """(T, n, ...) what the networks say. Differentiable by nobody."""
        ...

    def gradient(
        self, prepared: Any, params: Params, y: Tensor, loss: Loss, *, tape: bool = False, every: bool = False
    ) -> Step:
        """Losses and gradients with respect to the parameters `wrt` of `prepare`.

        Args:
            tape: keep what `product` needs.
            every: with respect to every parameter; what belongs to the prepared part is kept there for `rest`.
        """
        ...

    def product(self, tape: Any, direction: Params) -> Params:
        """Derivative of <gradient, direction> with respect to every parameter: the Hessian times the direction.

        Args:
            direction: for the parameters `wrt`. What belongs to the prepared part is kept there for `rest`.
        """
        ...

    def rest(self, prepared: Any) -> Params:
        """Gradients of the parameters that only the prepared part uses, of all that was kept there."""
        ...

    def run(self, prepared: Any, params: Params) -> tuple[Tensor, Any]:
        """(T, n, ...) what the networks say, and what `pull` starts from."""
        ...

    def pull(self, tape: Any, cotangent: Tensor) -> Params:
        """Gradients of <outputs, cotangent> with respect to the parameters `wrt` of `prepare`; takes the cotangent."""
        ...

    def plan(self, tasks: int, examples: int) -> tuple[int, int]:
        """(tasks in a chunk, threads to work on chunks) that are fast for so many tasks of so many examples each."""
        ...
