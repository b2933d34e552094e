"""Progressive networks: every task a column of its own."""

from __future__ import annotations

from dataclasses import dataclass

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course, Hooks

from ._columns import ProgressiveNetwork


@dataclass(frozen=True, slots=True)
class Progressive:
    """Grow a column for every new task, and freeze its elders (Rusu et al. 2016, arXiv:1606.04671).

    The learner's network is a `ProgressiveNetwork`; its `growth()` says how many parameters there are, `prune` and
    `remove` take some away. What a task is answered never changes: nothing is forgotten, and nothing is learned
    backwards. The newest task goes on in its column; one that comes again when others came after it gets a new column,
    and the one before stays an elder.

    The task must be known to predict: the scenario is "task".

    Raises:
        InvalidInput: at the start of a learner: another scenario, or another network.

    >>> Progressive()
    Progressive()
    """

    def start(self, course: Course) -> Hooks:
        network = course.network
        if not isinstance(network, ProgressiveNetwork):
            raise InvalidInput(
                f"A {type(network).__name__} cannot grow.", mend="Give the learner ProgressiveNetwork(template)."
            )
        if course.heads.kind != "task":
            raise InvalidInput(
                f'Progressive networks cannot learn in the scenario "{course.heads.kind}".',
                why="Which column answers depends on the task.",
                mend='Use scenario="task", or another method.',
            )

        growing = _Growing(network)
        return Hooks(begin=growing.begin, unmet=growing.unmet, state=network.structure, restore=network.rebuild)


class _Growing:
    def __init__(self, network: ProgressiveNetwork) -> None:
        self._network = network
        self._before = network.structure()

    def begin(self, experience: Experience) -> None:
        """A column for a task that has none, or not the newest."""
        network = self._network
        self._before = network.structure()
        if network.tasks.get(experience.task) != network.newest:
            network.grow(experience.task)

    def unmet(self) -> None:
        self._network.shrink(self._before)
