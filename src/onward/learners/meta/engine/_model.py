"""Models that are not torch modules, and the engine that asks them, task by task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from onward.core import InvalidInput

from ._engine import Chance, Params, Step
from ._losses import Loss, Scaled

Arrays = Mapping[str, NDArray[Any]]
"""Parameters, or their gradients, by name."""


@runtime_checkable
class MetaTrainableModel(Protocol):
    """What a model that is not a torch module offers to be meta-trained. Arrays are NumPy's; nothing is kept.

    This is enough for `MAML(first_order=True)`, `Reptile` and `FineTuning`. The model's own loss is what is learned
    from; the learner's `loss` judges what it predicts, so name the same one there. It is asked by one thread.
    """

    def parameters(self) -> Arrays:
        """Where meta-training begins: arrays of floating-point numbers, by name."""
        ...

    def loss_and_gradient(self, params: Arrays, x: NDArray[Any], y: NDArray[Any]) -> tuple[float, Arrays]:
        """Mean loss of (n, ...) examples, and its gradient with respect to the parameters: a missing name is 0."""
        ...

    def predict(self, params: Arrays, x: NDArray[Any]) -> NDArray[Any]:
        """(n, ...) inputs -> (n, classes) scores, or (n, ...) real values."""
        ...


@runtime_checkable
class TwiceTrainableModel(MetaTrainableModel, Protocol):
    """One with second derivatives: enough for `MAML`, `MetaSGD` and `IMAML` as well."""

    def hessian_vector_product(self, params: Arrays, x: NDArray[Any], y: NDArray[Any], direction: Arrays) -> Arrays:
        """The Hessian of the loss times a direction, which has an array for each parameter; a missing name is 0."""
        ...


def parameters_of(model: nn.Module | MetaTrainableModel) -> Params:
    """A model's parameters that are to be learned, as tensors of their own; not those with `requires_grad` off.

    Raises:
        InvalidInput: it is no such model, or one of them is no array of floating-point numbers.

    >>> parameters_of(nn.Linear(2, 3))["bias"].shape
    torch.Size([3])
    """
    if isinstance(model, nn.Module):
        return {name: value.detach().clone() for name, value in model.named_parameters() if value.requires_grad}
    if not isinstance(model, MetaTrainableModel):
        raise InvalidInput(
            f"A {type(model).__name__} cannot be meta-trained.",
            mend="Give a torch module, or a MetaTrainableModel: parameters, loss_and_gradient and predict.",
        )
    found = {name: np.asarray(value) for name, value in model.parameters().items()}
    for name, value in found.items():
        if value.dtype not in (np.float32, np.float64):
            raise InvalidInput(f"Parameter {name!r} has type {value.dtype}.", mend="Give float32 or float64.")
    return {name: torch.from_numpy(value.copy()) for name, value in found.items()}


def frozen_of(model: nn.Module | MetaTrainableModel) -> Params:
    """What stays as it is: a module's parameters with `requires_grad` off, and its persistent buffers.

    But for the running statistics of norms, which nothing uses here.

    >>> sorted(frozen_of(nn.Sequential(nn.Linear(2, 3).requires_grad_(False), nn.BatchNorm1d(3))))
    ['0.bias', '0.weight']
    """
    if not isinstance(model, nn.Module):
        return {}
    found: Params = {name: value for name, value in model.named_parameters() if not value.requires_grad}
    kept = model.state_dict().keys() - _statistics(model)
    found |= {name: value for name, value in model.named_buffers() if name in kept}
    return {name: value.detach().clone(memory_format=torch.contiguous_format) for name, value in found.items()}


def _statistics(module: nn.Module) -> set[str]:
    """The names of the running statistics of its norms."""
    norms = [(n, m) for n, m in module.named_modules() if isinstance(m, nn.modules.batchnorm._NormBase)]  # noqa: SLF001
    return {f"{name}.{own}" if name else own for name, norm in norms for own, _ in norm.named_buffers()}


class Prepared(NamedTuple):
    """Inputs; nothing can be done before the step."""

    x: Tensor
    wrt: frozenset[str]


class Tape(NamedTuple):
    """What a product starts from."""

    prepared: Prepared
    params: Params
    y: Tensor
    by: float


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """One task after the other, through a model's own functions."""

    model: MetaTrainableModel
    names: frozenset[str]
    name: str = "model"
    together: bool = False

    def pack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def unpack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def prepare(self, params: Params, x: Tensor, wrt: frozenset[str], chance: Chance) -> Prepared:  # noqa: ARG002
        return Prepared(x, wrt)

    def outputs(self, prepared: Prepared, params: Params) -> Tensor:
        said = [self.model.predict(self._arrays(params, t), _array(x)) for t, x in enumerate(prepared.x)]
        return torch.stack([torch.as_tensor(np.asarray(each), device=prepared.x.device) for each in said])

    def gradient(
        self, prepared: Prepared, params: Params, y: Tensor, loss: Loss, *, tape: bool = False, every: bool = False
    ) -> Step:
        if tape and not isinstance(self.model, TwiceTrainableModel):
            raise InvalidInput(
                f"{type(self.model).__name__} has no second derivatives, which this algorithm needs.",
                why="It offers no hessian_vector_product.",
                mend="Add one, or take MAML(first_order=True) or Reptile().",
            )
        found = [
            self.model.loss_and_gradient(self._arrays(params, t), _array(x), _array(target))
            for t, (x, target) in enumerate(zip(prepared.x, y, strict=True))
        ]
        by = loss.by if isinstance(loss, Scaled) else 1.0
        like = next(iter(params.values()))
        losses = torch.tensor([each for each, _ in found], dtype=like.dtype, device=like.device)
        grads = self._stacked([each for _, each in found], params, self.names if every else prepared.wrt, by)
        kept = Tape(prepared, params, y, by) if tape else None
        return Step(losses * by, self.outputs(prepared, params), grads, kept)

    def product(self, tape: Tape, direction: Params) -> Params:
        model, (prepared, params, y, by) = self.model, tape
        assert isinstance(model, TwiceTrainableModel)
        whole = {n: direction[n] if n in direction else torch.zeros_like(params[n]) for n in self.names}
        found = [
            model.hessian_vector_product(self._arrays(params, t), _array(x), _array(target), self._arrays(whole, t))
            for t, (x, target) in enumerate(zip(prepared.x, y, strict=True))
        ]
        return self._stacked(found, params, self.names, by)

    def rest(self, prepared: Prepared) -> Params:  # noqa: ARG002
        return {}

    def run(self, prepared: Prepared, params: Params) -> tuple[Tensor, Any]:  # noqa: ARG002
        raise self._no_embeddings()

    def pull(self, tape: Any, cotangent: Tensor) -> Params:  # noqa: ARG002
        raise self._no_embeddings()

    def _no_embeddings(self) -> InvalidInput:
        return InvalidInput(
            f"{type(self.model).__name__} cannot learn embeddings.",
            why="Algorithms that compare embeddings need a torch module.",
            mend="Give one, or take MAML(first_order=True) or Reptile().",
        )

    def plan(self, tasks: int, examples: int) -> tuple[int, int]:  # noqa: ARG002
        return tasks, 1

    def _arrays(self, params: Params, task: int) -> dict[str, NDArray[Any]]:
        return {n: _array(params[n][task if len(params[n]) > 1 else 0]) for n in self.names}

    def _stacked(self, found: Iterable[Arrays], params: Params, names: frozenset[str], by: float) -> Params:
        """(T, ...) gradients; zeros where a model says nothing."""
        each = [{name: np.asarray(value) for name, value in one.items()} for one in found]
        for one in each:
            wrong = sorted(n for n, g in one.items() if n not in self.names or g.shape != params[n].shape[1:])
            if wrong:
                raise InvalidInput(
                    f"The gradients of {', '.join(wrong)} are of no such parameters.",
                    mend="Give gradients by the names of the parameters, and of their shapes.",
                )
        return {n: torch.stack([_tensor(one.get(n), params[n][0]) for one in each]).mul_(by) for n in sorted(names)}


def _array(value: Tensor) -> NDArray[Any]:
    return value.detach().numpy(force=True)


def _tensor(value: NDArray[Any] | None, like: Tensor) -> Tensor:
    if value is None:
        return torch.zeros_like(like)
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)
