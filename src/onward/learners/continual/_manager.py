"""The whole of it in two calls: set up an agent, and let it learn one task after the other."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Final

from torch import Tensor, nn

from onward.core import InvalidInput, NotFound
from onward.learners.neural import above, folder_of, is_kept, keep, kept, plain_number, refuse_foreign, share, whole

from ._agent import Agent, AgentCard
from ._checks import keys_of, methods_of
from ._experience import Experience
from ._forgetting import ForgettingDetector, check_outcomes, outcomes
from ._held import HeldOut
from ._learner import ContinualLearner
from ._method import Method
from ._trial import Attempt, Trial, ladder, not_borne
from .methods._columns import ProgressiveNetwork
from .methods._ewc import EWC
from .methods._lwf import LearningWithoutForgetting
from .methods._progressive import Progressive
from .methods._replay import ExperienceReplay
from .scenarios import held_out
from .scenarios._arrays import examples_of, pair_of

RECORD: Final = "manager"


@dataclass(frozen=True, slots=True)
class TaskResult:
    """How learning a task ended.

    Args:
        agent_type: who learned it.
        task: what it is called, with a number where an older one is called so.
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


@dataclass(frozen=True, slots=True)
class ManagerCard:
    """What is kept of a manager, tensors apart.

    Args:
        settings: what decides how it examines, as texts.
        agents: by their names.
    """

    settings: dict[str, str]
    agents: dict[str, AgentCard]


class ContinualLearningManager:
    """Agents that learn new tasks and are held to the old ones.

    Of each task that an agent learns, a share of the examples is held out for good. A later task is learned by a copy;
    the copy takes the agent's place only if it is not worse on what was held out of every older task, see
    `ForgettingDetector`: not worse than the agent as it is, and not worse than the agent when it was best at that task,
    so that small losses do not add up. Otherwise it is tried again with twice as much replay, then with four times as
    much, and at last the agent stays as it was.

    In the scenario "class" every new class is one more that an old example can be taken for; the margin has to bear
    that, too, for all classes that come after the best.

    `save` and `resume` keep all agents in a folder, with what they are examined on. One thread at a time may use a
    manager; `learner(...)` may serve while another task is learned. Where an agent's buffer lies in files, hold on to
    no learner that was replaced: only one may write there.

    Args:
        margin: loss on an older task that is borne, however many tasks come after it: in points of accuracy (0.05 is 5
            points), or, of targets that are not one class for each example, of the agent's own `loss`; at least 0.
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
        self._agents: dict[str, Agent] = {}

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
        given: Any = agent_type
        if not isinstance(given, str):
            raise InvalidInput(f"The agent is called {given!r}.", mend="Give its name as a text.")
        if agent_type in self._agents:
            raise InvalidInput(f"There is an agent {agent_type!r} already.", mend="Choose another name.")
        settings = {"batch_size": self._batch_size, "seed": self._seed, **settings}
        chosen = (self._replay(settings["batch_size"]),) if methods is None else methods_of(methods)
        grows = any(isinstance(method, Progressive) for method in chosen)
        usual = "task" if grows else "domain" if settings.get("loss") == "mse" else "class"
        settings = {"scenario": usual, **settings}
        began = copy.deepcopy(model)
        if grows and not isinstance(began, ProgressiveNetwork):
            began = ProgressiveNetwork(began)
        learner = ContinualLearner(copy.deepcopy(began), chosen, **settings)
        self._agents[agent_type] = Agent(began, chosen, settings, learner)
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
            new_task_data: an experience; or arrays (x, y), which become the next task, with classes by number. Tasks
                that were refused are counted: where all come as arrays, "task 2" is the third, and has the number 2.
            preserve_performance: keep it only if no older task suffers; otherwise keep it whatever it costs, and say
                what it cost. Then that loss was accepted: a task that would have spoken against it is from now on held
                to what is left of it; of the others the best stays the best.
            training: arguments of `ContinualLearner.learn`: `epochs`, `steps`, `budget`, `progress`.

        Returns:
            Whether it was kept, and what was tried. An agent whose training fails or is interrupted is as it was.

        Raises:
            NotFound: no agent is called so.
            InvalidInput: the data do not fit the agent, or are too few to hold any out; or they are no classes, and the
                agent's loss says nothing of an example alone.
        """
        agent = self._agent(agent_type)
        experience = self._experience(agent, new_task_data)
        check_outcomes(agent.learner, experience)
        lesson, asked = held_out(experience, self._held_out, self._seed)
        name = _unused(experience.name, agent.held)
        trial = Trial(agent.copied, self.detector, dict(agent.held))
        tried = ladder(agent.methods, agent.settings["batch_size"]) if preserve_performance else [agent.methods]
        attempts: list[Attempt] = []
        for methods in tried:
            candidate = trial.attempt(methods, lesson, asked, training)
            attempts.append(candidate.attempt)
            if candidate.attempt.passed or not preserve_performance:
                own = {name: HeldOut(asked, outcomes(candidate.learner, asked))}
                agent.learner, agent.held = candidate.learner, candidate.held | own
                agent.names.append(experience.name)
                return TaskResult(agent_type, name, True, _told(attempts), tuple(attempts))
        agent.names.append(experience.name)
        return TaskResult(agent_type, name, False, _told(attempts), tuple(attempts))

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
                as much as a new one. The step is one with the manager's `batch_size`; an agent with its own that is
                set up without methods replays the default share of that.
            settings: of `ExperienceReplay`.

        Raises:
            InvalidInput: a value is out of its range.

        >>> ContinualLearningManager().memory_replay(replay_ratio=0.2).batch_size
        32
        """
        return self._replay(self._batch_size, replay_ratio, **settings)

    def _replay(self, batch_size: int, replay_ratio: float = 0.2, **settings: Any) -> ExperienceReplay:
        above(replay_ratio=replay_ratio)
        if replay_ratio >= 1:
            raise InvalidInput(f"replay_ratio is {replay_ratio!r}.", mend="Give a number above 0 and below 1.")
        whole(1, batch_size=batch_size)
        old = max(1, round(batch_size * replay_ratio / (1 - replay_ratio)))
        return ExperienceReplay(**{"memory": self._memory, "batch_size": old, "weight": "examples", **settings})

    def knowledge_distillation_continual(
        self, temperature: float = 3.0, alpha: float | None = 0.7
    ) -> LearningWithoutForgetting:
        """A method for `setup_agent_continual_learning`: see `LearningWithoutForgetting`."""
        return LearningWithoutForgetting(temperature, alpha)

    def forget(self, keys: Collection[str]) -> int:
        """Drop the examples with these keys from all that is remembered and held out; how many were dropped.

        What the networks have learned from them stays, and so does what `save` wrote before.

        Raises:
            InvalidInput: it is one text, whose letters would be taken for keys; or one of them is no text.
        """
        asked = keys_of(keys)
        return sum(agent.forget(asked) for agent in self._agents.values())

    def save(self, folder: Path | str) -> None:
        """Keep all of it in a folder, instead of what was kept there, in one step: every agent's learner, what it is
        examined on, and how many tasks it was given. Nothing is pickled.

        Raises:
            InvalidInput: `folder` is no path.
            Unavailable: the folder cannot be written; what was kept there stays.
        """
        tensors: dict[str, Tensor] = {}
        agents = {name: agent.card(str(at), tensors) for at, (name, agent) in enumerate(self._agents.items())}
        keep(folder_of(folder), RECORD, ManagerCard(self._describe(), agents), tensors)
        for agent in self._agents.values():
            agent.settle()

    def resume(self, folder: Path | str) -> dict[str, int]:
        """Go on from what `save` kept in a folder, if something was.

        Call it on a new manager of the same settings whose agents were set up as they were; then let them learn the
        tasks that are left. What comes is what would have come without the interruption, bit for bit. A task that was
        under way is learned anew. Agents that were not there stay as they are.

        Returns:
            For each agent, tasks that it was given, learned or refused; 0 where nothing was kept.

        Raises:
            Damaged: it is not what was kept.
            InvalidInput: it is of a manager with other settings, or an agent is not set up as it was; nothing changes.

        >>> import tempfile, torch
        >>> def made():
        ...     manager = ContinualLearningManager(batch_size=16)
        ...     manager.setup_agent_continual_learning("support", nn.Linear(4, 4), rate=0.01)
        ...     return manager
        >>> y = torch.arange(600) % 4
        >>> x = 6 * torch.eye(4)[y] + torch.randn(600, 4)
        >>> tasks = [(x[y < 2], y[y < 2]), (x[y >= 2], y[y >= 2])]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for life in range(3):
        ...         manager = made()
        ...         done = manager.resume(folder)["support"]
        ...         print(done)
        ...         for task in tasks[done : done + 1]:
        ...             _ = manager.learn_new_task("support", task)
        ...             manager.save(folder)
        0
        1
        2
        """
        folder = folder_of(folder)
        if is_kept(folder, RECORD):
            card, tensors = kept(folder, RECORD, ManagerCard)
            refuse_foreign(card.settings, self._describe(), folder)
            strangers = [name for name in card.agents if name not in self._agents]
            if strangers:
                raise InvalidInput(
                    f"{folder} holds agents that are not set up here: {', '.join(strangers)}.",
                    mend="Set them up with setup_agent_continual_learning as they were.",
                )
            self._agents |= {
                name: self._agents[name].resumed(one, tensors, folder) for name, one in card.agents.items()
            }
        return {name: agent.given for name, agent in self._agents.items()}

    def _describe(self) -> dict[str, str]:
        """What decides how it examines, as texts."""
        settings = {
            "margin": self.detector.margin,
            "level": self.detector.level,
            "held_out": self._held_out,
            "memory": self._memory,
            "batch_size": self._batch_size,
            "seed": self._seed,
        }
        return {name: repr(plain_number(value)) for name, value in settings.items()}

    def _agent(self, agent_type: str) -> Agent:
        if agent_type not in self.agents:
            raise NotFound(
                f"There is no agent {agent_type!r}.",
                mend="Set it up with setup_agent_continual_learning.",
                options=self._agents,
            )
        return self._agents[agent_type]

    def _experience(self, agent: Agent, data: Experience | tuple[Any, Any]) -> Experience:
        if isinstance(data, Experience):
            return replace(data, name=data.name or f"task {data.task}")
        found = examples_of(
            *pair_of(data, "Give a pair (x, y), or an Experience."), None, None, agent.learner.device, numbered=True
        )
        least = max(agent.given, max(agent.learner.heads.classes, default=-1) + 1)
        task = next(number for number in count(least) if f"task {number}" not in agent.names)
        kind = next((value.dtype for value in agent.began.parameters()), found.x.dtype)
        x = found.x.to(kind) if found.x.is_floating_point() and not isinstance(data[0], Tensor) else found.x
        return Experience(x, found.y, task, f"task {task}")


def _unused(name: str, taken: Collection[str]) -> str:
    """The name, with a number if there is one already."""
    numbered = (f"{name} ({number})" for number in range(2, len(taken) + 2))
    return next(one for one in (name, *numbered) if one not in taken)


def _told(attempts: Sequence[Attempt]) -> str:
    report = attempts[-1].forgetting
    if report is None:
        return "There is no older task that could suffer."
    worst = max(not_borne(report) or report.findings, key=lambda one: one.loss)
    since = f"has lost {worst.loss:.3g} since it was best" if worst.since == "best" else f"lost {worst.loss:.3g}"
    lost = f"{worst.task} {since}, {report.margin:g} is borne"
    if attempts[-1].passed:
        return f"No older task suffers: {lost} ({len(attempts)} tried)."
    return f"Older tasks are not surely kept: {lost} ({len(attempts)} tried)."
