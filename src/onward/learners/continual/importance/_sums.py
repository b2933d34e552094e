"""Sums over examples of the squares, or magnitudes, of the gradients of each: in closed form where that is right."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, cast

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge
from torch.func import functional_call, vjp, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from onward.core import InvalidInput
from onward.learners.neural import precise

from ._capture import Use, evaluating, uses_of, watched
from ._rules import Gradients, Moment, add, moment_of, summed

Way = Literal["closed", "vmap", "loop"]
Directions = Callable[[int, Tensor], Sequence[Tensor]]
"""(row of the first, outputs (n, ...)) -> gradients of the outputs (n, ...), one or more for each example."""
Trace = tuple[Use, Tensor, list[Tensor]]
"""A layer, its (n, ...) input, and gradients of its output; none where no output depends on it."""
PROBED: Final = 3
MOST: Final = 2**24
"""Numbers to hold at once for the gradients of examples that vmap takes together."""


@dataclass(frozen=True, slots=True, eq=False)
class Importance:
    """How much each parameter matters.

    Args:
        values: by the parameter's name, of its shape, in single precision at least: means over the examples.
        ways: how each was computed: "closed" (from a layer's inputs and the gradients of its outputs), "vmap" (the
            gradients of many examples at once by `torch.func`) or "loop" (one example at a time).
        examples: how many.
    """

    values: dict[str, Tensor]
    ways: dict[str, Way]
    examples: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The layers in closed form, and the way of every parameter."""

    uses: list[Use]
    ways: dict[str, Way]
    moment: Moment

    def of(self, *ways: Way) -> list[str]:
        return [name for name, way in self.ways.items() if way in ways]


def mean_moments(
    network: nn.Module,
    x: Tensor,
    directions: Directions,
    *,
    moment: Moment = "square",
    prepare: Callable[[Tensor], Tensor] | None = None,
    batch: int = 512,
    names: Collection[str] | None = None,
) -> Importance:
    """Means over the examples of the squares, or magnitudes, of v . d outputs / d parameter, added up over the v.

    The network is in evaluation mode meanwhile, and no `.grad` changes. On three examples every parameter's closed
    form is held against a backward pass for each; where they differ (a layer used twice, a shared parameter, a
    network that mixes examples), vmap or the loop does its work.

    Args:
        network: (n, ...) inputs -> (n, ...) outputs.
        x: (n, ...) examples, at least one.
        directions: gives the v of a batch.
        moment: "square" or "magnitude".
        prepare: makes inputs of examples; they are inputs if not said.
        batch: examples at a time.
        names: of the parameters asked for; those that require gradients if not said.

    Raises:
        InvalidInput: there are no examples, or no parameters of these names.
    """
    wanted = wanted_of(network, x, names, batch)
    inputs_of = prepare or (lambda examples: examples)
    with evaluating(network):
        plan = plan_of(network, inputs_of(x[:PROBED].clone()), list(wanted), moment)
        totals: Gradients = {name: _zeros(value) for name, value in wanted.items()}
        for start in range(0, len(x), batch):
            inputs = inputs_of(x[start : start + batch])
            add(totals, _batch(network, inputs, plan, partial(directions, start)))
    values = {name: total.div_(len(x)).to(precise(wanted[name].dtype)) for name, total in totals.items()}
    return Importance(values, plan.ways, len(x))


def _zeros(parameter: Tensor) -> Tensor:
    """In double precision, so that sums over many batches lose nothing; Apple's devices have none."""
    dtype = parameter.dtype if parameter.device.type == "mps" else torch.float64
    return torch.zeros_like(parameter, dtype=dtype, requires_grad=False)


def wanted_of(network: nn.Module, x: Tensor, names: Collection[str] | None, batch: int) -> dict[str, nn.Parameter]:
    """The parameters asked for.

    Raises:
        InvalidInput: there are none of these names, or no examples.
    """
    known = {name: value for name, value in network.named_parameters() if value.requires_grad}
    wanted = list(known) if names is None else list(names)
    if not len(x) or not wanted or not known.keys() >= set(wanted) or batch < 1:
        raise InvalidInput(
            f"{len(x)} examples in batches of {batch} and the parameters {wanted} give no importance.",
            mend="Give an example or more, and a network with such parameters that require gradients.",
            options=known,
        )
    return {name: known[name] for name in wanted}


def plan_of(network: nn.Module, x: Tensor, names: Sequence[str], moment: Moment) -> Plan:
    """Which way is right for each parameter, found on a few examples."""
    uses = uses_of(network, names)
    closed, v = _closed(network, x, uses, _probe, moment)
    true = _added(one_by_one(network, x, v, names, moment))
    noise = _noise(true, moment)
    ways: dict[str, Way] = {}
    ways |= {name: "closed" for name in names if name in closed and _alike(closed[name], true[name], noise)}
    rest = [name for name in names if name not in ways]
    other: Way = "vmap" if rest and _vmap_is_right(network, x, v, rest, true, moment) else "loop"
    uses = [use for use in uses if any(name in ways for name in use.names.values())]
    return Plan(uses, {name: ways.get(name, other) for name in names}, moment)


def _vmap_is_right(
    network: nn.Module, x: Tensor, v: Sequence[Tensor], names: Sequence[str], true: Gradients, moment: Moment
) -> bool:
    try:
        found = _added(mapped(network, x, v, names, moment))
    except (RuntimeError, ValueError):  # what vmap says of branches on values, of `.item()`, of random numbers
        return False
    noise = _noise(true, moment)
    return all(_alike(found[name], true[name], noise) for name in names)


def _probe(outputs: Tensor) -> Sequence[Tensor]:
    """A gradient of the outputs with no pattern."""
    ramp = torch.arange(1, outputs.numel() + 1, device=outputs.device, dtype=outputs.dtype)
    return [ramp.sin().view_as(outputs)]


def _alike(found: Tensor, true: Tensor, noise: float) -> bool:
    tolerance = 4 * torch.finfo(true.dtype).eps ** 0.5
    return bool((found - true).abs().max() <= tolerance * true.abs().max() + noise)


def _noise(true: Gradients, moment: Moment) -> float:
    """What rounding leaves where a gradient is zero, such as that of a bias before a normalisation."""
    largest = max(true.values(), key=lambda value: float(value.max()))
    power = 2 if moment == "square" else 1
    return float(largest.max()) * (64 * torch.finfo(largest.dtype).eps) ** power


def _batch(network: nn.Module, x: Tensor, plan: Plan, directions: Callable[[Tensor], Sequence[Tensor]]) -> Gradients:
    """The sums of a batch, each in its way."""
    closed, v = _closed(network, x, plan.uses, directions, plan.moment)
    wanted = plan.of("closed")
    found = {name: closed[name] for name in wanted if name in closed}
    others = plan.of("loop") + [name for name in wanted if name not in found]
    for names, way in ((plan.of("vmap"), mapped), (others, one_by_one)):
        if names:
            found |= _added(way(network, x, v, names, plan.moment))
    return found


def _closed(
    network: nn.Module, x: Tensor, uses: list[Use], directions: Callable[[Tensor], Sequence[Tensor]], moment: Moment
) -> tuple[Gradients, Sequence[Tensor]]:
    """The sums for the layers that this pass used plainly, and the gradients of the outputs."""
    traces, v = traced(network, x, uses, directions)
    found: Gradients = {}
    for use, a, deltas in traces:
        sums = summed(use.rule, use.layer, a, deltas, moment) if deltas else use.zeros()
        found |= {full: sums[name] for name, full in use.names.items() if name in sums}
    return found, v


def traced(
    network: nn.Module, x: Tensor, uses: list[Use], directions: Callable[[Tensor], Sequence[Tensor]]
) -> tuple[list[Trace], Sequence[Tensor]]:
    """What went into the layers that this pass used plainly, the gradients of what came out, and of the outputs."""
    with watched(uses):
        outputs = network(x.clone())
    if outputs.shape[:1] != x.shape[:1]:
        raise InvalidInput(
            f"{len(x)} examples gave outputs of shape {tuple(outputs.shape)}.",
            mend="Give a network from (n, ...) inputs to (n, ...) outputs.",
        )
    plain = [(use, call) for use in uses if (call := use.plain_call(len(x))) is not None]
    v = directions(outputs.detach())
    edges = [call.edge for _, call in plain]
    each = zip(*[_gradients(outputs, edges, one) for one in v], strict=True)
    found = [
        (use, call.a, [delta for delta in deltas if delta is not None])
        for (use, call), deltas in zip(plain, each, strict=True)
    ]
    for use in uses:
        use.calls.clear()
    return found, v


def _gradients(
    outputs: Tensor, of: Sequence[Tensor] | Sequence[GradientEdge], direction: Tensor
) -> Sequence[Tensor | None]:
    """Those of outputs in one direction; `None` where they do not depend on it."""
    if not (outputs.requires_grad and of):
        return [None] * len(of)
    return torch.autograd.grad(outputs, of, direction, retain_graph=True, allow_unused=True)


def _added(chunks: Iterable[Gradients]) -> Gradients:
    totals: Gradients = {}
    for found in chunks:
        add(totals, {name: value.sum(0) for name, value in found.items()})
    return totals


def mapped(
    network: nn.Module, x: Tensor, v: Sequence[Tensor], names: Sequence[str], moment: Moment
) -> Iterator[Gradients]:
    """(n, ...) moments of the gradients of as many examples as fit at a time, by `torch.func`."""
    known = dict(network.named_parameters())
    values = {name: known[name].detach() for name in names}

    def one(example: Tensor, directions: Tensor) -> Gradients:
        def outputs(values: Gradients) -> Tensor:
            return cast("Tensor", functional_call(network, values, (example.clone().unsqueeze(0),)).squeeze(0))

        (gradients,) = vmap(vjp(outputs, values)[1])(directions)
        return {name: moment_of(gradient, moment).sum(0) for name, gradient in gradients.items()}

    size = max(1, MOST // sum(value.numel() for value in values.values()))
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH):  # attention's other kernels cannot be mapped
        for examples, directions in zip(x.split(size), torch.stack(list(v), 1).split(size), strict=True):
            yield vmap(one)(examples, directions)


def one_by_one(
    network: nn.Module, x: Tensor, v: Sequence[Tensor], names: Sequence[str], moment: Moment
) -> Iterator[Gradients]:
    """(1, ...) moments of the gradients of one example after the other."""
    known = dict(network.named_parameters())
    values = [known[name] for name in names]
    for at in range(len(x)):
        outputs = network(x[at : at + 1].clone())
        found = {name: torch.zeros_like(value, requires_grad=False) for name, value in zip(names, values, strict=True)}
        for one in v:
            pairs = zip(names, _gradients(outputs, values, one[at : at + 1]), strict=True)
            add(found, {name: moment_of(value, moment) for name, value in pairs if value is not None})
        yield {name: value.unsqueeze(0) for name, value in found.items()}
