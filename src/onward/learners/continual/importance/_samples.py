"""The gradient of every example by itself."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from onward.learners.continual._losses import LossFunction

from ._capture import evaluating
from ._fisher import directions_of
from ._rules import Gradients
from ._sums import PROBED, Plan, mapped, one_by_one, plan_of, traced, wanted_of


def sample_gradients(
    network: nn.Module,
    x: Tensor,
    y: Tensor,
    *,
    loss: Literal["cross_entropy", "mse"] | LossFunction = "cross_entropy",
    mask: Tensor | None = None,
    prepare: Callable[[Tensor], Tensor] | None = None,
    batch: int = 512,
    names: Collection[str] | None = None,
) -> dict[str, Tensor]:
    """The gradient of the loss of every example by itself, in evaluation mode.

    In closed form where that is right, as `fisher` finds out. All of them are held at once: for sums of their squares
    or magnitudes ask `fisher` or `mean_moments`, which do not hold them.

    Args:
        network, x, mask, prepare, batch, names: see `fisher`.
        y: (n,) classes or (n, ...) real targets.
        loss: "cross_entropy", "mse" (half the sum of the squared errors) or a function, see `fisher`.

    Returns:
        By the parameter's name: (n, ...).

    Raises:
        InvalidInput: as `fisher`.

    >>> layer = nn.Linear(1, 1, bias=False)
    >>> _ = nn.init.ones_(layer.weight)
    >>> sample_gradients(layer, torch.tensor([[1.0], [2.0]]), torch.tensor([[0.0], [0.0]]), loss="mse")["weight"]
    tensor([[[1.]], [[4.]]])
    """
    directions = directions_of("empirical", loss, x, y, mask, None)
    wanted = wanted_of(network, x, names, batch)
    inputs_of = prepare or (lambda examples: examples)
    parts: dict[str, list[Tensor]] = {name: [] for name in wanted}
    with evaluating(network):
        plan = plan_of(network, inputs_of(x[:PROBED].clone()), list(wanted), "square")
        for start in range(0, len(x), batch):
            inputs = inputs_of(x[start : start + batch])
            for name, value in _batch(network, inputs, plan, partial(directions, start)).items():
                parts[name].append(value)
    return {name: torch.cat(values) for name, values in parts.items()}


def _batch(network: nn.Module, x: Tensor, plan: Plan, directions: Callable[[Tensor], Sequence[Tensor]]) -> Gradients:
    traces, v = traced(network, x, plan.uses, directions)
    wanted = plan.of("closed")
    found: Gradients = {}
    for use, a, deltas in traces:
        each = use.rule.samples(use.layer, a, deltas[0]) if deltas else {}
        found |= {full: each[name] for name, full in use.names.items() if name in each and full in wanted}
    others = plan.of("loop") + [name for name in wanted if name not in found]
    for names, way in ((plan.of("vmap"), mapped), (others, one_by_one)):
        chunks = list(way(network, x, v, names, "itself")) if names else []
        found |= {name: torch.cat([chunk[name] for chunk in chunks]) for name in names}
    return found
