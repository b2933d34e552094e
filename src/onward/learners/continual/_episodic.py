"""A memory of episodes for a model that is trained elsewhere: it keeps what its importance strategy picks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.neural import seed_of_torch, whole

from ._checks import asked, check_experience, check_functions, check_network, check_targets
from ._experience import Experience
from ._heads import Heads
from ._losses import loss_of
from ._method import Course, Prepare, unchanged
from .memory import Buffer, By, Policy, Sample, Scored, merits_for, policy_of


class EpisodicMemorySystem:
    """Remembers what is worth it of all that it is shown.

    For training loops of one's own; `ContinualLearner` with `ExperienceReplay` has such a memory inside. The model is
    only looked at, never trained.

    Args:
        model: any torch module that takes (n, ...) inputs and gives (n, C) scores or (n, ...) values.
        memory_size: examples at most.
        importance_strategy: "gradient_magnitude", "uncertainty", "random", "herding", "reservoir", "ring",
            "class_balanced"; or a policy with settings of its own. All but "reservoir" divide the memory between the
            classes met so far, or tasks.
        prepare: makes inputs of examples; they are kept as they are given.
        seed: of all that is drawn.

    Raises:
        InvalidInput: the size is below 1, no strategy is called so, or something else is not what it should be.

    >>> _ = torch.manual_seed(0)
    >>> memory = EpisodicMemorySystem(nn.Linear(2, 3), 6, "uncertainty")
    >>> memory.update_memory(torch.randn(90, 2), torch.arange(90) % 3)
    6
    >>> memory.counts(), sorted(memory.get_representative_samples(3).y.tolist())
    ({0: 2, 1: 2, 2: 2}, [0, 1, 2])
    """

    def __init__(
        self,
        model: nn.Module,
        memory_size: int = 500,
        importance_strategy: str | Policy = "gradient_magnitude",
        *,
        prepare: Prepare = unchanged,
        seed: int = 0,
    ) -> None:
        check_network(model)
        check_functions(prepare=prepare)
        whole(1, memory_size=memory_size)
        whole(0, seed=seed)
        generator = torch.Generator().manual_seed(seed_of_torch(seed))
        self.model = model
        self._course = Course(model, loss_of("mse"), Heads("domain"), prepare, generator, batch_size=1)
        self._device = next((parameter.device for parameter in model.parameters()), torch.device("cpu"))
        self.memory = Buffer(memory_size, policy_of(importance_strategy), device=self._device)

    def __len__(self) -> int:
        return len(self.memory)

    def update_memory(self, x: Tensor, y: Tensor, task: int = 0, keys: Sequence[str] | None = None) -> int:
        """Show it examples, e.g. all of a task that was just learned; how many of them it keeps.

        Args:
            x: (n, ...), on the model's device.
            y: (n,) classes from 0, or (n, ...) real targets, which are divided by tasks.
            task: that they belong to.
            keys: a text for each by which it can be forgotten.

        Raises:
            InvalidInput: there are none, they hold NaN or infinity, or do not fit what is there.
        """
        experience = Experience(x, y, task, keys=keys)
        check_experience(experience, self._device)
        x, y = experience.x, experience.y
        if isinstance(self.memory.policy, Scored):
            outputs = asked(self._course, self.model, x[:2])
            check_targets(outputs[:1], y, "mse" if y.is_floating_point() else "cross_entropy")
        merit = merits_for(self.memory, self.model, self._course.outputs, x, y)
        return self.memory.add(x, y, task, self._course.generator, keys=keys, merit=merit, check=False)

    def get_representative_samples(self, count: int, balanced: By | None = "class") -> Sample:
        """Different examples at random, so many or all there are.

        Args:
            balanced: "class" or "task": of each as many as of the others, as far as they go; `None`: as they lie.

        Raises:
            InvalidInput: nothing was remembered yet.
        """
        return self.memory.sample(count, self._course.generator, balanced)

    def counts(self, by: By = "class") -> dict[int, int]:
        """How many it holds of each "class" or "task"."""
        return self.memory.counts(by)

    def forget(self, keys: Collection[str]) -> int:
        """Drop the examples with these keys and overwrite them; how many there were.

        Raises:
            InvalidInput: it is one text, whose letters would be taken for keys; or one of them is no text.
        """
        return self.memory.forget(keys)

    def state_dict(self) -> dict[str, Any]:
        """All that it takes to go on bit for bit, but the model: a copy."""
        return {"memory": self.memory.state(), "generator": self._course.generator.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        Raises:
            InvalidInput: it is of another memory.
        """
        given: Any = state
        if not isinstance(given, Mapping) or set(given) != {"memory", "generator"}:
            said = f"it has {', '.join(map(repr, given)) or 'nothing'}" if isinstance(given, Mapping) else repr(given)
            raise _no_state(said)
        try:
            drawn = torch.Generator().set_state(given["generator"].cpu()).get_state()
            self.memory.restore(given["memory"])
        except torch.OutOfMemoryError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise _no_state(repr(error)) from error
        self._course.generator.set_state(drawn)


def _no_state(said: str) -> InvalidInput:
    return InvalidInput(f"This is no state of a memory: {said}.", mend="Give what `state_dict()` returned.")
