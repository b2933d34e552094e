"""The whole of it in two calls: set up an agent, and let it learn one task after the other."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from torch import nn

from onward.core import InvalidInput, NotFound
from onward.learners.neural import above, share, whole

from ._experience import Experience
from ._forgetting import ForgettingDetector
from ._learner import ContinualLearner
from ._method import Method
from ._trial import Attempt, Trial, ladder
from .methods._columns import ProgressiveNetwork
from .methods._ewc import EWC
from .methods._lwf import LearningWithoutForgetting
from .methods._progressive import Progressive
from .methods._replay import ExperienceReplay
from .scenarios import held_out
from .scenarios._arrays import examples_of, pair_of


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How learning a task ended.

    Args:
        agent_type: who learned it.
        task: what it is called.
        accepted: whether the agent knows it now; otherwise the agent is as it was.
        why: one sentence.
        attempts: the copies that learned it, the last one the one that was kept, if any.
    """

    agent_type: str
    task: str
    accepted: bool
    why: str
    attempts: tuple[Attempt, ...]

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "agent_type": self.agent_type,
            "task": self.task,
            "accepted": self.accepted,
            "why": self.why,
            "attempts": [one.to_dict() for one in self.attempts],
        }


@dataclass(slots=True)
class _Agent:
    """An agent: the network that it began with, how it learns, and what it is examined on."""

    began: nn.Module
    methods: tuple[Method, ...]
    settings: dict[str, Any]
    learner: ContinualLearner
    held: dict[str, Experience] = field(default_factory=dict)
    tasks: int = 0

    def copied(self, methods: Sequence[Method]) -> ContinualLearner:
        """A learner that knows what this one knows."""
        learner = ContinualLearner(copy.deepcopy(self.began), methods, **self.settings)
        learner.load_state_dict(self.learner.state_dict())
        return learner


class ContinualLearningManager:
    """Agents that learn new tasks and are held to the old ones.

    Of each task that an agent learns, a share of the examples is held out for good. A later task is learned by a copy;
    the copy takes the agent's place only if it is not worse on what was held out of every older task, see
    `ForgettingDetector`. Otherwise it is tried again with twice as much replay, then with four times as much, and at
    last the agent stays as it was.

    In the scenario "class" every new class is one more that an old example can be taken for; the margin has to bear
    that, too.

    One thread at a time may use a manager; `learner(...)` may serve while another task is learned.

    Args:
        margin: loss on an older task that is borne, in points of accuracy (0.05 is 5 points), or of the loss of real
            targets; at least 0.
        level: of the tests, above 0 and below 1.
        held_out: share of each task's examples, above 0 and below 1. To show that nothing was lost at the default
            margin and level takes 59 of them; of fewer it is enough that they lose no more than the margin.
        memory: examples that are kept for replay, at least 1.
        batch_size: new examples in a training step, at least 1.
        seed: of all that is drawn.

    Raises:
        InvalidInput: a value is out of its range.

    >>> import torch
    >>> _ = torch.manual_seed(0)
    >>> y = torch.arange(600) % 4
    >>> x = 6 * torch.eye(4)[y] + torch.randn(600, 4)
    >>> manager = ContinualLearningManager(batch_size=16)
    >>> learner = manager.setup_agent_continual_learning("support", nn.Linear(4, 4), rate=0.01)
    >>> for classes in (y < 2, y >= 2):
    ...     result = manager.learn_new_task("support", (x[classes], y[classes]), epochs=5)
    >>> result.accepted, result.attempts[-1].forgetting.forgotten
    (True, ())
    """

    def __init__(
        self,
        *,
        margin: float = 0.05,
        level: float = 0.05,
        held_out: float = 0.2,
        memory: int = 500,
        batch_size: int = 128,
        seed: int = 0,
    ) -> None:
        above(held_out=held_out)
        share(held_out=held_out)
        whole(1, memory=memory, batch_size=batch_size)
        whole(0, seed=seed)
        self.detector = ForgettingDetector(margin, level)
        self._held_out, self._memory, self._batch_size, self._seed = held_out, memory, batch_size, seed
        self._agents: dict[str, _Agent] = {}

    @property
    def agents(self) -> tuple[str, ...]:
        """Those that were set up."""
        return tuple(self._agents)

    def setup_agent_continual_learning(
        self, agent_type: str, model: nn.Module, methods: Sequence[Method] | None = None, **settings: Any
    ) -> ContinualLearner:
        """Let an agent learn continually from now on.

        Args:
            agent_type: what it is called from now on.
            model: its network, with an output for every class that may come; it is copied. With
                `progressive_neural_networks()` a Sequential, or a `ProgressiveNetwork`.
            methods: how not to forget; `memory_replay()` where left out.
            settings: of `ContinualLearner`, by name: `scenario`, `loss`, `rate`, ... The scenario is "class" where left
                out; "task" with progressive networks, and "domain" with `loss="mse"`.

        Returns:
            Its learner as it is now.

        Raises:
            InvalidInput: there is one called so, or a setting cannot be used.
        """
        if agent_type in self._agents:
            raise InvalidInput(f"There is an agent {agent_type!r} already.", mend="Choose another name.")
        chosen = (self.memory_replay(),) if methods is None else tuple(methods)
        grows = any(isinstance(method, Progressive) for method in chosen)
        usual = "task" if grows else "domain" if settings.get("loss") == "mse" else "class"
        settings = {"scenario": usual, "batch_size": self._batch_size, "seed": self._seed, **settings}
        began = copy.deepcopy(model)
        if grows and not isinstance(began, ProgressiveNetwork):
            began = ProgressiveNetwork(began)
        learner = ContinualLearner(copy.deepcopy(began), chosen, **settings)
        self._agents[agent_type] = _Agent(began, chosen, settings, learner)
        return learner

    def learner(self, agent_type: str) -> ContinualLearner:
        """The learner in service: it predicts, and saves itself.

        Raises:
            NotFound: no agent is called so.
        """
        return self._agent(agent_type).learner

    def learn_new_task(
        self,
        agent_type: str,
        new_task_data: Experience | tuple[Any, Any],
        preserve_performance: bool = True,
        **training: Any,
    ) -> TaskResult:
        """Let an agent learn a task.

        Args:
            agent_type: who.
            new_task_data: an experience; or arrays (x, y), which become the next task, with classes by number.
            preserve_performance: keep it only if no older task suffers; otherwise keep it whatever it costs, and say
                what it cost.
            training: arguments of `ContinualLearner.learn`: `epochs`, `steps`, `budget`, `progress`.

        Returns:
            Whether it was kept, and what was tried. An agent whose training fails or is interrupted is as it was.

        Raises:
            NotFound: no agent is called so.
            InvalidInput: the data do not fit the agent, or are too few to hold any out.
        """
        agent = self._agent(agent_type)
        experience = self._experience(agent, new_task_data)
        lesson, asked = held_out(experience, self._held_out, self._seed)
        trial = Trial(agent.copied, self.detector, dict(agent.held))
        tried = ladder(agent.methods, agent.settings["batch_size"]) if preserve_performance else [agent.methods]
        attempts: list[Attempt] = []
        for methods in tried:
            attempt, learner = trial.attempt(methods, lesson, asked, training)
            attempts.append(attempt)
            if attempt.passed or not preserve_performance:
                agent.learner, agent.tasks = learner, agent.tasks + 1
                agent.held[_unused(experience.name, agent.held)] = asked
                return TaskResult(agent_type, experience.name, True, _told(attempts), tuple(attempts))
        return TaskResult(agent_type, experience.name, False, _told(attempts), tuple(attempts))

    def elastic_weight_consolidation(self, strength: float = 100.0, **settings: Any) -> EWC:
        """A method for `setup_agent_continual_learning`: see `EWC` for its settings."""
        return EWC(strength, **settings)

    def progressive_neural_networks(self) -> Progressive:
        """A method for `setup_agent_continual_learning`: a column for every task, see `Progressive`."""
        return Progressive()

    def memory_replay(self, replay_ratio: float = 0.2, **settings: Any) -> ExperienceReplay:
        """A method for `setup_agent_continual_learning`.

        Args:
            replay_ratio: share of the examples of a training step that are old ones, above 0 and below 1; each counts
                as much as a new one.
            settings: of `ExperienceReplay`.

        Raises:
            InvalidInput: a value is out of its range.

        >>> ContinualLearningManager().memory_replay(replay_ratio=0.2).batch_size
        32
        """
        above(replay_ratio=replay_ratio, new_ratio=1 - replay_ratio)
        old = max(1, round(self._batch_size * replay_ratio / (1 - replay_ratio)))
        return ExperienceReplay(**{"memory": self._memory, "batch_size": old, "weight": "examples", **settings})

    def knowledge_distillation_continual(
        self, temperature: float = 3.0, alpha: float | None = 0.7
    ) -> LearningWithoutForgetting:
        """A method for `setup_agent_continual_learning`: see `LearningWithoutForgetting`."""
        return LearningWithoutForgetting(temperature, alpha)

    def _agent(self, agent_type: str) -> _Agent:
        if agent_type not in self._agents:
            raise NotFound(
                f"There is no agent {agent_type!r}.",
                mend="Set it up with setup_agent_continual_learning.",
                options=self._agents,
            )
        return self._agents[agent_type]

    def _experience(self, agent: _Agent, data: Experience | tuple[Any, Any]) -> Experience:
        if isinstance(data, Experience):
            return replace(data, name=data.name or f"task {data.task}")
        found = examples_of(
            *pair_of(data, "Give a pair (x, y), or an Experience."), None, None, agent.learner.device, numbered=True
        )
        return Experience(found.x, found.y, agent.tasks, f"task {agent.tasks}")


def _unused(name: str, taken: dict[str, Experience]) -> str:
    """The name, with a number if there is one already."""
    numbered = (f"{name} ({number})" for number in range(2, len(taken) + 2))
    return next(one for one in (name, *numbered) if one not in taken)


def _told(attempts: Sequence[Attempt]) -> str:
    report = attempts[-1].forgetting
    if report is None:
        return "It is the first task."
    worst = max(report.findings, key=lambda one: one.loss)
    lost = f"{worst.task} lost {worst.loss:.3g}, {report.margin:g} is borne"
    if attempts[-1].passed:
        return f"No older task suffers: {lost} ({len(attempts)} tried)."
    return f"Older tasks are not surely kept: {lost} ({len(attempts)} tried)."
