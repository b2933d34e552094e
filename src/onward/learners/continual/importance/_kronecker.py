"""The Fisher information of whole layers, as Kronecker products."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.neural import precise

from ._capture import Use, evaluating
from ._rules import at_once
from ._sums import PROBED, Directions, Trace, plan_of, traced


@dataclass(frozen=True, slots=True, eq=False)
class Factors:
    """Of the weight (out, in), and the bias as one more column, of a layer: the information is `inputs` x `outputs`.

    Args:
        inputs: (in, in), or one more with a bias: sum over positions, mean over examples, of a a'.
        outputs: (out, out): mean over positions and examples of d d', d the gradient of what came out.
        weight, bias: names of the parameters; no bias: "".
    """

    inputs: Tensor
    outputs: Tensor
    weight: str
    bias: str


def kronecker_factors(
    network: nn.Module,
    x: Tensor,
    directions: Directions,
    *,
    prepare: Callable[[Tensor], Tensor] | None = None,
    batch: int = 512,
    names: Collection[str],
) -> dict[str, Factors]:
    """Factors for every linear layer and convolution without groups that is used plainly (see `mean_moments`).

    Martens and Grosse 2015, arXiv:1503.05671; of convolutions, Grosse and Martens 2016, arXiv:1602.01407.

    Args:
        names: of the parameters asked for.

    Returns:
        By the name of the weight; other parameters have none.

    Raises:
        InvalidInput: a network uses a layer in another way in some batches.
    """
    inputs_of = prepare or (lambda examples: examples)
    sums: dict[str, tuple[Tensor, Tensor]] = {}
    with evaluating(network):
        plan = plan_of(network, inputs_of(x[:PROBED].clone()), list(names), "square")
        uses = [use for use in plan.uses if _is_factored(use, plan.of("closed"))]
        for start in range(0, len(x), batch):
            traces, _ = traced(network, inputs_of(x[start : start + batch]), uses, partial(directions, start))
            if len(traces) != len(uses):
                raise InvalidInput(
                    "A layer is not used in the same way for all examples.",
                    mend="Use EWC, which takes each parameter by itself.",
                )
            for trace in traces:
                _add(sums, trace)
    return {use.names["weight"]: _factors(use, sums[use.names["weight"]], len(x)) for use in uses}


def nearest_sum(one: Factors, other: Factors) -> Factors:
    """The Kronecker product nearest to the sum of two, by the Frobenius norm: positive where they are.

    The best approximation of rank 1 (Van Loan and Pitsianis 1993) lies in the span of the factors, so that 2 x 2
    matrices of their inner products decide it.
    """
    more = max(len(one.inputs), len(other.inputs))  # a bias may be trained in one of them only
    one, other = _widened(one, more), _widened(other, more)
    a, b = _inner(one.inputs, other.inputs), _inner(one.outputs, other.outputs)
    c = _leading(b @ a)
    inputs = c[0].to(one.inputs.dtype) * one.inputs + c[1].to(one.inputs.dtype) * other.inputs
    d = a @ c / (c @ a @ c).clamp_min(torch.finfo(c.dtype).tiny)
    outputs = d[0].to(one.outputs.dtype) * one.outputs + d[1].to(one.outputs.dtype) * other.outputs
    return Factors(inputs, outputs, one.weight, one.bias or other.bias)


def _is_factored(use: Use, closed: Collection[str]) -> bool:
    whole = set(use.names.values()) <= set(closed) and "weight" in use.names
    return whole and use.rule.rows is not None and getattr(use.layer, "groups", 1) == 1


def _add(sums: dict[str, tuple[Tensor, Tensor]], trace: Trace) -> None:
    use, a, deltas = trace
    own = sums.get(use.names["weight"]) or _zeros(use)
    inputs, outputs = own
    sums[use.names["weight"]] = own
    for number, delta in enumerate(deltas):
        size = at_once(use.layer, a, delta)
        for part, gradient in zip(a.split(size), delta.split(size), strict=True):
            rows, slopes = use.rule.rows(use.layer, part, gradient) if use.rule.rows else (part, gradient)
            if number == 0:
                rows = rows.flatten(0, 1).to(inputs.dtype)
                ones = [rows.new_ones(len(rows), 1)] if "bias" in use.names else []
                rows = torch.cat([rows, *ones], 1)
                inputs.addmm_(rows.t(), rows)
            flat = slopes.flatten(0, 1).to(outputs.dtype)
            outputs.addmm_(flat.t(), flat, alpha=1 / slopes.shape[1])


def _zeros(use: Use) -> tuple[Tensor, Tensor]:
    weight = use.layer.get_parameter("weight")
    kind, across = precise(weight.dtype), weight[0].numel() + ("bias" in use.names)
    return weight.new_zeros(across, across, dtype=kind), weight.new_zeros(len(weight), len(weight), dtype=kind)


def _factors(use: Use, sums: tuple[Tensor, Tensor], examples: int) -> Factors:
    inputs, outputs = (total.detach() / examples for total in sums)
    return Factors(inputs, outputs, use.names["weight"], use.names.get("bias", ""))


def _widened(factors: Factors, size: int) -> Factors:
    """With zeros for a bias that it says nothing of."""
    more = size - len(factors.inputs)
    return replace(factors, inputs=F.pad(factors.inputs, (0, more, 0, more)))


def _inner(one: Tensor, other: Tensor) -> Tensor:
    flat = torch.stack([one.flatten(), other.flatten()]).double()
    return flat @ flat.t()


def _leading(matrix: Tensor) -> Tensor:
    """(2,) the leading eigenvector of a 2 x 2 matrix without negative numbers; it has none either."""
    (p, q), (r, s) = matrix
    most = (p + s) / 2 + (((p - s) / 2).square() + q * r).sqrt()
    first, second = torch.stack([q, most - p]), torch.stack([most - s, r])
    found = torch.where(first.abs().sum() >= second.abs().sum(), first, second)
    plain = torch.stack([(p >= s).to(p), (p < s).to(p)])
    size = found.norm()
    return torch.where(size > 0, found / size.clamp_min(torch.finfo(size.dtype).tiny), plain)
