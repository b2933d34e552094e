"""Gradients that may not raise the loss on what was learned before: GEM and A-GEM."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from onward.learners.continual._experience import Experience, some_of, staying
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.continual.memory import Buffer, Policy
from onward.learners.neural import at_least, whole

from ._projection import onto_cone, onto_half_space
from ._rehearsal import Rehearsal, check_memory


@dataclass(frozen=True, slots=True)
class GEM:
    """Gradient episodic memory (Lopez-Paz and Ranzato 2017, arXiv:1706.08840).

    Some examples of each experience are remembered. Before each step the gradients of the loss on the memories of all
    experiences before are taken, and the step's own gradient is changed to the nearest one whose inner product with
    none of them is negative: no memory's loss may rise, to the first order. An experience is what the paper calls a
    task, whatever its number; the one under way does not hold itself back.

    A step costs one more forward and backward pass for every experience learned, and waits for the device; the memory
    grows with them too. For many experiences use `AGEM`. The passes go through the network in training mode, as the
    authors' do, so batch norms average over the memories as well. Regression works the same.

    Put it last among the methods: it works on the sum of what the others want. What changes gradients or parameters
    after it may break its promise: a method that freezes some (PackNet, which stays exact), and an optimiser whose
    steps are not along the gradient, with momentum or "adam"; the authors use "sgd".

    Args:
        each: examples remembered of each experience, drawn at random, at least 1.
        margin: the least weight of each memory's gradient where the step is changed at all, 0 or more; above 0 the step
            leans towards what helps the past (the paper's gamma).

    Raises:
        InvalidInput: a value is out of its range.

    >>> GEM(each=100)
    GEM(each=100, margin=0.5)
    """

    each: int = 256
    margin: float = 0.5

    def __post_init__(self) -> None:
        whole(1, each=self.each)
        at_least(0, margin=self.margin)

    def start(self, course: Course) -> Hooks:
        kept = _Episodes(self, course)
        return Hooks(
            gradients=kept.project, end=kept.remember, state=kept.state, restore=kept.restore, forget=kept.forget
        )


@dataclass(frozen=True, slots=True)
class AGEM:
    """Averaged gradient episodic memory (Chaudhry et al. 2019, arXiv:1812.00420).

    As `GEM`, with one memory of all experiences before: where a step's gradient has a negative inner product with the
    gradient of the loss on `batch_size` examples drawn from it, it is changed to the nearest one where it is 0. The
    cost of a step does not grow, and nothing leaves the device. What is said there of other methods, of optimisers and
    of batch norms holds here too.

    Args:
        memory: examples at most; or a `Buffer`, as a pattern: each learner gets an empty one like it.
        batch_size: examples drawn in each step, at least 1.
        policy: what to keep, by its name or itself; of a `Buffer`, its own counts. All are offered the whole experience
            when it is over.

    Raises:
        InvalidInput: a value is out of its range.

    >>> AGEM(500, batch_size=64).batch_size
    64
    """

    memory: int | Buffer = 500
    batch_size: int = 256
    policy: str | Policy = "reservoir"

    def __post_init__(self) -> None:
        check_memory(self.memory, self.policy, self.batch_size)

    def start(self, course: Course) -> Hooks:
        memory = Rehearsal(self.memory, self.policy, self.batch_size, course)
        return Hooks(
            begin=memory.check,
            gradients=partial(_project, course, memory),
            end=memory.offer_all,
            state=memory.buffer.state,
            restore=memory.buffer.restore,
            settle=memory.buffer.settle,
            forget=memory.buffer.forget,
        )


def _project(course: Course, memory: Rehearsal, step: Step) -> None:  # noqa: ARG001
    sample = memory.drawn()
    if sample is not None:
        onto_half_space(own_gradient(course), gradient_on(course, sample.x, sample.y, sample.task))


class _Episodes:
    def __init__(self, gem: GEM, course: Course) -> None:
        self._gem, self._course = gem, course
        self._memories: list[Experience] = []

    def project(self, step: Step) -> None:  # noqa: ARG002
        references = [gradient_on(self._course, kept.x, kept.y, kept.task) for kept in self._memories if len(kept)]
        if references:
            onto_cone(own_gradient(self._course), references, self._gem.margin)

    def remember(self, experience: Experience) -> None:
        drawn = torch.randperm(len(experience), generator=self._course.generator)[: self._gem.each]
        self._memories.append(some_of(experience, drawn.tolist()))

    def forget(self, keys: Collection[str]) -> int:
        before = sum(map(len, self._memories))
        self._memories = [some_of(kept, staying(kept, keys)) for kept in self._memories]
        return before - sum(map(len, self._memories))

    def state(self) -> dict[str, Any]:
        return {"memories": [_told(kept) for kept in self._memories]}

    def restore(self, state: Mapping[str, Any]) -> None:
        here = self._course.device
        self._memories = [
            Experience(**{**kept, "x": kept["x"].to(here), "y": kept["y"].to(here)}) for kept in state["memories"]
        ]


def _told(kept: Experience) -> dict[str, Any]:
    return {"x": kept.x, "y": kept.y, "task": kept.task, "name": kept.name, "keys": kept.keys}


def own_gradient(course: Course) -> list[Tensor]:
    """The `.grad` of all trained parameters, themselves; zeros are put where there is none."""
    found = []
    for parameter in course.parameters().values():
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
        found.append(parameter.grad)
    return found


def gradient_on(course: Course, x: Tensor, y: Tensor, task: Tensor | int) -> list[Tensor]:
    """The gradient of the mean loss on examples, in the order of `Course.parameters`; no `.grad` is touched."""
    if len(x) == 1:  # the same mean of the same one twice: batch norm cannot work on one
        x, y = torch.cat([x, x]), torch.cat([y, y])
        task = torch.cat([task, task]) if isinstance(task, Tensor) else task
    scores = course.heads.scores(course.network(course.varied(x)), task)
    parameters = list(course.parameters().values())
    return list(torch.autograd.grad(course.loss(scores, y), parameters, materialize_grads=True))
