"""The engines for any torch module: `torch.func` over all tasks at once, or autograd task by task."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, grad_and_value, vmap

from ._batch_norm import one_row
from ._engine import Chance, Params, Step
from ._losses import Loss, twice

SEEDS: Final = 2**62
EMPTY: Final = torch.empty(0)


class Mode(NamedTuple):
    """How a module is called: as in training or not, and what it draws from, where it draws."""

    training: bool = False
    seed: int | None = None


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
    mode: Mode
    graph: Any = None


class Pass(NamedTuple):
    """What a pull starts from."""

    prepared: Prepared
    params: Params
    mode: Mode


@dataclass(frozen=True, slots=True, eq=False)
class Stateless:
    """A module as a function of its parameters that leaves no trace: batch statistics are used, never kept.

    Args:
        asked: in evaluation mode.
        trained: in training mode.
        random: whether it draws random numbers then.
        written: the buffers that a pass writes to; each call begins with them as they are here.
        together: whether what it says of an example depends on those beside it: it norms over a batch.
    """

    asked: nn.Module
    trained: nn.Module
    random: bool = False
    written: Params = field(default_factory=dict)
    together: bool = False
    _mine: threading.local = field(default_factory=threading.local, repr=False)

    def __reduce__(self) -> tuple[Any, ...]:
        return Stateless, (self.asked, self.trained, self.random, self.written, self.together)

    def __call__(self, params: Params, x: Tensor, mode: Mode) -> Tensor:
        if not hasattr(self._mine, "modules"):  # a call puts its parameters into the module: no thread shares one
            self._mine.modules = copy.deepcopy((self.asked, self.trained))
        own = params | {name: value.clone() for name, value in self.written.items()}
        try:
            return cast("Tensor", functional_call(self._mine.modules[mode.training], own, (x,)))
        except ValueError as error:
            if "more than 1 value per channel" in str(error):
                raise one_row() from error
            raise

    def mode(self, chance: Chance) -> Mode:
        """That of a pass in training, if there is a chance, and what it draws from, if it draws."""
        if chance.generator is None or not self.random:
            return Mode(chance.generator is not None)
        return Mode(True, int(torch.randint(SEEDS, (), generator=chance.generator, device=chance.generator.device)))


def stateless(module: nn.Module, x: Tensor) -> Stateless:
    """The module as a function of its parameters. Parameters that a call does not give are those of the module.

    Args:
        x: (n, ...) inputs, which tell what it draws and writes.
    """
    asked = copy.deepcopy(module).requires_grad_(False).eval()
    for each in asked.modules():
        if isinstance(each, nn.modules.batchnorm._NormBase):  # noqa: SLF001 - torch has no public name for the family
            each.running_mean = each.running_var = each.num_batches_tracked = None
            each.track_running_stats = False
    trained = copy.deepcopy(asked).train()
    before = dict(asked.named_buffers())
    written: Params = {}
    random = False
    for each in (asked, trained):
        tried = copy.deepcopy(each)
        random = draws(partial(tried, x), x.device)
        after = dict(tried.named_buffers())
        written |= {name: value for name, value in before.items() if not torch.equal(value, after[name])}
    return Stateless(asked, trained, random, written, _together(asked, x))


@torch.no_grad()
def _together(asked: nn.Module, x: Tensor) -> bool:
    """Whether it norms over a batch: by a layer that does, or, as is seen when it is given one example, by itself."""
    if any(isinstance(each, nn.modules.batchnorm._BatchNorm) for each in asked.modules()):  # noqa: SLF001
        return True
    try:
        copy.deepcopy(asked)(x[:1])
    except ValueError:
        return len(x) > 1
    return False


@torch.no_grad()
def draws(call: Callable[[], object], device: torch.device) -> bool:
    """Whether a call draws from torch's own random numbers, which are as they were afterwards."""
    gpu = device.type == "cuda"
    with torch.random.fork_rng([device] if gpu else []):
        before = torch.get_rng_state(), torch.cuda.get_rng_state(device) if gpu else EMPTY
        call()
        after = torch.get_rng_state(), torch.cuda.get_rng_state(device) if gpu else EMPTY
    return not all(map(torch.equal, before, after))


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

    @property
    def together(self) -> bool:
        return self.module.together

    def pack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def unpack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def prepare(self, params: Params, x: Tensor, wrt: frozenset[str], chance: Chance) -> Prepared:  # noqa: ARG002
        return Prepared(x, wrt, chance)

    def outputs(self, prepared: Prepared, params: Params) -> Tensor:
        return self.run(prepared, params)[0]

    def _said(self, x: Tensor, stacked: Params, mode: Mode) -> Tensor:
        with torch.no_grad(), _seeded(mode.seed):
            return vmap(lambda p, each: self.module(p, each, mode), randomness="different")(stacked, x)

    def gradient(
        self, prepared: Prepared, params: Params, y: Tensor, loss: Loss, *, tape: bool = False, every: bool = False
    ) -> Step:
        mode = self.module.mode(prepared.chance)
        stacked = _stacked(params, self.names, len(prepared.x))

        def task(p: Params, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
            outputs = self.module(p, x, mode)
            return loss.one(outputs, target), outputs

        with _seeded(mode.seed):
            each = vmap(grad_and_value(task, has_aux=True), randomness="different")
            grads, (losses, outputs) = each(stacked, prepared.x, y)
        wanted = self.names if every else prepared.wrt
        kept = Tape(prepared, stacked, y, loss, mode) if tape else None
        return Step(losses.detach(), outputs.detach(), {n: g for n, g in grads.items() if n in wanted}, kept)

    def product(self, tape: Tape, direction: Params) -> Params:
        def task(p: Params, v: Params, x: Tensor, y: Tensor) -> Params:
            slopes = grad(lambda q: tape.loss.one(self.module(q, x, tape.mode), y))

            def along(q: Params) -> Tensor:
                found = slopes(q)
                return torch.stack([(found[n] * by).sum() for n, by in v.items()]).sum()

            found: Params = grad(along)(p)
            return found

        with twice(), _seeded(tape.mode.seed):
            products: Params = vmap(task, randomness="different")(tape.params, direction, tape.prepared.x, tape.y)
        return products

    def rest(self, prepared: Prepared) -> Params:  # noqa: ARG002
        return {}

    def run(self, prepared: Prepared, params: Params) -> tuple[Tensor, Pass]:
        mode, stacked = self.module.mode(prepared.chance), _stacked(params, self.names, len(prepared.x))
        return self._said(prepared.x, stacked, mode), Pass(prepared, stacked, mode)

    def pull(self, tape: Pass, cotangent: Tensor) -> Params:
        def task(p: Params, x: Tensor, top: Tensor) -> Tensor:
            return (self.module(p, x, tape.mode) * top).sum()

        with _seeded(tape.mode.seed):
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

    @property
    def together(self) -> bool:
        return self.module.together

    def pack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def unpack(self, params: Mapping[str, Tensor]) -> Params:
        return dict(params)

    def prepare(self, params: Params, x: Tensor, wrt: frozenset[str], chance: Chance) -> Prepared:  # noqa: ARG002
        return Prepared(x, wrt, chance)

    def outputs(self, prepared: Prepared, params: Params) -> Tensor:
        mode = self.module.mode(prepared.chance)
        with torch.no_grad(), _seeded(mode.seed):
            stacked = _stacked(params, self.names, len(prepared.x))
            return torch.stack([self.module(_at(stacked, t), x, mode) for t, x in enumerate(prepared.x)])

    def gradient(
        self, prepared: Prepared, params: Params, y: Tensor, loss: Loss, *, tape: bool = False, every: bool = False
    ) -> Step:
        mode = self.module.mode(prepared.chance)
        stacked = _stacked(params, self.names, len(prepared.x))
        wanted = sorted(self.names if every else prepared.wrt)
        graph, losses, outputs, grads = [], [], [], []
        with torch.enable_grad(), _seeded(mode.seed):
            for t, (x, target) in enumerate(zip(prepared.x, y, strict=True)):
                leaves = {n: p.detach().requires_grad_() for n, p in _at(stacked, t).items()}
                said = self.module(leaves, x, mode)
                one = loss.one(said, target)
                found = _autograd([one], [leaves[n] for n in wanted], None, graph=tape)
                losses.append(one.detach())
                outputs.append(said.detach())
                grads.append([each.detach() for each in found])
                graph.append((leaves, found))
        kept = Tape(prepared, stacked, y, loss, mode, graph) if tape else None
        named = {n: torch.stack([each[i] for each in grads]) for i, n in enumerate(wanted)}
        return Step(torch.stack(losses), torch.stack(outputs), named, kept)

    def product(self, tape: Tape, direction: Params) -> Params:
        wrt, names = sorted(tape.prepared.wrt), sorted(self.names)
        moved = []
        for t, (leaves, found) in enumerate(tape.graph):
            named = [(n, each) for n, each in zip(wrt, found, strict=True) if n in direction and each.requires_grad]
            curved = [(each, direction[n][t]) for n, each in named]
            tops, along = [each for each, _ in curved], [by for _, by in curved]
            with twice():
                moved.append(_autograd(tops, [leaves[n] for n in names], along, graph=False, keep=True))
        return {n: torch.stack([each[i].detach() for each in moved]) for i, n in enumerate(names)}

    def rest(self, prepared: Prepared) -> Params:  # noqa: ARG002
        return {}

    def run(self, prepared: Prepared, params: Params) -> tuple[Tensor, Any]:
        mode = self.module.mode(prepared.chance)
        stacked = _stacked(params, self.names, len(prepared.x))
        wanted, graph = sorted(prepared.wrt), []
        with torch.enable_grad(), _seeded(mode.seed):
            for t, x in enumerate(prepared.x):
                leaves = {n: p.detach().requires_grad_() for n, p in _at(stacked, t).items()}
                graph.append((self.module(leaves, x, mode), [leaves[n] for n in wanted]))
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
