"""The diagonal of the Fisher information, from the gradient of every example by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final, Literal

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._losses import LossFunction

from ._sums import Directions, Importance, mean_moments

Kind = Literal["true", "exact", "empirical", "predicted"]
KINDS: Final = ("true", "exact", "empirical", "predicted")
LIKELIHOODS: Final = ("cross_entropy", "mse")


def fisher(  # noqa: PLR0913 - what the expectation is over, and how to go about it
    network: nn.Module,
    x: Tensor,
    y: Tensor | None = None,
    *,
    kind: Kind = "true",
    loss: Literal["cross_entropy", "mse"] | LossFunction = "cross_entropy",
    mask: Tensor | None = None,
    prepare: Callable[[Tensor], Tensor] | None = None,
    generator: torch.Generator | None = None,
    batch: int = 512,
    names: Collection[str] | None = None,
) -> Importance:
    """Mean over the examples of the squared gradient of log p(y | x), the gradient of each example squared by itself.

    Squaring the mean gradient of a batch instead gives values that fall as the batch grows (Kunstner, Balles and
    Hennig 2019, arXiv:1905.12558, compare the kinds). `network` is in evaluation mode meanwhile and is not changed.

    Args:
        network: (n, ...) inputs -> (n, C) scores of classes, or (n, ...) real values.
        x: (n, ...) examples, at least one.
        y: (n,) classes or (n, ...) real targets; only "empirical" asks for them.
        kind: what y the squares are of. "true": one, drawn from what the network says; "exact": the expectation over
            what it says, one backward pass for each output; "empirical": the y given; "predicted": the likeliest class,
            as in several published codes, to repeat them with their strengths. It is too small where the network is
            unsure (van de Ven 2025, arXiv:2502.11756, compares the kinds).
        loss: "cross_entropy": p is the softmax of the scores. "mse": p is a Gaussian of variance 1 around the outputs,
            so that -log p is half the sum of the squared errors. A function of (scores, y) that is a mean over the
            examples stands for -log p itself; "empirical" only.
        mask: (C,) or (n, C), true where an output counts; all do if not said.
        prepare: makes inputs of examples; they are inputs if not said.
        generator: draws the y of "true", on the CPU; torch's own if not said.
        batch: examples at a time, at least 1. What is drawn depends on it, nothing else.
        names: of the parameters asked for; those that require gradients if not said.

    Raises:
        InvalidInput: the kind does not go with the rest, or there are no examples or no such parameters.

    >>> layer = nn.Linear(1, 2, bias=False)
    >>> _ = nn.init.zeros_(layer.weight)
    >>> found = fisher(layer, torch.tensor([[1.0], [3.0]]), kind="exact")
    >>> found.values["weight"], found.ways
    (tensor([[1.2500], [1.2500]]), {'weight': 'closed'})
    """
    directions = directions_of(kind, loss, x, y, mask, generator)
    return mean_moments(network, x, directions, prepare=prepare, batch=batch, names=names)


def directions_of(
    kind: Kind,
    loss: Literal["cross_entropy", "mse"] | LossFunction,
    x: Tensor,
    y: Tensor | None,
    mask: Tensor | None,
    generator: torch.Generator | None,
) -> Directions:
    """Gradients of -log p(y | x) by the outputs of each batch; see `fisher`.

    Raises:
        InvalidInput: the kind does not go with the rest.
    """
    _check(kind, loss, x, y)

    def directions(start: int, outputs: Tensor) -> Sequence[Tensor]:
        rows = slice(start, start + len(outputs))
        counts = None if mask is None else (mask[rows] if mask.ndim > 1 else mask).to(outputs.device)
        target = None if y is None else y[rows].to(outputs.device)
        if kind == "empirical" and callable(loss) and target is not None:
            return [_gradient(loss, outputs, target, counts)]
        if loss == "mse":
            return _gaussian(kind, outputs, target, counts, generator)
        return _categorical(kind, outputs, target, counts, generator)

    return directions


def _check(kind: str, loss: object, x: Tensor, y: Tensor | None) -> None:
    if kind not in KINDS:
        raise InvalidInput(f"No Fisher information is called {kind!r}.", mend="Choose a kind.", options=KINDS)
    if not callable(loss) and loss not in LIKELIHOODS:
        raise InvalidInput(
            f"No likelihood is called {loss!r}.", mend="Name one, or give a function.", options=LIKELIHOODS
        )
    if kind == "predicted" and loss == "mse":
        raise InvalidInput(
            "Of real values the likeliest are those that are predicted, and the squares there are 0.",
            mend="Choose another kind.",
            options=KINDS[:-1],
        )
    if callable(loss) and kind != "empirical":
        raise InvalidInput(
            f"A function of scores and targets says nothing to draw from, which {kind!r} needs.",
            mend='Choose kind="empirical", or a likelihood by name.',
            options=LIKELIHOODS,
        )
    if kind == "empirical" and (y is None or len(y) != len(x)):
        raise InvalidInput(
            f"{len(x)} examples, {'no' if y is None else len(y)} targets.",
            mend='Give y for each example, or choose kind="true".',
        )


def _categorical(
    kind: Kind, scores: Tensor, y: Tensor | None, counts: Tensor | None, generator: torch.Generator | None
) -> list[Tensor]:
    """Gradients of -log softmax: what the network says, less 1 at y."""
    if scores.ndim != 2:
        raise InvalidInput(
            f"Outputs of shape {tuple(scores.shape)} are no scores of classes.",
            mend='Give a network with outputs (n, C), or loss="mse".',
        )
    said = (scores if counts is None else scores.masked_fill(~counts, -torch.inf)).softmax(1)
    if kind == "exact":
        return [_less_one(said, at) * said[:, at, None].sqrt() for at in _possible(said, counts)]
    if kind == "predicted":
        y = said.argmax(1)
    elif kind == "true" or y is None:
        noise = torch.empty(said.shape, dtype=said.dtype).exponential_(generator=generator).to(said.device)
        y = (said / noise.clamp_min_(torch.finfo(said.dtype).tiny)).argmax(1)
    return [_less_one(said, y.long())]


def _possible(said: Tensor, counts: Tensor | None) -> list[int]:
    """Classes that count for some example."""
    if counts is None:
        return list(range(said.shape[1]))
    return [int(at) for at in counts.reshape(-1, counts.shape[-1]).any(0).nonzero()]


def _less_one(said: Tensor, y: Tensor | int) -> Tensor:
    found = said.clone()
    if isinstance(y, int):
        found[:, y] -= 1
    else:
        found[torch.arange(len(y), device=y.device), y] -= 1
    return found


def _gaussian(
    kind: Kind, outputs: Tensor, y: Tensor | None, counts: Tensor | None, generator: torch.Generator | None
) -> list[Tensor]:
    """Gradients of half the sum of the squared errors: the errors."""
    weight = torch.ones_like(outputs) if counts is None else counts.to(outputs.dtype).expand_as(outputs)
    if kind == "exact":
        flat = torch.eye(outputs[0].numel(), dtype=outputs.dtype, device=outputs.device)
        return [row.view_as(outputs[0]) * weight for row in flat]
    if kind == "true" or y is None:
        return [torch.randn(outputs.shape, dtype=outputs.dtype, generator=generator).to(outputs.device) * weight]
    return [(outputs - y.view_as(outputs)) * weight]


def _gradient(loss: LossFunction, outputs: Tensor, y: Tensor, counts: Tensor | None) -> Tensor:
    """That of the loss of each example by itself."""
    given = outputs.detach().requires_grad_()
    scores = given if counts is None else given.masked_fill(~counts, -torch.inf)
    (found,) = torch.autograd.grad(loss(scores, y) * len(y), given)
    return found
