"""Who computes meta-gradients in `benchmarks/meta_speed.py`: one module each, whose library loads when asked.

Each has `prepare(work, data)`, which returns a callable: the number of tasks -> the mean meta-gradient over the first
so many tasks, by the parameter's name in the network.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from benchmarks.meta_peers.work import Data, Work

Gradient = Callable[[int], Mapping[str, Any]]


@dataclass(frozen=True)
class Contender:
    """A row of the table.

    Args:
        module: in this package.
        loops: takes tasks one after the other, or few at a time, so that a few tasks tell its speed.
        settings: keyword arguments of `prepare`.
    """

    module: str
    loops: bool = False
    settings: Mapping[str, Any] | None = None

    def prepare(self, work: Work, data: Data) -> Gradient:
        module = importlib.import_module(f"benchmarks.meta_peers.{self.module}")
        prepared: Gradient = module.prepare(work, data, **(self.settings or {}))
        return prepared


CONTENDERS = {
    "onward": Contender("by_onward"),
    "onward, a task at once": Contender("by_onward", settings={"at_once": 1}),
    "onward, compiled": Contender("by_onward", settings={"compile": True}),
    "learn2learn": Contender("by_learn2learn", loops=True),
    "higher": Contender("by_higher", loops=True),
    "torchopt": Contender("by_torchopt", loops=True),
    "nested loop": Contender("by_nested_loop", loops=True),
    "vmap(grad)": Contender("by_vmap", loops=True),
    "JAX": Contender("by_jax"),
}
