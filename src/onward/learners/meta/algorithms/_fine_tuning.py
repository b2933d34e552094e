"""No meta-learning at all: what everything else has to beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from onward.learners.meta.engine import Params
from onward.learners.meta.tasks import TaskBatch
from onward.learners.neural import above, plain_numbers, whole

from ._algorithm import Adapted, MetaGradient, Setting, accuracy
from ._maml import MAML, check_pattern
from ._stacked import asked, of_its_own, spread


@dataclass(frozen=True, slots=True)
class FineTuning:
    """The honest baseline: one network trained on the examples of all tasks, then gradient steps on a new task.

    Meta-training minimises the loss of every task's support and query examples together, without any inner loop (the
    "pretrained" network of Finn, Abbeel and Levine 2017). Where targets mean the same in every task, that learns what
    the tasks share. Where classes are numbered anew in every task, it can learn nothing of them, and adapting is
    training from scratch.

    Args:
        inner_steps: on the support set of a new task, at least 1.
        inner_rate: their learning rate, above 0.
        adapt: a regular expression; only parameters whose names it matches move then, e.g. "^head". `None`: all.

    Raises:
        InvalidInput: a value is out of its range.

    >>> FineTuning(inner_steps=20).inner_rate
    0.01
    """

    embeds: ClassVar = False
    optimizer: ClassVar = "adam"
    outer_rate: ClassVar = 1e-3
    inner_steps: int = 10
    inner_rate: float = 0.01
    adapt: str | None = None

    def __post_init__(self) -> None:
        whole(1, inner_steps=self.inner_steps)
        above(inner_rate=self.inner_rate)
        check_pattern("adapt", self.adapt)
        plain_numbers(self)

    like = of_its_own
    outputs = asked

    @property
    def _descent(self) -> MAML:
        return MAML(self.inner_steps, self.inner_rate, adapt=self.adapt)

    def start(self, params: Params) -> Params:
        return self._descent.start(params)

    def meta_gradient(self, setting: Setting, meta: Params, batch: TaskBatch) -> MetaGradient:
        engine, theta = setting.engine, spread(meta, len(batch))
        x = torch.cat([batch.support_x, batch.query_x], 1)
        y = torch.cat([batch.support_y, batch.query_y], 1)
        prepared = engine.prepare(theta, x, engine.names, setting.chance)
        step = engine.gradient(prepared, theta, y, setting.loss)
        asked_of = step.outputs[:, batch.support_x.shape[1] :]
        return MetaGradient(step.grads, step.loss.unsqueeze(0), accuracy(asked_of, batch.query_y))

    def adapt_tasks(
        self, setting: Setting, meta: Params, x: Tensor, y: Tensor, steps: int | None, rate: float | None
    ) -> Adapted:
        return self._descent.adapt_tasks(setting, meta, x, y, steps, rate)
