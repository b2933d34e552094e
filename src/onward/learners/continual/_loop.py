"""The training loop: indices into tensors, no loader, no per-example Python; every method hooks into it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import isfinite
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import seed_of_torch

from ._checks import answered, is_classes
from ._experience import Experience
from ._losses import loss_on
from ._method import NOTHING, Course, Hooks, Step

LOOK: Final = 64
"""Steps between looks at the clock and at whether the loss is still a number."""


@dataclass(slots=True)
class Standing:
    """Where the learning of one experience stands.

    Args:
        step: steps done.
        losses, accuracies: means over the batches of each epoch that is over.
        sums: of the epoch under way: loss, examples right; on the device.
        seen: examples of the epoch under way.
    """

    step: int = 0
    losses: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    sums: list[Tensor] = field(default_factory=list)
    seen: int = 0

    @property
    def told(self) -> str:
        """The latest figures, for people."""
        if not self.losses:
            return ""
        accuracy = f", accuracy {self.accuracies[-1]:.3f}" if self.accuracies else ""
        return f"loss {self.losses[-1]:.3f}{accuracy}"


@dataclass(frozen=True, slots=True)
class Plan:
    """How long to learn.

    Args:
        steps: in all.
        epoch: steps of one pass over the examples.
        seed: of the order of the examples.
    """

    steps: int
    epoch: int
    seed: int

    def order(self, count: int, epoch: int) -> Tensor:
        """(count,) the order of the examples in an epoch: that of its number, whenever it is asked for."""
        generator = torch.Generator().manual_seed(seed_of_torch(self.seed * 1_000_003 + epoch))
        return torch.randperm(count, generator=generator)


@dataclass(frozen=True, slots=True, eq=False)
class Training:
    """One experience being learned.

    Args:
        experience: what the steps are taken on.
        identity: what it must be again for a checkpoint to go on.
        folder: for checkpoints, or `None`.
        over: whether nothing is left to do.
    """

    experience: Experience
    plan: Plan
    at: Standing
    identity: dict[str, str]
    folder: Path | None
    over: bool = False

    def state(self, device: torch.device) -> dict[str, Any]:
        """What it takes to go on: where it stands, and what dropout draws next."""
        standing = {name: getattr(self.at, name) for name in ("step", "losses", "accuracies", "sums", "seen")}
        random = [torch.get_rng_state()]
        if device.type == "cuda":
            random.append(torch.cuda.get_rng_state(device))
        return {"identity": self.identity, "standing": standing, "random": random}


def draw_again(random: Sequence[Tensor], device: torch.device) -> None:
    """Put the global generators where `Training.state` found them."""
    torch.set_rng_state(random[0].cpu())
    if device.type == "cuda" and len(random) > 1:
        torch.cuda.set_rng_state(random[1].cpu(), device)


def batches(order: Tensor, size: int) -> list[Tensor]:
    """Rows in batches; one that would be left alone goes with those before it, as batch norm cannot work on one.

    >>> [len(batch) for batch in batches(torch.arange(9), 4)]
    [4, 5]
    """
    parts = list(order.split(size))
    if size > 1 and len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


class Loop:
    """The loop over the batches of one experience.

    Args:
        watch: called now and then with the standing; says whether to stop.
        reached: called after every step, e.g. to keep a checkpoint.
    """

    def __init__(
        self,
        course: Course,
        hooks: Sequence[Hooks],
        optimizer: torch.optim.Optimizer,
        experience: Experience,
        plan: Plan,
    ) -> None:
        self._course, self._optimizer, self._experience, self._plan = course, optimizer, experience, plan
        self._recall = [(hook.recall, hook.objective) for hook in hooks if hook.recall]
        self._objective = [hook.objective for hook in hooks if hook.objective and not hook.recall]
        self._adjust = [hook.adjust for hook in hooks if hook.adjust]
        self._weight = [hook.weight for hook in hooks if hook.weight]
        looks = [hook.measure for hook in hooks if hook.measure]
        self._gradients = looks + [hook.gradients for hook in hooks if hook.gradients]
        self._stepped = [hook.stepped for hook in hooks if hook.stepped]

    def run(self, at: Standing, watch: Callable[[Standing], bool], reached: Callable[[Standing], None]) -> bool:
        """Step until the plan is done or `watch` says stop; whether it is done."""
        device = self._experience.x.device
        at.sums = [total.to(device) for total in at.sums] or [torch.zeros((), device=device) for _ in range(2)]
        self._course.network.train()
        for index in self._batches(at.step):
            step = self._step(index, at.step)
            at.step += 1
            at.seen += len(index)
            at.sums[0].add_(step.loss.detach() * len(index))
            if is_classes(step.y):
                at.sums[1].add_((step.scores.detach().argmax(1) == step.y).sum())
            over = at.step % self._plan.epoch == 0 or at.step == self._plan.steps
            if over:
                self._conclude(at)
            reached(at)
            if (over or at.step % LOOK == 0) and self._stop(at, watch):
                return at.step == self._plan.steps
        return True

    def _batches(self, done: int) -> Iterator[Tensor]:
        """The rows of each batch from step `done` on."""
        count, size = len(self._experience), self._course.batch_size
        device = self._experience.x.device
        while done < self._plan.steps:
            order = self._plan.order(count, done // self._plan.epoch).to(device)
            for index in batches(order, size)[done % self._plan.epoch :]:
                if done == self._plan.steps:
                    return
                yield index
                done += 1

    def _step(self, index: Tensor, number: int) -> Step:
        experience = self._experience
        x, y = experience.x.index_select(0, index), experience.y.index_select(0, index)
        step = Step(experience, number, index, x, y, NOTHING, NOTHING, NOTHING)
        total = self._total(step)
        self._optimizer.zero_grad()
        total.backward()
        for change in self._gradients:
            change(step)
        self._optimizer.step()
        for after in self._stepped:
            after(step)
        return step

    def _total(self, step: Step) -> Tensor:
        """What is to become small: the loss of the batch and what the methods add."""
        course = self._course
        asked = [(recall(step), objective) for recall, objective in self._recall]
        parts = [step.x, *(more for more, _ in asked if more is not None and len(more))]
        inputs = course.varied(parts[0] if len(parts) == 1 else torch.cat(parts))
        outputs = answered(course.network, inputs)
        sizes = [len(part) for part in parts]
        given = list(inputs.split(sizes)) if len(parts) > 1 else [inputs]
        said = list(outputs.split(sizes)) if len(parts) > 1 else [outputs]
        step.inputs, step.outputs = given.pop(0), said.pop(0)
        step.scores = course.heads.scores(step.outputs, step.task)
        total = step.loss = loss_on(course.loss, step.scores, step.y)
        if self._adjust:
            total = self._adjusted(step)
        for weight in self._weight:
            total = total * weight(step)
        for more, objective in asked:
            answer = None
            if more is not None and len(more):
                step.recalled, answer = given.pop(0), said.pop(0)
            total = _plus(total, objective, step, answer)
        for objective in self._objective:
            total = _plus(total, objective, step, None)
        return total

    def _adjusted(self, step: Step) -> Tensor:
        """The loss of the batch, of the scores as the methods want them for it."""
        scores = step.scores
        for adjust in self._adjust:
            scores = adjust(scores)
        return step.loss if scores is step.scores else self._course.loss(scores, step.y)

    def _conclude(self, at: Standing) -> None:
        """An epoch is over."""
        loss, right = (float(total) / at.seen for total in at.sums)
        at.losses.append(loss)
        if is_classes(self._experience.y):
            at.accuracies.append(right)
        at.seen = 0
        for total in at.sums:
            total.zero_()

    def _stop(self, at: Standing, watch: Callable[[Standing], bool]) -> bool:
        latest = at.losses[-1] if at.seen == 0 else float(at.sums[0])
        if not isfinite(latest):
            refuse_diverged(self._course, at.step)
            if self._course.heads.leaves_out:
                raise InvalidInput(
                    f"The loss is no number by step {at.step}, though all parameters are.",
                    why="The scores of classes that do not count are -inf: a loss must not average over them.",
                    mend='Give a loss without label smoothing and the like, or take scenario="domain".',
                )
            raise _diverged(self._course, at.step, "Its loss is no longer a number.")
        return watch(at)


def refuse_diverged(course: Course, step: int) -> None:
    """Say where what is trained is no longer made of numbers.

    Raises:
        InvalidInput: it is not.
    """
    if not all(bool(value.isfinite().all()) for value in course.parameters().values()):
        raise _diverged(course, step, "Its parameters are no longer numbers.")


def _diverged(course: Course, step: int, why: str) -> InvalidInput:
    return InvalidInput(
        f"The learning of experience {course.learned} diverged by step {step}.",
        why=why,
        mend="Lower the rate or the strength of the methods, and begin again from a state before.",
    )


def _plus(total: Tensor, objective: Any, step: Step, answer: Tensor | None) -> Tensor:
    more = None if objective is None else objective(step, answer)
    return total if more is None else total + more


def clock(budget: float | None) -> Callable[[], bool]:
    """Whether the budget, in seconds from now, is spent."""
    end = float("inf") if budget is None else time.monotonic() + budget
    return lambda: time.monotonic() >= end
