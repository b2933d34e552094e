"""Which engine works on a network: the fastest that gives what the module itself gives."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import torch
from torch import Tensor, nn

from onward.core import InvalidInput

from ._engine import Chance, Engine, Params
from ._functional import Func, Loop, Mode, Stateless, stateless
from ._losses import WRONG, Custom, Loss, SquaredError, settled
from ._model import MetaTrainableModel, Model, parameters_of
from ._program import program_of
from ._rules import Rules
from ._trace import Ruleless, nodes_of

TOLERANCE: Final = 1e-8
"""Of the largest number: in double precision the rules agree to 1e-13, and what does not agree is another function."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The engine chosen, and why.

    Args:
        loss: as it works with the engine.
        shape: what the network gives for an example of (n, ...) inputs; `InvalidInput` of those it does not take.
    """

    engine: Engine
    why: str
    loss: Loss
    shape: Callable[[Tensor], tuple[int, ...]]


def choose_engine(
    module: nn.Module | MetaTrainableModel,
    x: Tensor,
    loss: Loss = SquaredError(),  # noqa: B008 - frozen
    y: Tensor | None = None,
    *,
    embeds: bool = False,
) -> Choice:
    """The engine for a module, tried on the examples of one task.

    Layers with rules are the fastest. They are taken when every layer of the module has some, and when their outputs
    and gradients on (n, ...) inputs `x` are those of the module itself. Everything else goes through `torch.func`: all
    tasks at once, or task by task: where there are convolutions on a CPU, which is faster there, and where the
    module or the loss does what `torch.func` cannot.

    Args:
        loss, y: of (n, ...) targets; the loss is not tried without them.
        embeds: whether the loss is that of scores of classes, made of what the network gives.

    Raises:
        InvalidInput: the module does not take them, or gives no tensor with a row for each; or the loss does not work.

    >>> net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    >>> choose_engine(net, torch.randn(5, 2)).engine.name
    'rules'
    """
    if not isinstance(module, nn.Module):
        return _asked(module, x, loss, y)
    with _taking(module, x):
        alone = stateless(module, x)
    shape, said = partial(_shape, alone), _answer(alone, x)
    if y is not None:
        scores = said.new_zeros(len(x), int(y.max()) + 1) if embeds else said
        loss = settled(loss, scores.unsqueeze(0), y.unsqueeze(0))

    def general(why: object) -> Choice:
        engine, more = _general(module, alone, x, by_task=isinstance(loss, Custom) and loss.by_task)
        return Choice(engine, f"{engine.name}, since {why}{more}", loss, shape)

    try:
        rules = Rules.of(program_of(nodes_of(module)), dict(module.named_parameters()))
        off = _difference(rules, module, x)
    except Ruleless as ruleless:
        return general(ruleless)
    except WRONG as error:
        return general(f"the rules do not fit the module ({error})")
    if not off <= TOLERANCE:
        return general(f"the rules differ from the module by {off:.1g}")
    return Choice(rules, "rules, since every layer has some, and they agree with the module", loss, shape)


def _asked(model: MetaTrainableModel, x: Tensor, loss: Loss, y: Tensor | None) -> Choice:
    """A model that is no torch module says itself what it gives."""
    engine = Model(model, frozenset(model.parameters()))
    params = {name: value.unsqueeze(0) for name, value in parameters_of(model).items()}
    if y is not None:
        loss = settled(loss, _predicted(engine, params, x), y.unsqueeze(0))
    return Choice(engine, "model, since it is no torch module", loss, partial(_predicted_shape, engine, params))


def _predicted(engine: Engine, params: Params, x: Tensor) -> Tensor:
    """(1, n, ...) what a model says of (n, ...) inputs."""
    return engine.outputs(engine.prepare(params, x.unsqueeze(0), engine.names, Chance()), params)


def _predicted_shape(engine: Engine, params: Params, x: Tensor) -> tuple[int, ...]:
    return tuple(_predicted(engine, params, x).shape[2:])


@contextmanager
def _taking(module: nn.Module, x: Tensor) -> Iterator[None]:
    """Say of what goes wrong that the module does not take such inputs."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise
    except WRONG as error:
        types = sorted({str(p.dtype) for p in module.parameters()})
        raise InvalidInput(
            f"The network does not take the examples of a task: {x.dtype} {tuple(x.shape)}.",
            why=f"{error}.",
            mend=f"Give inputs of the shape that it takes, and of its type: {', '.join(types)}.",
        ) from error


def _shape(alone: Stateless, x: Tensor) -> tuple[int, ...]:
    """What a module gives for an example."""
    return tuple(_answer(alone, x).shape[1:])


@torch.no_grad()
def _answer(alone: Stateless, x: Tensor) -> Tensor:
    """What a module gives for (n, ...) examples."""
    with _taking(alone.asked, x):
        said: Any = alone({}, x, Mode())
    if not isinstance(said, Tensor) or said.shape[:1] != x.shape[:1]:
        gave = f"a tensor {tuple(said.shape)}" if isinstance(said, Tensor) else f"a {type(said).__name__}"
        raise InvalidInput(
            f"The network gives {gave} for {len(x)} examples.",
            mend="Give a module whose forward returns one tensor with a row for each example.",
        )
    answer: Tensor = said
    return answer


def _general(module: nn.Module, alone: Stateless, x: Tensor, *, by_task: bool) -> tuple[Engine, str]:
    """The engine for any module, and why it is the slower one where nobody would expect that."""
    names = frozenset(name for name, value in module.named_parameters() if value.requires_grad)
    loop = Loop(alone, names)
    if by_task:
        return loop, "; and the loss goes task by task"
    if x.device.type == "cpu" and any(isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d) for m in module.modules()):
        return loop, ""
    func = Func(alone, names)
    try:
        _try(func, {n: value.detach().unsqueeze(0) for n, value in module.named_parameters()}, x)
    except WRONG as error:
        return loop, f"; and torch.func cannot work on it ({str(error).splitlines()[0]})"
    return func, ""


def _try(engine: Engine, params: Params, x: Tensor) -> None:
    """Work on two tasks as in training, and ask them."""
    both = torch.stack([x, x])
    learning = engine.prepare(params, both, engine.names, Chance(torch.Generator(x.device)))
    outputs = engine.outputs(engine.prepare(params, both, engine.names, Chance()), params)
    engine.gradient(learning, params, torch.zeros_like(outputs), SquaredError(), tape=True)


def _difference(rules: Engine, module: nn.Module, x: Tensor) -> float:
    """The largest difference of outputs and gradients, each relative to the largest one; in double precision.

    A little away from the parameters that there are: those that begin at zero would hide what lies behind them.
    """
    double = copy.deepcopy(module).double()
    x = x.double() if x.is_floating_point() else x
    chance = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for value in double.parameters():
            value.add_(0.1 * torch.randn(value.shape, dtype=value.dtype, generator=chance).to(value.device))
    params = {name: value.detach().unsqueeze(0) for name, value in double.named_parameters()}
    said_one, ours = _pulled(rules, params, x)
    said_two, theirs = _pulled(Loop(stateless(double, x), rules.names), params, x)
    if said_one.shape != said_two.shape:
        return float("inf")
    size = max(float(value.abs().max()) for value in theirs.values())
    worst = max(
        float((ours[n] - value).abs().max()) if n in ours else float(value.abs().max()) for n, value in theirs.items()
    )
    off = float((said_one - said_two).abs().max())
    return max(worst / max(size, 1e-12), off / max(float(said_two.abs().max()), 1e-12))


def _pulled(engine: Engine, params: Params, x: Tensor) -> tuple[Tensor, Params]:
    """Outputs, and gradients of a sum of them by random weights, always the same ones."""
    packed = engine.pack(params)
    outputs, tape = engine.run(engine.prepare(packed, x.unsqueeze(0), engine.names, Chance()), packed)
    weights = torch.randn(outputs.shape, dtype=outputs.dtype, generator=torch.Generator().manual_seed(0))
    return outputs, engine.unpack(engine.pull(tape, weights.to(outputs.device)))
