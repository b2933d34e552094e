"""Layers run forwards and backwards over many tasks at once, and the tangents of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from ._engine import Chance, Params
from ._op import Asked, Back, Curved, Weighted
from ._trace import INPUT, Node


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a program's layers.

    Args:
        order: numbers of the nodes, in the order they run.
        needs: numbers of the values that they take from outside.
        inner: by node, whether any of its inputs comes from inside.
    """

    order: tuple[int, ...]
    needs: frozenset[int]
    inner: Mapping[int, bool]

    def gives(self, value: int) -> bool:
        """Whether a value comes from inside."""
        return value - 1 in self.inner


@dataclass(slots=True, eq=False)
class Run:
    """One pass over a part.

    Args:
        params: those it was made with.
        values: by number, what it started from, and what others start from.
        kept: by node, of forward; `back`: of backward.
        cotangents: of the values that others started from, added up as they come.
    """

    params: Params
    values: dict[int, Tensor]
    kept: dict[int, Any] = field(default_factory=dict)
    back: dict[int, Any] = field(default_factory=dict)
    cotangents: dict[int, Tensor] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """A net of layers. Value 0 is the input, value i + 1 that of node i; the last one is the output.

    Args:
        own: by node, whether it may overwrite its input: nobody else reads it.
        own_names: by node, the names of its own parameters.
        curved: by node, the layer itself where its slope moves.
        weighted: the layer that each parameter belongs to.
    """

    nodes: tuple[Node, ...]
    own: tuple[bool, ...]
    own_names: tuple[tuple[str, ...], ...]
    curved: tuple[Curved | None, ...]
    weighted: Mapping[str, Weighted]

    def depends(self, names: frozenset[str], *, chance: bool) -> set[int]:
        """The nodes whose values depend on any of these parameters, or, if asked, on chance."""
        found: set[int] = set()
        for at, node in enumerate(self.nodes):
            own = not names.isdisjoint(self.own_names[at])
            if own or (chance and node.op.random) or any(i - 1 in found for i in node.inputs):
                found.add(at)
        return found

    def part(self, which: set[int]) -> Part:
        """The part that these nodes make."""
        order = tuple(sorted(which))
        taken = {at: self.nodes[at].inputs for at in order}
        needs = frozenset(i for inputs in taken.values() for i in inputs if i - 1 not in which)
        return Part(order, needs, {at: any(i - 1 in which for i in inputs) for at, inputs in taken.items()})

    def forward(self, part: Part, run: Run, chance: Chance, keep: frozenset[int] = frozenset()) -> Tensor | None:
        """Run a part from the values in `run`; the values `keep` stay there.

        Returns:
            The value of its last layer, if it has any.
        """
        values, out = dict(run.values), None
        for at in part.order:
            node = self.nodes[at]
            own = self.own[at] and node.inputs[0] not in run.values and node.inputs[0] not in keep
            out, run.kept[at] = node.op.forward(run.params, tuple([values[i] for i in node.inputs]), own, chance)
            values[at + 1] = out
        run.values.update((i, values[i]) for i in keep if i in values)
        return out

    def backward(self, part: Part, run: Run, tops: Mapping[int, Tensor], asked: Asked) -> Params:
        """Gradients by name, from cotangents of the values `tops`.

        Cotangents of what the part started from are added to those in `run`, where `asked.inputs`. Without a tape, what
        forward kept is let go as soon as it is not needed: there is one such pass of a run.
        """
        grads: Params = {}
        below = asked._replace(inputs=True)
        cotangents = {i: top for i, top in tops.items() if part.gives(i)}
        if asked.inputs:
            for i, top in tops.items():
                if not part.gives(i):
                    run.cotangents[i] = top if i not in run.cotangents else run.cotangents[i].add_(top)
        for at in reversed(part.order):
            cotangent = cotangents.pop(at + 1, None)
            if cotangent is None:
                continue
            wanted = below if part.inner[at] else asked
            kept = run.kept[at] if asked.tape else run.kept.pop(at)
            back = self.nodes[at].op.backward(run.params, kept, cotangent, wanted)
            del kept, cotangent
            if asked.tape:
                run.back[at] = back.kept
            self._spread(part, run, at, back, asked.inputs, cotangents, grads)
        return grads

    def tangent(self, part: Part, run: Run, direction: Params) -> tuple[Tensor | None, dict[int, Any]]:
        """How the output moves when parameters move by `direction`, if it does; what each moving layer keeps of it."""
        moved: dict[int, Tensor] = {}
        kept: dict[int, Any] = {}
        for at in part.order:
            node = self.nodes[at]
            inputs = tuple([moved.get(i) for i in node.inputs])
            if any(i is not None for i in inputs) or any(name in direction for name in self.own_names[at]):
                moved[at + 1], kept[at] = node.op.tangent(run.params, run.kept[at], inputs, direction)
        return moved.get(len(self.nodes)), kept

    def backward_tangent(
        self, part: Part, run: Run, moved: Mapping[int, Any], top: Tensor, direction: Params, asked: Asked
    ) -> Params:
        """How `backward` moves: with the layers that moved, and with the cotangent of the output, by `top`."""
        grads: Params = {}
        below = asked._replace(inputs=True)
        cotangents = {len(self.nodes): top}
        for at in reversed(part.order):
            cotangent = cotangents.pop(at + 1, None)
            if cotangent is None:
                continue
            curved, wanted = self.curved[at], below if part.inner[at] else asked
            if at in moved and curved is not None:
                kept = run.kept[at], run.back[at], moved[at]
                back = curved.backward_tangent(run.params, kept, cotangent, direction, wanted)
            else:
                back = self.nodes[at].op.backward(run.params, run.kept[at], cotangent, wanted)
            self._spread(part, run, at, back, asked.inputs, cotangents, grads)
        return grads

    def _spread(
        self, part: Part, run: Run, at: int, back: Back, outside: bool, cotangents: dict[int, Tensor], grads: Params
    ) -> None:
        """Hand on what one layer's backward pass gave."""
        for name, value in back.grads.items():
            grads[name] = value if name not in grads else grads[name] + value  # tapes hold on to the first
        for i, cotangent in zip(self.nodes[at].inputs, back.inputs, strict=True):
            if cotangent is None or not (outside or part.gives(i)):
                continue
            target = cotangents if part.gives(i) else run.cotangents
            target[i] = cotangent if i not in target else target[i].add_(cotangent)


def program_of(nodes: Sequence[Node]) -> Program:
    """A program of these layers."""
    users = [0] * (len(nodes) + 1)
    for node in nodes:
        for at in node.inputs:
            users[at] += 1

    def single(at: int) -> bool:
        return at != INPUT and users[at] == 1 and nodes[at - 1].op.fresh

    return Program(
        nodes=tuple(nodes),
        own=tuple(len(node.inputs) == 1 and single(node.inputs[0]) for node in nodes),
        own_names=tuple(node.op.names if isinstance(node.op, Weighted) else () for node in nodes),
        curved=tuple(node.op if isinstance(node.op, Curved) else None for node in nodes),
        weighted={name: node.op for node in nodes if isinstance(node.op, Weighted) for name in node.op.names},
    )
