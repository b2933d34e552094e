"""The meta-gradient compiled: for small networks, whose layers cost less than the calls to them."""

from __future__ import annotations

import os
import shutil
from typing import Any, Final

import torch
from torch import Tensor

from onward.core import InvalidInput

from ._gradient import Gradient
from .algorithms import MAML, Algorithm, MetaGradient, Setting
from .engine import Chance, Custom, Engine, Loss, Params, Rules
from .tasks import TaskBatch

COMPILERS: Final = ("g++", "clang++", "c++")


def compiled(algorithm: Algorithm, engine: Engine, loss: Loss) -> Gradient:
    """`algorithm.meta_gradient`, compiled by `torch.compile` at its first call and again for every shape of tasks.

    Raises:
        InvalidInput: it cannot be: the algorithm is none of the MAML family or changes from step to step, a layer has
            no rules or is random, or there is no C++ compiler.
    """
    why = _why_not(algorithm, engine, loss)
    if why:
        raise InvalidInput(f"The meta-gradient cannot be compiled: {why}.", mend="Leave out compile=True.")
    assert isinstance(algorithm, MAML)
    until = algorithm.first_order_until

    def traced(net: Engine, loss: Loss, at: int, meta: Params, tensors: tuple[Tensor, Tensor, Tensor, Tensor]) -> Any:
        found = algorithm.meta_gradient(Setting(net, loss, Chance(), at), meta, TaskBatch(*tensors, (), ()))
        return found.grads, found.losses, found.accuracy

    fast = torch.compile(traced, fullgraph=True, dynamic=False)

    def run(setting: Setting, meta: Params, batch: TaskBatch) -> MetaGradient:
        at = min(setting.at, until)  # the two phases that there are
        tensors = (batch.support_x, batch.support_y, batch.query_x, batch.query_y)
        return MetaGradient(*fast(setting.engine, setting.loss, until if at == until else 0, meta, tensors))

    return run


def _why_not(algorithm: Algorithm, engine: Engine, loss: Loss) -> str:
    if not isinstance(algorithm, MAML):
        return f"{type(algorithm).__name__} is not of the MAML family"
    if algorithm.multi_step:
        return "the weights of a multi-step loss change from step to step"
    if not isinstance(engine, Rules):
        return "a layer of the network has no rules"
    if engine.random or (isinstance(loss, Custom) and loss.by_task):
        return "the network has dropout" if engine.random else "the loss goes task by task"
    if not any(shutil.which(name) for name in (os.environ.get("CXX", ""), *COMPILERS) if name):
        return "there is no C++ compiler"
    return ""
