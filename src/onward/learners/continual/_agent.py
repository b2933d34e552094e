"""An agent of a manager: how it learns, what it is examined on, and how both are kept."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from onward.learners.neural import put_together, refuse_foreign, taken_apart, text

from ._held import HeldOut, held_again
from ._learner import ContinualLearner
from ._method import Method
from ._trial import ladder


@dataclass(frozen=True, slots=True)
class AgentCard:
    """What is kept of an agent, its tensors apart.

    Args:
        methods: those that it was set up with, as text; its learner may have come to replay more.
        learner: how that learns, see `ContinualLearner.describe`.
        state: of the learner.
        held: what it is examined on, and the best that it was there.
        names: see `Agent`.
    """

    methods: str
    learner: dict[str, str]
    state: Any
    held: Any
    names: list[str]


@dataclass(slots=True)
class Agent:
    """One that learns task after task.

    Args:
        began: the network that it began with.
        methods: how it does not forget; each attempt at a task begins with them.
        settings: of `ContinualLearner`, by name.
        learner: the one in service.
        held: task -> what it is examined on.
        names: of the tasks that it was given, learned or refused.
    """

    began: nn.Module
    methods: tuple[Method, ...]
    settings: dict[str, Any]
    learner: ContinualLearner
    held: dict[str, HeldOut] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    @property
    def given(self) -> int:
        """How many tasks it was given."""
        return len(self.names)

    def copied(self, methods: Sequence[Method]) -> ContinualLearner:
        """A learner that knows what the one in service knows."""
        learner = self._untaught(methods)
        learner.load_state_dict(self.learner.state_dict())
        return learner

    def _untaught(self, methods: Sequence[Method]) -> ContinualLearner:
        return ContinualLearner(copy.deepcopy(self.began), methods, **self.settings)

    def forget(self, keys: frozenset[str]) -> int:
        """Drop examples, kept or held out; how many. A task of which nothing is held out is examined no more."""
        dropped = self.learner.forget(keys)
        for name, one in list(self.held.items()):
            left = one.without(keys)
            dropped += len(one.asked) - (0 if left is None else len(left.asked))
            if left is None:
                del self.held[name]
            else:
                self.held[name] = left
        return dropped

    def card(self, place: str, tensors: dict[str, Tensor]) -> AgentCard:
        """What it takes to go on.

        Args:
            place: what names of tensors begin with.
            tensors: they are added here.
        """
        state = taken_apart(self.learner.state_dict(), f"{place}/state", tensors)
        held = taken_apart({name: one.told() for name, one in self.held.items()}, f"{place}/held", tensors)
        return AgentCard(text(self.methods), self.learner.describe(), state, held, list(self.names))

    def settle(self) -> None:
        """What `card` gave last is durable."""
        self.learner._settle()  # noqa: SLF001 - as its own `save` does

    def resumed(self, card: AgentCard, tensors: Mapping[str, Tensor], folder: Path) -> Agent:
        """One that was set up as this one is, and knows what was kept.

        Args:
            folder: where it was kept.

        Raises:
            InvalidInput: it was set up otherwise.
        """
        refuse_foreign({"methods": card.methods}, {"methods": text(self.methods)}, folder)
        tried = ladder(self.methods, self.settings["batch_size"])
        methods = next((one for one in tried if text(one) == card.learner["methods"]), self.methods)
        learner = self._untaught(methods)
        refuse_foreign(card.learner, learner.describe(), folder)
        learner.load_state_dict(put_together(card.state, tensors))
        found = put_together(card.held, tensors)
        held = {name: held_again(one, learner.device) for name, one in found.items()}
        return replace(self, learner=learner, held=held, names=list(card.names))
