"""What learners that compare embeddings share: support and query set go through the network together, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.meta.engine import Params
from onward.learners.meta.tasks import TaskBatch
from onward.learners.neural import seed_of_torch

from ._algorithm import Adapted, MetaGradient, Setting, accuracy
from ._stacked import spread


class Comparing(Protocol):
    """An algorithm that compares embeddings. The functions below are its methods."""

    def scores(self, own: Params, support: Tensor, marks: Tensor, query: Tensor) -> Tensor:
        """Scores (T, Q, ways), differentiable by autograd.

        Args:
            own: parameters (T, ...) that are not the network's.
            support: (T, S, d) embeddings.
            marks: (T, S, ways) their classes as 0 and 1.
            query: (T, Q, d) embeddings.
        """
        ...


Judge = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""(scores, y) -> (T,) losses and their gradients with respect to the scores."""


def compared(
    algorithm: Comparing, setting: Setting, meta: Params, batch: TaskBatch, judge: Judge | None = None
) -> MetaGradient:
    """The gradient of every task's loss of the scores, for the network and for the parameters that the scores have.

    Args:
        judge: instead of the setting's loss.

    Raises:
        InvalidInput: targets are no classes, or a class of the queries has no support.
    """
    engine, theta, shots = setting.engine, spread(meta, len(batch)), batch.support_x.shape[1]
    marks = _marks(batch.support_y)
    check_known(batch.support_y, batch.query_y)
    x = torch.cat([batch.support_x, batch.query_x], 1)
    embedded, tape = engine.run(engine.prepare(theta, x, engine.names, setting.chance), theta)
    own = {n: value.detach().requires_grad_() for n, value in theta.items() if n not in engine.names}
    leaf = embedded.detach().requires_grad_()
    with torch.enable_grad():
        flat = leaf.flatten(2)
        said = algorithm.scores(own, flat[:, :shots], marks.to(leaf.dtype), flat[:, shots:])
    say = judge or (lambda told, y: setting.loss.value(told, y)[:2])
    losses, top = say(said.detach(), batch.query_y)
    cotangent, *grads = torch.autograd.grad(said, [leaf, *own.values()], top)
    found = engine.pull(tape, cotangent) | dict(zip(own, grads, strict=True))
    return MetaGradient(found, losses.unsqueeze(0), accuracy(said.detach(), batch.query_y))


def kept(
    algorithm: object,  # noqa: ARG001
    setting: Setting,  # noqa: ARG001
    meta: Params,
    x: Tensor,
    y: Tensor,
    steps: int | None,
    rate: float | None,
) -> Adapted:
    """A learned task is its support set: nothing moves.

    Raises:
        InvalidInput: targets are no classes, or steps or a rate are asked for.
    """
    if steps is not None or rate is not None:
        raise InvalidInput(
            "num_steps and learning_rate mean nothing to an algorithm that compares embeddings.",
            why="It takes no gradient steps on a task.",
            mend="Leave them out.",
        )
    _marks(y)
    return Adapted(spread(meta, len(x)), torch.empty(0, len(x), device=x.device), support={"x": x, "y": y})


def answers(algorithm: Comparing, setting: Setting, adapted: Adapted, x: Tensor) -> Tensor:
    """(T, n, ways) scores of (T, n, ...) inputs, which go through the network together with the support set."""
    engine, theta, support = setting.engine, adapted.params, adapted.support
    marks, shots = _marks(support["y"]), support["x"].shape[1]
    together = torch.cat([support["x"], x], 1)
    embedded = engine.outputs(engine.prepare(theta, together, engine.names, setting.chance), theta).flatten(2)
    with torch.no_grad():
        return algorithm.scores(theta, embedded[:, :shots], marks.to(embedded.dtype), embedded[:, shots:])


def _marks(support_y: Tensor) -> Tensor:
    """(T, S, ways) 1 where an example is of a class, and 0."""
    if support_y.is_floating_point() or support_y.ndim != 2:
        raise InvalidInput(
            f"Targets of type {support_y.dtype} and shape {tuple(support_y.shape[1:])} are no classes.",
            why="Embeddings are compared class by class.",
            mend="Give class numbers, or take MAML or Reptile for real targets.",
        )
    if int(support_y.min()) < 0:
        raise InvalidInput(f"Class {int(support_y.min())} is none.", mend="Number the classes of a task from 0 on.")
    return F.one_hot(support_y.long())


def check_known(support_y: Tensor, query_y: Tensor) -> None:
    """Refuse (T, Q) classes of queries of which (T, S) support examples have none.

    Raises:
        InvalidInput: there are some.
    """
    if not bool((query_y.unsqueeze(2) == support_y.unsqueeze(1)).any(2).all()):
        raise InvalidInput(
            "A query is of a class that has no example in the support set.",
            mend="Give every class of a task at least one support example.",
        )


def prototypes(support: Tensor, marks: Tensor) -> Tensor:
    """(T, ways, d) mean embedding of each class; 0 for a class without examples."""
    counts = marks.sum(1).clamp_min(1).unsqueeze(-1)
    return torch.bmm(marks.transpose(1, 2), support) / counts


def only_known(scores: Tensor, marks: Tensor) -> Tensor:
    """The least possible score for classes without examples: stacked tasks may differ in their number of classes."""
    return scores.masked_fill(marks.sum(1).eq(0).unsqueeze(1), torch.finfo(scores.dtype).min)


def cosines(one: Tensor, other: Tensor) -> Tensor:
    """(T, n, m) cosines between (T, n, d) and (T, m, d)."""
    return torch.bmm(F.normalize(one, dim=-1), F.normalize(other, dim=-1).transpose(1, 2))


def check_width(embedded: Tensor, features: int, algorithm: str) -> None:
    """Refuse embeddings of another width than was said.

    Raises:
        InvalidInput: they are.
    """
    if embedded.shape[-1] != features:
        raise InvalidInput(
            f"The network gives {embedded.shape[-1]} numbers for an example, and {algorithm} expects {features}.",
            mend=f"Set {algorithm}(features={embedded.shape[-1]}).",
        )


def uniform(params: Params, seed: int, shapes: dict[str, tuple[int, ...]], fan: int) -> Params:
    """Parameters as PyTorch begins its layers: uniform in +-1 / sqrt(fan); of the network's type and device."""
    generator, like, bound = torch.Generator().manual_seed(seed_of_torch(seed)), next(iter(params.values())), fan**-0.5
    drawn = {name: torch.rand(shape, generator=generator, dtype=torch.float64) for name, shape in shapes.items()}
    return {name: (value * 2 * bound - bound).to(like) for name, value in drawn.items()}
