"""Implicit MAML: the meta-gradient from where the inner loop ends, whatever way it took."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from onward.learners.meta.engine import Params
from onward.learners.meta.tasks import TaskBatch
from onward.learners.neural import above, plain_numbers, whole

from ._algorithm import Adapted, MetaGradient, Setting, Trajectory, accuracy
from ._solve import solve
from ._stacked import asked, nothing_more, of_its_own, spread


@dataclass(frozen=True, slots=True)
class IMAML:
    """Implicit MAML (Rajeswaran, Finn, Kakade and Levine 2019, arXiv:1909.04630).

    A task minimises its support loss plus `strength` / 2 times the squared distance from the meta-parameters, by plain
    gradient descent. At that minimum the meta-gradient is (I + H / strength)^-1 g, with H the Hessian of the support
    loss and g the gradient of the query loss: conjugate gradient solves it with products of Hessian and vector, all
    tasks at once. Time grows with inner and CG steps, memory with neither.

    Args:
        inner_steps: of gradient descent, at least 1; the paper's for 5-way Omniglot are 16, for 20-way 25.
        inner_rate: their learning rate, above 0.
        strength: of the pull towards the meta-parameters (lambda), above 0; the paper's is 2.
        cg_steps: of conjugate gradient, at least 1.

    Raises:
        InvalidInput: a value is out of its range.

    >>> IMAML(strength=0.5).cg_steps
    5
    """

    embeds: ClassVar = False
    optimizer: ClassVar = "adam"
    outer_rate: ClassVar = 1e-3
    inner_steps: int = 16
    inner_rate: float = 0.01
    strength: float = 2.0
    cg_steps: int = 5

    def __post_init__(self) -> None:
        whole(1, inner_steps=self.inner_steps, cg_steps=self.cg_steps)
        above(inner_rate=self.inner_rate, strength=self.strength)
        plain_numbers(self)

    start = nothing_more
    like = of_its_own
    outputs = asked

    def meta_gradient(self, setting: Setting, meta: Params, batch: TaskBatch) -> MetaGradient:
        engine, theta = setting.engine, spread(meta, len(batch))
        support = engine.prepare(theta, batch.support_x, engine.names, setting.chance)
        found, trajectory = self._descend(setting, theta, support, batch.support_y, self.inner_steps, self.inner_rate)
        tape = engine.gradient(support, found, batch.support_y, setting.loss, tape=True).tape
        query = engine.prepare(found, batch.query_x, engine.names, setting.chance)
        asked = engine.gradient(query, found, batch.query_y, setting.loss)

        def matrix(along: Params) -> Params:
            bent = engine.product(tape, along)
            return {n: v.add(bent[n], alpha=1 / self.strength) if n in bent else v for n, v in along.items()}

        grads = solve(matrix, asked.grads, self.cg_steps)
        return MetaGradient(
            grads, torch.stack([*trajectory.losses, asked.loss]), accuracy(asked.outputs, batch.query_y)
        )

    def _descend(
        self, setting: Setting, theta: Params, support: Any, y: Tensor, steps: int, rate: float
    ) -> tuple[Params, Trajectory]:
        """Where gradient descent comes to, and how it went on its way."""
        params, trajectory = theta, Trajectory()
        for _ in range(steps):
            step = setting.engine.gradient(support, params, y, setting.loss)
            trajectory.add(step.loss, step.outputs, y)
            pulled = {n: g.add(params[n] - theta[n], alpha=self.strength) for n, g in step.grads.items()}
            params = params | {n: torch.add(params[n], g, alpha=-rate) for n, g in pulled.items()}
        return params, trajectory

    def adapt_tasks(
        self, setting: Setting, meta: Params, x: Tensor, y: Tensor, steps: int | None, rate: float | None
    ) -> Adapted:
        engine, theta = setting.engine, spread(meta, len(x))
        support = engine.prepare(theta, x, engine.names, setting.chance)
        steps, rate = self.inner_steps if steps is None else steps, self.inner_rate if rate is None else rate
        params, trajectory = self._descend(setting, theta, support, y, steps, rate)
        return trajectory.to(params, setting, engine.outputs(support, params), y)
