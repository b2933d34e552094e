"""The engines for any torch module: `torch.func` over all tasks at once, or autograd task by task."""

from __future__ import annotations

import copy
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value, vmap

from ._engine import Chance, Params, Step
from ._losses import Loss

SEEDS: Final = 2**62


class Prepared(NamedTuple):
    """Inputs; nothing can be done before the step."""

    x: Tensor
    wrt: frozenset[str]
    chance: Chance


class Tape(NamedTuple):
    """What a product starts from: `graph` is autograd's, where there is one."""

    prepared: Prepared
    params: Params
    y: Tensor
    loss: Loss
    seed: int | None
    graph: Any = None


class Pass(NamedTuple):
    """What a pull starts from."""

    prepared: Prepared
    params: Params
    seed: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Stateless:
    """A module as a function of its parameters that leaves no trace: batch statistics are used, never kept.

    Args:
        asked: without dropout.
        trained: with it.
        random: whether there is any.
    """

    asked: nn.Module
    trained: nn.Module
    random: bool
    _mine: threading.local = field(default_factory=threading.local, repr=False)

    def __call__(self, params: Params, x: Tensor, seed: int | None) -> Tensor:
        if not hasattr(self._mine, "modules"):  # a call puts its parameters into the module: no thread shares one
            self._mine.modules = copy.deepcopy((self.asked, self.trained))
        return cast("Tensor", functional_call(self._mine.modules[seed is not None], params, (x,)))

    def seed(self, chance: Chance) -> int | None:
        """What this pass draws from; nothing where nothing is drawn."""
        if chance.generator is None or not self.random:
            return None
        return int(torch.randint(SEEDS, (), generator=chance.generator, device=chance.generator.device))


def stateless(module: nn.Module, x: Tensor) -> tuple[Stateless, tuple[int, ...]]:
    """The module as a function of its parameters, and the shape of what it gives for an example.

    Parameters that a call does not give are those of the module.

    Args:
        x: (n, ...) inputs; they also tell whether it is random in training.
    """
    asked = copy.deepcopy(module).requires_grad_(False).eval()
    for each in asked.modules():
        if isinstance(each, nn.modules.batchnorm._NormBase):  # noqa: SLF001 - torch has no public name for the family
            each.running_mean = each.running_var = each.num_batches_tracked = None
            each.track_running_stats = False
    trained = copy.deepcopy(asked).train()
    with torch.no_grad():
        with _seeded(0):
            one = trained(x)
        with _seeded(1):
            random = not torch.equal(one, trained(x))
    return Stateless(asked, trained, random), tuple(one.shape[1:])


@contextmanager
def _seeded(seed: int | None) -> Iterator[None]:
    """Torch's own random numbers from a seed, and as they were afterwards."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


@dataclass(frozen=True, slots=True, eq=False)
class Func:
    """Every task at once: `vmap` over `grad`, and over the gradient of its product with a direction.

    It is `vmap(grad(task))` and never an autograd pass over `vmap`: in torch 2.13 the latter is wrong through batch and
    layer norm in float64, by up to 2.5e-3.
    """

    module: Stateless
    names: frozenset[str]
    name: str = "func"

    def pack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def unpack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def prepare(self, params: Params, x: Tensor, wrt: frozenset[str], chance: Chance) -> Prepared:  # noqa: ARG002
        return Prepared(x, wrt, chance)

    def outputs(self, prepared: Prepared, params: Params) -> Tensor:
        return self.run(prepared, params)[0]

    def _said(self, x: Tensor, stacked: Params, seed: int | None) -> Tensor:
        with torch.no_grad(), _seeded(seed):
            return vmap(lambda p, each: self.module(p, each, seed), randomness="different")(stacked, x)

    def gradient(
        self, prepared: Prepared, params: Params, y: Tensor, loss: Loss, *, tape: bool = False, every: bool = False
    ) -> Step:
        seed = self.module.seed(prepared.chance)
        stacked = _stacked(params, self.names, len(prepared.x))

        def task(p: Params, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
            outputs = self.module(p, x, seed)
            return loss.one(outputs, target), outputs

        with _seeded(seed):
            each = vmap(grad_and_value(task, has_aux=True), randomness="different")
            grads, (losses, outputs) = each(stacked, prepared.x, y)
        wanted = self.names if every else prepared.wrt
        kept = Tape(prepared, stacked, y, loss, seed) if tape else None
        return Step(losses.detach(), outputs.detach(), {n: g for n, g in grads.items() if n in wanted}, kept)

    def product(self, tape: Tape, direction: Params) -> Params:
        def task(p: Params, v: Params, x: Tensor, y: Tensor) -> Params:
            slopes = grad(lambda q: tape.loss.one(self.module(q, x, tape.seed), y))

            def along(q: Params) -> Tensor:
                found = slopes(q)
                return torch.stack([(found[n] * by).sum() for n, by in v.items()]).sum()

            found: Params = grad(along)(p)
            return found

        with _seeded(tape.seed):
            products: Params = vmap(task, randomness="different")(tape.params, direction, tape.prepared.x, tape.y)
        return products

    def rest(self, prepared: Prepared) -> Params:  # noqa: ARG002
        return {}

    def run(self, prepared: Prepared, params: Params) -> tuple[Tensor, Pass]:
        seed, stacked = self.module.seed(prepared.chance), _stacked(params, self.names, len(prepared.x))
        return self._said(prepared.x, stacked, seed), Pass(prepared, stacked, seed)

    def pull(self, tape: Pass, cotangent: Tensor) -> Params:
        def task(p: Params, x: Tensor, top: Tensor) -> Tensor:
            return (self.module(p, x, tape.seed) * top).sum()

        with _seeded(tape.seed):
            grads = vmap(grad(task), randomness="different")(tape.params, tape.prepared.x, cotangent)
        return {n: g for n, g in grads.items() if n in tape.prepared.wrt}

    def plan(self, tasks: int, examples: int) -> tuple[int, int]:  # noqa: ARG002
        return tasks, 1


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """One task after the other, by autograd; the products differentiate its graph once more."""

    module: Stateless
    names: frozenset[str]
    name: str = "loop"

    def pack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def unpack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def prepare(self, params: Params, x: Tensor, wrt: frozenset[str], chance: Chance) -> Prepared:  # noqa: ARG002
        return Prepared(x, wrt, chance)

    def outputs(self, prepared: Prepared, params: Params) -> Tensor:
        seed = self.module.seed(prepared.chance)
        with torch.no_grad(), _seeded(seed):
            stacked = _stacked(params, self.names, len(prepared.x))
            return torch.stack([self.module(_at(stacked, t), x, seed) for t, x in enumerate(prepared.x)])

    def gradient(
        self, prepared: Prepared, params: Params, y: Tensor, loss: Loss, *, tape: bool = False, every: bool = False
    ) -> Step:
        seed = self.module.seed(prepared.chance)
        stacked = _stacked(params, self.names, len(prepared.x))
        wanted = sorted(self.names if every else prepared.wrt)
        graph, losses, outputs, grads = [], [], [], []
        with torch.enable_grad(), _seeded(seed):
            for t, (x, target) in enumerate(zip(prepared.x, y, strict=True)):
                leaves = {n: p.detach().requires_grad_() for n, p in _at(stacked, t).items()}
                said = self.module(leaves, x, seed)
                one = loss.one(said, target)
                found = _autograd([one], [leaves[n] for n in wanted], None, graph=tape)
                losses.append(one.detach())
                outputs.append(said.detach())
                grads.append([each.detach() for each in found])
                graph.append((leaves, found))
        kept = Tape(prepared, stacked, y, loss, seed, graph) if tape else None
        named = {n: torch.stack([each[i] for each in grads]) for i, n in enumerate(wanted)}
        return Step(torch.stack(losses), torch.stack(outputs), named, kept)

    def product(self, tape: Tape, direction: Params) -> Params:
        wrt, names = sorted(tape.prepared.wrt), sorted(self.names)
        moved = []
        for t, (leaves, found) in enumerate(tape.graph):
            named = [(n, each) for n, each in zip(wrt, found, strict=True) if n in direction and each.requires_grad]
            curved = [(each, direction[n][t]) for n, each in named]
            tops, along = [each for each, _ in curved], [by for _, by in curved]
            moved.append(_autograd(tops, [leaves[n] for n in names], along, graph=False, keep=True))
        return {n: torch.stack([each[i].detach() for each in moved]) for i, n in enumerate(names)}

    def rest(self, prepared: Prepared) -> Params:  # noqa: ARG002
        return {}

    def run(self, prepared: Prepared, params: Params) -> tuple[Tensor, Any]:
        seed = self.module.seed(prepared.chance)
        stacked = _stacked(params, self.names, len(prepared.x))
        wanted, graph = sorted(prepared.wrt), []
        with torch.enable_grad(), _seeded(seed):
            for t, x in enumerate(prepared.x):
                leaves = {n: p.detach().requires_grad_() for n, p in _at(stacked, t).items()}
                graph.append((self.module(leaves, x, seed), [leaves[n] for n in wanted]))
        return torch.stack([said.detach() for said, _ in graph]), (wanted, graph)

    def pull(self, tape: Any, cotangent: Tensor) -> Params:
        wanted, graph = tape
        with torch.enable_grad():  # of a number: cotangents would make torch load a computer algebra system
            tops = [(said * top).sum() for (said, _), top in zip(graph, cotangent, strict=True)]
        found = [_autograd([top], leaves, None, graph=False) for top, (_, leaves) in zip(tops, graph, strict=True)]
        return {n: torch.stack([each[i] for each in found]) for i, n in enumerate(wanted)}

    def plan(self, tasks: int, examples: int) -> tuple[int, int]:  # noqa: ARG002
        return min(4, tasks), 1 if self.module.random else torch.get_num_threads()  # torch's own chance is no thread's


def _autograd(
    tops: list[Tensor], leaves: list[Tensor], along: list[Tensor] | None, *, graph: bool, keep: bool = False
) -> list[Tensor]:
    """Gradients; zeros for a leaf that the tops do not depend on. `graph`: make one; `keep` the one there is."""
    if not tops:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found: Sequence[Tensor | None] = torch.autograd.grad(
        tops, leaves, along, create_graph=graph, retain_graph=graph or keep, allow_unused=True
    )
    return [torch.zeros_like(leaf) if each is None else each for each, leaf in zip(found, leaves, strict=True)]


def _stacked(params: Params, names: frozenset[str], tasks: int) -> Params:
    """The network's own parameters, one value for each task."""
    return {n: p.expand(tasks, *p.shape[1:]) for n, p in params.items() if n in names}


def _at(params: Params, task: int) -> Params:
    return {n: p[task] for n, p in params.items()}
