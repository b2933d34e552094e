"""What a method of continual learning is: hooks into one training loop, and a state that goes with the model."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from onward.core import InvalidInput

from ._experience import Experience
from ._heads import Heads
from ._losses import LossFunction

Prepare = Callable[[Tensor], Tensor]
"""(n, ...) examples as they are kept -> (n, ...) inputs of the network."""
MANY: Final = 1024
NOTHING: Final = torch.empty(0)


def unchanged(x: Tensor) -> Tensor:
    """Examples that are inputs already."""
    return x


@dataclass(slots=True, eq=False)
class Course:
    """What all methods of a learner share, for the life of the learner.

    Args:
        network: in training mode while hooks of a step run.
        loss: of (n, C) scores, see `Heads.scores`.
        prepare: makes inputs of examples; methods keep the examples as they are.
        augment: varies examples before that, where they are learned from.
        generator: all random choices of methods come from it; on the CPU.
        learned: experiences finished.
    """

    network: nn.Module
    loss: LossFunction
    heads: Heads
    prepare: Prepare
    generator: torch.Generator
    batch_size: int
    augment: Prepare = unchanged
    learned: int = 0

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next((value.device for value in self.network.parameters()), torch.device("cpu"))

    def parameters(self) -> dict[str, nn.Parameter]:
        """Those that are trained, by name."""
        return {name: value for name, value in self.network.named_parameters() if value.requires_grad}

    def varied(self, x: Tensor) -> Tensor:
        """(n, ...) inputs of (n, ...) examples that are learned from."""
        return self.prepare(self.augmented(x))

    def augmented(self, x: Tensor) -> Tensor:
        """(n, ...) variations of (n, ...) examples.

        Raises:
            InvalidInput: they are no tensor, or more or fewer.
        """
        if self.augment is unchanged:
            return x
        found: Any = self.augment(x.clone())  # it may write into what it is given
        if not isinstance(found, Tensor) or len(found) != len(x):
            said = f"{len(found)} examples" if isinstance(found, Tensor) else type(found).__name__
            raise InvalidInput(f"augment= makes {said} of {len(x)}.", mend="Let it return a variation of each.")
        return found

    def outputs(self, x: Tensor, network: nn.Module | None = None, task: Tensor | int | None = None) -> Tensor:
        """(n, C) raw outputs of (n, ...) examples in evaluation mode, without gradients.

        Args:
            network: another than that of the course.
            task: (n,) task of each example, or of all; a network that says `by_task = True` is called with it. In a
                training step such a network is called without, and answers for the task that is learned.
        """
        network = self.network if network is None else network
        both = dict.fromkeys((*self.network.modules(), *network.modules()))  # `prepare` may ask the course's network
        training = [(module, module.training) for module in both]
        self.network.eval()
        network.eval()
        try:
            with torch.no_grad():
                if getattr(network, "by_task", False):
                    tasks = task.split(MANY) if isinstance(task, Tensor) else repeat(task)
                    parts = [network(self.prepare(part), of) for part, of in zip(x.split(MANY), tasks, strict=False)]
                else:
                    parts = [network(self.prepare(part)) for part in x.split(MANY)]
        finally:
            for module, mode in training:
                module.training = mode
        return torch.cat(parts)


@dataclass(slots=True, eq=False)
class Step:
    """One training step, filled in as it goes.

    Args:
        experience: what is learned from.
        number: within the experience, from 0.
        index: (b,) rows of the experience.
        x, y: (b, ...) the batch, as it is kept.
        outputs: (b, C) raw outputs, from `objective` on.
        scores: the same through the heads.
        loss: of the batch alone.
        inputs: (b, ...) the batch as the network was given it, so that another network can be asked the same.
        recalled: (m, ...) the same of what `recall` gave, for the objective beside it.
    """

    experience: Experience
    number: int
    index: Tensor
    x: Tensor
    y: Tensor
    outputs: Tensor
    scores: Tensor
    loss: Tensor
    inputs: Tensor = NOTHING
    recalled: Tensor = NOTHING

    @property
    def task(self) -> int:
        """That of the experience."""
        return self.experience.task


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a method does; every hook may be left out.

    Args:
        begin: before the first step, and before the heads meet the experience; not again after an interruption.
        unmet: go back to before `begin`: the experience was refused before its first step.
        material: what to take the steps on instead; it changes nothing.
        recall: more examples (m, ...) to send through the network together with the batch.
        objective: what to add to the loss, given the raw outputs (m, C) of what `recall` gave.
        adjust: (b, C) scores of the batch -> those whose loss is to become small.
        weight: factor of the batch's own loss in this step; the factors of all methods are multiplied.
        measure: after the backward pass and before any method changes a gradient; it looks only.
        gradients: after the backward pass, change `.grad` in place.
        stepped: after the optimiser's step.
        end: after the last step of an experience.
        instead: learn in closed form instead of in steps; only one method of a learner may.
        serve: the network that predicts, where it is not that of the course.
        state, restore: what it takes to go on bit for bit; `restore` comes before the network's weights are put back.
        settle: what `state` gave last is durable: what only states before it needed may go.
        forget: drop what is kept of the examples with these keys; how many.
    """

    begin: Callable[[Experience], None] | None = None
    unmet: Callable[[], None] | None = None
    material: Callable[[Experience], Experience] | None = None
    recall: Callable[[Step], Tensor | None] | None = None
    objective: Callable[[Step, Tensor | None], Tensor | None] | None = None
    adjust: Callable[[Tensor], Tensor] | None = None
    weight: Callable[[Step], float] | None = None
    measure: Callable[[Step], None] | None = None
    gradients: Callable[[Step], None] | None = None
    stepped: Callable[[Step], None] | None = None
    end: Callable[[Experience], None] | None = None
    instead: Callable[[Experience], None] | None = None
    serve: Callable[[], nn.Module] | None = None
    state: Callable[[], dict[str, Any]] | None = None
    restore: Callable[[Mapping[str, Any]], None] | None = None
    settle: Callable[[], None] | None = None
    forget: Callable[[Collection[str]], int] | None = None


class Method(Protocol):
    """A way not to forget: settings, that is. What it remembers lives in the hooks.

    A method draws all random numbers from the course's generator and keeps no tensors that are not in its state.
    """

    def start(self, course: Course) -> Hooks:
        """The hooks of a new learner."""
        ...
