"""The engine of layers with rules: no autograd, no graph, all tasks at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import torch
from torch import Tensor

from ._batch_norm import BatchNorm
from ._engine import Chance, Params, Step
from ._linear import MANY, Linear
from ._losses import Loss
from ._op import Asked
from ._program import Part, Program, Run
from ._trace import Ruleless

CHUNK: Final = 4
"""Tasks of a convolution worked on together on a CPU: more need more memory and are no faster, fewer are all calls."""

LARGE: Final = 2 * 10**8
"""Tasks times examples times weights above which other networks are spread over threads: below, threads wait."""


class Split(NamedTuple):
    """A program cut where parameters begin to matter.

    Args:
        upper: all that depends on them; lower: the rest; learned: what of the rest has or follows parameters.
    """

    upper: Part
    lower: Part
    learned: Part


class Prepared(NamedTuple):
    """The lower part of a forward pass, done, and where the upper one starts."""

    split: Split
    run: Run
    wrt: frozenset[str]
    chance: Chance

    def only(self, task: int) -> Prepared:
        """That of one task."""
        values = {i: value[task : task + 1] for i, value in self.run.values.items()}
        return self._replace(run=Run(_only(self.run.params, task), values))


class Pass(NamedTuple):
    """A pass over the upper part, to be pulled back."""

    prepared: Prepared
    run: Run


class Tape(NamedTuple):
    """One pass over the upper part, and what the loss kept."""

    prepared: Prepared
    run: Run
    loss: Loss
    kept: Any


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """A network whose layers all have rules.

    Args:
        names: of its parameters that are learned; weights: how many numbers all hold.
        frozen: (1, ...) the others, which stay as they are.
        convolves: whether it has convolutions; random: whether it has dropout, so that two passes differ.
        together: whether it norms over a batch.
    """

    program: Program
    names: frozenset[str]
    frozen: Params
    weights: int
    convolves: bool
    random: bool
    together: bool
    name: str = "rules"
    _splits: dict[frozenset[str], Split] = field(default_factory=dict, repr=False)

    @staticmethod
    def of(program: Program, params: Mapping[str, Tensor]) -> Rules:
        """The engine of a program with a module's parameters, of which those with `requires_grad` are learned.

        Raises:
            Ruleless: the module has a parameter under two names, of which it tells one.
        """
        if not program.weighted.keys() <= params.keys():
            raise Ruleless("layers share a parameter under different names")
        ops = [node.op for node in program.nodes]
        convolves = any(isinstance(op, Linear) and op.window is not None for op in ops)
        names = frozenset(name for name, value in params.items() if value.requires_grad)
        frozen = {n: value.detach().unsqueeze(0) for n, value in params.items() if n in program.weighted.keys() - names}
        weights, random = sum(value.numel() for value in params.values()), any(op.random for op in ops)
        together = any(isinstance(op, BatchNorm) for op in ops)
        return Rules(program, names, _laid(program, frozen), weights, convolves, random, together)

    def pack(self, params: Mapping[str, Tensor]) -> Params:
        return _laid(self.program, params)

    def unpack(self, params: Mapping[str, Tensor]) -> Params:
        weighted = self.program.weighted
        return {n: weighted[n].unpack(n, value) if n in weighted else value for n, value in params.items()}

    def prepare(self, params: Params, x: Tensor, wrt: frozenset[str], chance: Chance) -> Prepared:
        split = self._split(wrt)
        if x.ndim == 5:
            x = x.permute(0, 1, 3, 4, 2).contiguous()
        run = Run(self._whole(params, len(x)), {0: x})
        self.program.forward(split.lower, run, chance, keep=split.upper.needs | {len(self.program.nodes)})
        return Prepared(split, run, wrt, chance)

    def outputs(self, prepared: Prepared, params: Params) -> Tensor:
        return self._forward(prepared, params)[1]

    def _forward(self, prepared: Prepared, params: Params) -> tuple[Run, Tensor]:
        below = prepared.run
        run = Run(self._whole(params, len(below.values[0])), below.values, cotangents=below.cotangents)
        out = self.program.forward(prepared.split.upper, run, prepared.chance)
        return run, below.values[len(self.program.nodes)] if out is None else out

    def gradient(
        self, prepared: Prepared, params: Params, y: Tensor, loss: Loss, *, tape: bool = False, every: bool = False
    ) -> Step:
        if not tape and self._alone(prepared):
            tasks = [(prepared.only(t), _only(params, t), y[t : t + 1]) for t in range(len(y))]
            return _joined([self._gradient(*task, loss, tape=False, every=every) for task in tasks])
        return self._gradient(prepared, params, y, loss, tape=tape, every=every)

    def _alone(self, prepared: Prepared) -> bool:
        """Whether a task is enough for the caches: together with others it would only be slower."""
        images = prepared.run.values[0]
        return self.convolves and not prepared.split.learned.order and images[0, ..., 0].numel() >= MANY

    def _gradient(self, prepared: Prepared, params: Params, y: Tensor, loss: Loss, *, tape: bool, every: bool) -> Step:
        run, outputs = self._forward(prepared, params)
        losses, top, kept = loss.value(outputs, y)
        learned = bool(prepared.split.learned.order)
        asked = Asked(inputs=every and learned, names=self.names if every else prepared.wrt, tape=tape)
        grads = self.program.backward(prepared.split.upper, run, {len(self.program.nodes): top}, asked)
        return Step(losses, outputs, grads, Tape(prepared, run, loss, kept) if tape else None)

    def product(self, tape: Tape, direction: Params) -> Params:
        upper = tape.prepared.split.upper
        moved_outputs, moved = self.program.tangent(upper, tape.run, direction)
        if moved_outputs is None:
            return {}
        top = tape.loss.tangent(tape.kept, moved_outputs)
        asked = Asked(inputs=bool(tape.prepared.split.learned.order), names=self.names, tape=False)
        return self.program.backward_tangent(upper, tape.run, moved, top, direction, asked)

    def rest(self, prepared: Prepared) -> Params:
        run, learned = prepared.run, prepared.split.learned
        tops = {i: cotangent for i, cotangent in run.cotangents.items() if learned.gives(i)}
        return self.program.backward(learned, run, tops, Asked(inputs=False, names=self.names, tape=False))

    def run(self, prepared: Prepared, params: Params) -> tuple[Tensor, list[Pass]]:
        tasks = len(prepared.run.values[0])
        parts = [(prepared.only(t), _only(params, t)) for t in range(tasks)] if self._alone(prepared) else None
        each = [(part[0], *self._forward(*part)) for part in parts or [(prepared, params)]]
        return torch.cat([outputs for _, _, outputs in each]), [Pass(part, run) for part, run, _ in each]

    def pull(self, tape: list[Pass], cotangent: Tensor) -> Params:
        parts = cotangent.split(1) if len(tape) > 1 else [cotangent]
        return _together([self._pull(*each, part) for each, part in zip(tape, parts, strict=True)])

    def _pull(self, prepared: Prepared, run: Run, cotangent: Tensor) -> Params:
        asked = Asked(inputs=False, names=prepared.wrt, tape=False)
        return self.program.backward(prepared.split.upper, run, {len(self.program.nodes): cotangent}, asked)

    def plan(self, tasks: int, examples: int) -> tuple[int, int]:
        threads = torch.get_num_threads()
        if self.convolves:
            return min(CHUNK, tasks), threads
        large = tasks * examples * self.weights > LARGE
        return (-(-tasks // threads), threads) if large else (tasks, 1)

    def _whole(self, params: Params, tasks: int) -> Params:
        """All parameters: those that are learned, and, the same for every task, those that are not."""
        if not self.frozen:
            return params
        return {name: value.expand(tasks, *value.shape[1:]) for name, value in self.frozen.items()} | params

    def _split(self, wrt: frozenset[str]) -> Split:
        if wrt not in self._splits:
            upper = self.program.depends(wrt, chance=True)
            lower = set(range(len(self.program.nodes))) - upper
            learned = self.program.depends(self.names, chance=False) - upper
            parts = [self.program.part(which) for which in (upper, lower, learned)]
            self._splits[wrt] = Split(*parts)
        return self._splits[wrt]


def _laid(program: Program, params: Mapping[str, Tensor]) -> Params:
    weighted = program.weighted
    return {n: weighted[n].pack(n, value) if n in weighted else value for n, value in params.items()}


def _only(params: Params, task: int) -> Params:
    return {name: value[task : task + 1] for name, value in params.items()}


def _joined(steps: Sequence[Step]) -> Step:
    grads = _together([step.grads for step in steps])
    return Step(torch.cat([step.loss for step in steps]), torch.cat([step.outputs for step in steps]), grads)


def _together(each: Sequence[Params]) -> Params:
    return each[0] if len(each) == 1 else {name: torch.cat([part[name] for part in each]) for name in each[0]}
