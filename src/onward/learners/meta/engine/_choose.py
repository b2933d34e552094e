"""Which engine works on a network: the fastest that gives what the module itself gives."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from onward.core import InvalidInput

from ._engine import Chance, Engine, Params
from ._functional import Func, Loop, stateless
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
        outputs: shape of what the network gives for an example.
    """

    engine: Engine
    why: str
    outputs: tuple[int, ...]


def choose_engine(module: nn.Module | MetaTrainableModel, x: Tensor) -> Choice:
    """The engine for a module, tried on the examples of one task.

    Layers with rules are the fastest. They are taken when every layer of the module has some, and when their outputs
    and gradients on (n, ...) inputs `x` are those of the module itself. Everything else goes through `torch.func`: all
    tasks at once, or, where there are convolutions on a CPU, task by task, which is faster there.

    Raises:
        InvalidInput: the module does not take them.

    >>> net = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    >>> choose_engine(net, torch.randn(5, 2)).engine.name
    'rules'
    """
    if not isinstance(module, nn.Module):
        return _asked(module, x)
    try:
        general, outputs = _general(module, x)
    except (RuntimeError, ValueError, IndexError, TypeError) as error:
        types = sorted({str(p.dtype) for p in module.parameters()})
        raise InvalidInput(
            f"The network does not take the examples of a task: {x.dtype} {tuple(x.shape)}.",
            why=f"{error}.",
            mend=f"Give inputs of the shape that it takes, and of its type: {', '.join(types)}.",
        ) from error
    try:
        rules = Rules.of(program_of(nodes_of(module)), dict(module.named_parameters()))
        off = _difference(rules, module, x)
    except Ruleless as said:
        return Choice(general, f"{general.name}, since {said}", outputs)
    except (RuntimeError, ValueError, IndexError) as error:
        return Choice(general, f"{general.name}, since the rules do not fit the module ({error})", outputs)
    if not off <= TOLERANCE:
        return Choice(general, f"{general.name}, since the rules differ from the module by {off:.1g}", outputs)
    return Choice(rules, "rules, since every layer has some, and they agree with the module", outputs)


def _asked(model: MetaTrainableModel, x: Tensor) -> Choice:
    """A model that is no torch module, asked what it says of the examples."""
    engine = Model(model, frozenset(model.parameters()))
    params = {name: value.unsqueeze(0) for name, value in parameters_of(model).items()}
    said = engine.outputs(engine.prepare(params, x.unsqueeze(0), engine.names, Chance()), params)
    return Choice(engine, "model, since it is no torch module", tuple(said.shape[2:]))


def _general(module: nn.Module, x: Tensor) -> tuple[Engine, tuple[int, ...]]:
    """The engine for any module, and the shape of what that gives for an example."""
    convolves = any(isinstance(m, nn.Conv1d | nn.Conv2d | nn.Conv3d) for m in module.modules())
    names = frozenset(name for name, value in module.named_parameters() if value.requires_grad)
    by_task = convolves and x.device.type == "cpu"
    alone, outputs = stateless(module, x)
    return Loop(alone, names) if by_task else Func(alone, names), outputs


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
    said_two, theirs = _pulled(_general(double, x)[0], params, x)
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
