"""PackNet: tasks side by side in the weights of one network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._loop import batches
from onward.learners.continual._method import Course, Hooks, Step
from onward.learners.neural import Adam, above, at_least, share

from ._packed import MOST, PackedNetwork


@dataclass(frozen=True, slots=True)
class PackNet:
    """Give every task its own weights of one network (Mallya and Lazebnik 2018, arXiv:1711.05769).

    A task trains all weights that are free, with those of the tasks before it at work but fixed. Then the smallest of
    its weights, layer by layer, become 0 and are free again, and the rest is trained a little more. To predict, a task
    uses its own weights and those of the tasks before it, so that what it answers never changes: nothing is forgotten.
    Biases, norms and embeddings are the first task's; the output layer is each task's own, with all that is tied to it.

    The task must be known to predict: the scenario is "task". A task that comes again when others came after it gets
    weights anew. What other methods remember is not needed here.

    `ContinualLearner.serving` is a `PackedNetwork`, which says how much is free.

    Args:
        prune: share of its weights that a task gives back, 0..1; the authors take 0.5 to 0.75.
        retrain: steps after that, as a share of the task's own, at least 0.
        rate: their learning rate, with Adam, above 0.
        head: name of the output layer among the network's modules; "": the last linear or convolution layer.

    Raises:
        InvalidInput: a value is out of its range; at the start of a learner: another scenario, or no weights but those
            of the output layer; before an experience: no weight is free.

    >>> PackNet(prune=0.5).retrain
    0.5
    """

    prune: float = 0.75
    retrain: float = 0.5
    rate: float = 1e-3
    head: str = ""

    def __post_init__(self) -> None:
        share(prune=self.prune)
        at_least(0, retrain=self.retrain)
        above(rate=self.rate)

    def start(self, course: Course) -> Hooks:
        if course.heads.kind != "task":
            raise InvalidInput(
                f'PackNet cannot learn in the scenario "{course.heads.kind}".',
                why="Which weights answer depends on the task.",
                mend='Use scenario="task", or another method.',
            )
        packing = _Packing(self, course)
        return Hooks(
            begin=packing.begin,
            unmet=packing.unmet,
            recall=packing.recall,
            gradients=packing.gradients,
            stepped=packing.stepped,
            end=packing.end,
            serve=packing.serving,
            state=packing.state,
            restore=packing.restore,
        )


class _Packing:
    def __init__(self, settings: PackNet, course: Course) -> None:
        self._settings, self._course = settings, course
        self.packed = PackedNetwork(course.network, settings.head)
        self._norms = [m for m in course.network.modules() if getattr(m, "running_mean", None) is not None]
        shared = course.parameters().keys() - self.packed.masks.keys() - self.packed.head
        self._shared = [value for name, value in course.network.named_parameters() if name in shared]
        self._level = 0
        self._steps = 0
        self._held: _Held | None = None
        self._before = self._now()

    def begin(self, experience: Experience) -> None:
        packed, newest = self.packed, len(self.packed.heads)
        again = packed.levels.get(experience.task)
        level = newest if again and again == newest else newest + 1
        if level > MOST or not any(bool(self._open(mask, level).any()) for mask in packed.masks.values()):
            raise InvalidInput(
                f"No weight is free for task {experience.task}.",
                why=f"{newest} tasks have taken them all, or a mask's {MOST} numbers.",
                mend="Use a wider network, or a larger prune=.",
            )
        self._before = self._now()
        if again:
            self._put_head(packed.heads[again])
        self._enter(level)
        self._steps = 0

    def unmet(self) -> None:
        """Back to the task before, and to the head that the network had."""
        level, head = self._before
        self._put_head(head)
        self._enter(level)

    def _now(self) -> tuple[int, dict[str, Tensor]]:
        parameters = dict(self._course.network.named_parameters())
        return self._level, {name: parameters[name].detach().clone() for name in sorted(self.packed.head)}

    def _enter(self, level: int) -> None:
        self._level, self._held = level, None
        for value in self._shared:
            value.requires_grad_(level <= 1)

    @staticmethod
    def _open(mask: Tensor, level: int) -> Tensor:
        """Which weights a task may train: its own and the free."""
        return (mask == 0) | (mask == level)

    @torch.no_grad()
    def _put_head(self, values: Mapping[str, Tensor]) -> None:
        parameters = dict(self._course.network.named_parameters())
        for name, value in values.items():
            parameters[name].copy_(value)

    def recall(self, step: Step) -> None:  # noqa: ARG002
        """No example is recalled; this is where a step begins."""
        self._rest_norms()

    def _rest_norms(self) -> None:
        """They keep the statistics of the first task."""
        if self._level > 1:
            for norm in self._norms:
                norm.eval()

    def gradients(self, step: Step) -> None:  # noqa: ARG002
        if self._level > 1:
            if self._held is None:
                self._held = self._hold(self._open)
            self._held.still()

    def stepped(self, step: Step) -> None:
        self._steps = step.number + 1
        if self._held is not None:
            self._held.put_back()

    def _hold(self, of: Callable[[Tensor, int], Tensor]) -> _Held:
        parameters = dict(self._course.network.named_parameters())
        weights: list[Tensor] = [parameters[name] for name in self.packed.masks]
        return _Held(weights, [of(mask, self._level) for mask in self.packed.masks.values()])

    def end(self, experience: Experience) -> None:
        self._prune()
        self._retrain(experience)
        parameters = dict(self._course.network.named_parameters())
        self.packed.heads[self._level] = {name: parameters[name].detach().clone() for name in sorted(self.packed.head)}
        self.packed.levels[experience.task] = self._level
        self._held = None

    @torch.no_grad()
    def _prune(self) -> None:
        parameters = dict(self._course.network.named_parameters())
        for name, mask in self.packed.masks.items():
            own = self._open(mask, self._level).flatten().nonzero()[:, 0]
            sizes = parameters[name].flatten()[own].abs()
            gone = own[sizes.topk(round(self._settings.prune * len(own)), largest=False).indices]
            mask.view(-1)[own] = self._level
            mask.view(-1)[gone] = 0
            parameters[name].mul_(mask != 0)

    def _retrain(self, experience: Experience) -> None:
        """Steps with what was pruned, and what other tasks own, held fast."""
        course, settings = self._course, self._settings
        held = self._hold(torch.eq)
        optimizer = Adam(course.parameters().values(), lr=settings.rate)
        course.network.train()
        self._rest_norms()
        for rows in islice(self._rows(experience), round(settings.retrain * self._steps)):
            scores = course.heads.scores(course.network(course.varied(experience.x[rows])), experience.task)
            optimizer.zero_grad()
            course.loss(scores, experience.y[rows]).backward()
            held.still()
            optimizer.step()

    def _rows(self, experience: Experience) -> Iterator[Tensor]:
        """(b,) the rows of each batch, for ever."""
        while True:
            order = torch.randperm(len(experience), generator=self._course.generator)
            yield from batches(order.to(experience.x.device), self._course.batch_size)

    def serving(self) -> PackedNetwork:
        return self.packed

    def state(self) -> dict[str, Any]:
        packed = self.packed
        return {
            "masks": packed.masks,
            "levels": packed.levels,
            "heads": packed.heads,
            "level": self._level,
            "steps": self._steps,
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        packed = self.packed
        for name, mask in packed.masks.items():
            mask.copy_(state["masks"][name])
        packed.levels = dict(state["levels"])
        device = next(iter(packed.masks.values())).device
        packed.heads = {
            level: {name: value.to(device) for name, value in head.items()} for level, head in state["heads"].items()
        }
        self._enter(state["level"])
        self._steps = state["steps"]


class _Held:
    """Weights of which some must not move.

    Args:
        weights: all of them.
        loose: for each, which may move.
    """

    def __init__(self, weights: list[Tensor], loose: list[Tensor]) -> None:
        self._weights = weights
        self._loose: Any = [part.to(weight.dtype) for part, weight in zip(loose, weights, strict=True)]
        self._fixed: Any = [weight.detach() * ~part for weight, part in zip(weights, loose, strict=True)]

    def still(self) -> None:
        """No gradient where they must not move."""
        for weight, loose in zip(self._weights, self._loose, strict=True):
            if weight.grad is not None:
                weight.grad.mul_(loose)

    @torch.no_grad()
    def put_back(self) -> None:
        """As they were where momentum or decay moved them."""
        torch._foreach_mul_(self._weights, self._loose)
        torch._foreach_add_(self._weights, self._fixed)
