"""What goes into the layers of a network, and where the gradients of what comes out can be asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import GradientEdge, get_gradient_edge

from ._rules import Rule, rule_of


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """What a layer got, as it then was, and the edge of the graph at what it gave."""

    a: Tensor
    edge: GradientEdge
    version: int


@dataclass(slots=True, eq=False)
class Use:
    """A layer whose parameters' gradients have a closed form, and how the last forward pass used it.

    Args:
        names: from the layer's own names of its parameters to the network's.
        calls: `None` for one of another kind.
    """

    layer: nn.Module
    rule: Rule
    names: dict[str, str]
    calls: list[Call | None] = field(default_factory=list)

    def called(self, layer: nn.Module, args: tuple[Any, ...], output: Any) -> None:  # noqa: ARG002
        """Forward hook."""
        call = None
        a = args[0] if len(args) == 1 else None
        if isinstance(a, Tensor) and isinstance(output, Tensor) and output.requires_grad:
            call = Call(a.detach(), get_gradient_edge(output), a._version)  # noqa: SLF001 - torch has no other name
        self.calls.append(call)

    def plain_call(self, examples: int) -> Call | None:
        """The only call, if the examples were along the first dimension and its input stood."""
        call = self.calls[0] if len(self.calls) == 1 else None
        if call is None or len(call.a) != examples or call.a._version != call.version:  # noqa: SLF001
            return None
        return call if self.rule.fits(self.layer, call.a) else None

    def zeros(self) -> dict[str, Tensor]:
        """Where no output depends on the layer."""
        own = self.layer.named_parameters(recurse=False)
        return {name: torch.zeros_like(value, requires_grad=False) for name, value in own}


def uses_of(network: nn.Module, names: Collection[str]) -> list[Use]:
    """The layers with a closed form, of these parameters; none for parameters that several layers share."""
    holders = Counter(id(value) for _, value in network.named_parameters(remove_duplicate=False))
    found = []
    for path, layer in network.named_modules():
        rule = rule_of(layer)
        prefix = f"{path}." if path else ""
        own = {
            name: prefix + name
            for name, value in layer.named_parameters(recurse=False)
            if prefix + name in names and holders[id(value)] == 1
        }
        if rule is not None and own:
            found.append(Use(layer, rule, own))
    return found


@contextmanager
def watched(uses: list[Use]) -> Iterator[None]:
    """Forward passes within are recorded; what was recorded before is forgotten."""
    handles = []
    for use in uses:
        use.calls.clear()
        handles.append(use.layer.register_forward_hook(use.called, prepend=True))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def evaluating(network: nn.Module) -> Iterator[None]:
    """The network in evaluation mode; each module is put back into its own mode."""
    training = [(module, module.training) for module in network.modules()]
    network.eval()
    try:
        with torch.enable_grad():
            yield
    finally:
        for module, mode in training:
            module.training = mode
