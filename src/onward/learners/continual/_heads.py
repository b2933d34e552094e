"""Which outputs of a network count for an example: what the three scenarios differ in.

The scenarios are those of van de Ven and Tolias 2019 (arXiv:1904.07734).
"""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Integral
from typing import Any, Final, Literal

import torch
from torch import Tensor

from onward.core import InvalidInput

from ._experience import Experience

Kind = Literal["task", "domain", "class"]
KINDS: Final = ("task", "domain", "class")


class Heads:
    """The classes of each task met so far.

    Args:
        kind: "task": the task of an example is known, and only its own classes count; "class": it is not, and all
            classes met so far count; "domain": every task has the same outputs, and all of them count.

    Raises:
        InvalidInput: it is no such kind.

    >>> heads = Heads("class")
    >>> heads.learn(Experience(torch.zeros(2, 1), torch.tensor([0, 2])))
    >>> heads.scores(torch.ones(1, 4))
    tensor([[1., -inf, 1., -inf]])
    """

    def __init__(self, kind: Kind = "class") -> None:
        if kind not in KINDS:
            raise InvalidInput(f"No scenario is called {kind!r}.", mend="Choose one.", options=KINDS)
        self.kind = kind
        self.classes: dict[int, tuple[int, ...]] = {}
        self._excluded: Tensor | None = None
        self._tasks: Tensor | None = None
        self._all_count = False

    @property
    def seen(self) -> tuple[int, ...]:
        """All classes met so far, sorted."""
        return tuple(sorted({number for classes in self.classes.values() for number in classes}))

    @property
    def leaves_out(self) -> bool:
        """Whether some output did not count when scores were last asked for."""
        return self._excluded is not None and not (self.kind == "class" and self._all_count)

    def learn(self, experience: Experience) -> None:
        """Meet an experience: its classes count from now on."""
        known = set(self.classes.get(experience.task, ()))
        self.classes[experience.task] = tuple(sorted(known | set(experience.classes)))
        self._excluded = None

    def scores(self, outputs: Tensor, task: Tensor | int | None = None) -> Tensor:
        """(n, C) outputs with -inf where one does not count.

        Args:
            task: (n,) task of each example, or of all; only "task" asks for it.

        Raises:
            InvalidInput: the task is not given where it must be, or was never met.
        """
        if self.kind == "domain" or not any(self.classes.values()):
            return outputs
        excluded = self._table(outputs)
        if self.kind == "class":
            return outputs if self._all_count else outputs.masked_fill(excluded[-1], -torch.inf)
        return outputs.masked_fill(excluded[self._row(task)], -torch.inf)

    def check(self, task: Tensor | int | None, count: int) -> None:
        """Refuse tasks of so many examples that were never learned, where tasks count.

        Raises:
            InvalidInput: naming the first; or they are not one, or one for each.
        """
        if self.kind != "task":
            return
        if isinstance(task, Tensor) and (task.is_floating_point() or task.shape != (count,)):
            raise InvalidInput(
                f"task is {task.dtype} of shape {tuple(task.shape)} for {count} examples.",
                mend="Give one whole number for all of them, or a tensor with one for each.",
            )
        for one in task.unique().tolist() if isinstance(task, Tensor) else [task]:
            self._row(one)

    def _row(self, task: Tensor | int | None) -> Tensor | int:
        if isinstance(task, Tensor):
            assert self._tasks is not None
            return torch.searchsorted(self._tasks, task)
        given: Any = task
        if not isinstance(given, Integral) or int(given) not in self.classes:
            raise InvalidInput(
                "The task of these examples is not given." if task is None else f"Task {task!r} was never learned.",
                why='In the scenario "task" only the classes of an example\'s own task count.',
                mend="Give as task= the number of one, or a tensor with that of each example.",
                options=map(str, self.classes),
            )
        return sorted(self.classes).index(int(given))

    def _table(self, outputs: Tensor) -> Tensor:
        """(tasks + 1, C) where an output does not count: tasks by their numbers, then all of them together."""
        table = self._excluded
        if table is None or table.device != outputs.device or table.shape[1] != outputs.shape[1]:
            tasks = sorted(self.classes)
            table = torch.ones(len(tasks) + 1, outputs.shape[1], dtype=torch.bool)
            for row, classes in enumerate((*(self.classes[task] for task in tasks), self.seen)):
                table[row, list(classes)] = False
            self._tasks = torch.tensor(tasks, device=outputs.device)
            self._all_count = not bool(table[-1].any())
            self._excluded = table = table.to(outputs.device)
        return table

    def state(self) -> dict[str, Any]:
        """What it takes to make it anew."""
        return {"kind": self.kind, "classes": {task: list(classes) for task, classes in self.classes.items()}}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The way back.

        Raises:
            InvalidInput: it was another scenario.
        """
        if state["kind"] != self.kind:
            raise InvalidInput(
                f"It was learned in the scenario {state['kind']!r}, not {self.kind!r}.", mend="Choose the same."
            )
        self.classes = {int(task): tuple(classes) for task, classes in state["classes"].items()}
        self._excluded = None
