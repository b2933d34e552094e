"""What algorithms do alike: hand meta-parameters to every task, lay them out, ask learned tasks."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor

from onward.learners.meta.engine import Engine, Params

from ._algorithm import Adapted, Setting


def spread(meta: Params, tasks: int) -> Params:
    """(1, ...) meta-parameters -> (T, ...) without a copy: every task's the same."""
    return {name: value.expand(tasks, *value.shape[1:]) for name, value in meta.items()}


def laid_out(engine: Engine, lay: Callable[[Mapping[str, Tensor]], Params], meta: Params) -> Params:
    """The network's parameters laid out by `lay` of the engine; the algorithm's own as they are."""
    return meta | lay({name: value for name, value in meta.items() if name in engine.names})


def asked(setting: Setting, adapted: Adapted, x: Tensor) -> Tensor:
    """(T, n, ...) outputs of the network at the learned parameters."""
    engine = setting.engine
    return engine.outputs(engine.prepare(adapted.params, x, engine.names, setting.chance), adapted.params)
