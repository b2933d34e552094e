"""A network that grows: a column for every task, which hears all columns before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Prepare, unchanged
from onward.learners.continual.distillation._measure import check_fit, outputs, score
from onward.learners.continual.distillation._narrow import count, is_weighted, layers, narrowed
from onward.learners.neural import above, at_least

from ._column import Column
from ._packed import by_groups


@dataclass(frozen=True, slots=True)
class Growth:
    """How a network grew.

    Args:
        columns: parameters of each column, the oldest first; what leads to it from its elders is its own.
        laterals: how many of them lead to it from its elders.

    >>> Growth((100, 150), (0, 50)).ratio
    2.5
    """

    columns: tuple[int, ...]
    laterals: tuple[int, ...]

    @property
    def total(self) -> int:
        """Parameters of all columns."""
        return sum(self.columns)

    @property
    def ratio(self) -> float:
        """How many times as many as the oldest column has."""
        return self.total / self.columns[0]


class ProgressiveNetwork(nn.Module):
    """Columns side by side (Rusu et al. 2016, arXiv:1606.04671). The newest can be trained; its elders never change.

    Each layer of a column but its first hears, besides the layer below it, that of every elder: the elder's
    activations, times a learned number, are projected to the width of the layer below, summed, rectified, and sent
    through a layer of the same kind. Every column answers for its own task.

    Args:
        template: a Sequential of linear and convolution layers and what stands between them; Sequentials within it are
            flattened. The first column is a copy; later ones begin with fresh weights.
        share: width of the hidden layers of later columns, as a share of the first's, see `narrowed`; above 0, to 1.
        lateral: width of the projections, as a share of the layer below; 0: columns do not hear their elders.

    Raises:
        InvalidInput: the template is built otherwise, or a value is out of its range.

    >>> network = ProgressiveNetwork(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    >>> network.grow(task=0), network.grow(task=1)
    ('0', '1')
    >>> network.growth()
    Growth(columns=(58, 147), laterals=(0, 89))
    >>> network(torch.zeros(3, 4), task=1).shape
    torch.Size([3, 2])
    """

    by_task: Final = True

    def __init__(self, template: nn.Module, *, share: float = 1.0, lateral: float = 1.0) -> None:
        super().__init__()
        above(share=share)
        at_least(0, lateral=lateral)
        if not isinstance(template, nn.Sequential) or not any(is_weighted(layer) for layer in layers(template)):
            raise InvalidInput(
                f"A {type(template).__name__} is no template of columns.",
                why="What every layer is, and where one hears others, is known of a Sequential.",
                mend="Give a Sequential of linear or convolution layers and what stands between them.",
            )
        self._templates = (template, template if share == 1 else narrowed(template, share))
        self._lateral = lateral
        self._next = 0
        self.columns = nn.ModuleDict()
        self.tasks: dict[int, str] = {}
        self._add()

    @property
    def newest(self) -> str:
        """Name of the newest column."""
        return list(self.columns)[-1]

    def column(self, name: str) -> Column:
        """The column of a name."""
        return cast("Column", self.columns[name])

    def grow(self, task: int) -> str:
        """Make room for a task: the first column is the first task's, every other gets a new one; its name."""
        if self.tasks:
            self._add()
        self.tasks[task] = self.newest
        return self.newest

    def _add(self) -> None:
        elders = {name: self.column(name) for name in self.columns}
        made = Column(self._templates[bool(self._next)], elders, self._lateral, fresh=self._next > 0)
        like = next(self.parameters(), None)
        self.columns[str(self._next)] = made if like is None else made.to(like)
        self._next += 1
        self._settle()

    def _settle(self) -> None:
        """Only the newest column can be trained."""
        for name in self.columns:
            self.columns[name].requires_grad_(name == self.newest)
        self.train(self.training)

    def train(self, mode: bool = True) -> ProgressiveNetwork:
        """Elders stay as they are: no dropout, no new statistics."""
        super().train(mode)
        for name in self.columns:
            self.columns[name].train(mode and name == self.newest)
        return self

    def forward(self, x: Tensor, task: Tensor | int | None = None) -> Tensor:
        """(n, C) outputs of (n, ...) inputs.

        Args:
            task: (n,) task of each, or of all; `None`: the newest column answers.

        Raises:
            InvalidInput: no column is of such a task.
        """
        return by_groups(x, task, self._answer) if isinstance(task, Tensor) else self._answer(x, task)

    def _answer(self, x: Tensor, task: int | None) -> Tensor:
        asked = self.newest if task is None else self._of(task)
        needed = self._needed([asked])
        hidden: dict[str, Tensor] = {name: self.column(name).prelude(x) for name in needed}
        last = len(self.column(asked).stages) - 1
        for at in range(last):
            hidden = {name: self.column(name).stage(at, hidden[name], hidden) for name in needed}
        return self.column(asked).stage(last, hidden[asked], hidden)

    def _of(self, task: int) -> str:
        if task not in self.tasks:
            raise InvalidInput(
                f"No column is of task {task}.", mend="Learn it first.", options=[str(known) for known in self.tasks]
            )
        return self.tasks[task]

    def _needed(self, names: Sequence[str]) -> list[str]:
        """These columns and all that they hear of, the oldest first."""
        found = set(names)
        for name in reversed(list(self.columns)):
            if name in found:
                found.update(self.column(name).elders)
        return [name for name in self.columns if name in found]

    def growth(self) -> Growth:
        """How many parameters there are, and where."""
        columns = [self.column(name) for name in self.columns]
        return Growth(tuple(map(count, columns)), tuple(count(column.laterals) for column in columns))

    def remove(self, task: int) -> tuple[str, ...]:
        """Drop a task, and every column that neither answers for another task nor is heard by one that does.

        Returns:
            The names of the columns that are gone. What the others answer stays as it is.

        Raises:
            InvalidInput: there is no such task, or no other.
        """
        self._of(task)
        if len(self.tasks) == 1:
            raise InvalidInput(f"Task {task} is the only one.", mend="Make a new network.")
        del self.tasks[task]
        needed = self._needed(list(self.tasks.values()))
        gone = tuple(name for name in self.columns if name not in needed)
        for name in gone:
            del self.columns[name]
        self._settle()
        return gone

    def prune(self, data: Experience, tolerance: float = 0.005, prepare: Prepare = unchanged) -> tuple[str, ...]:
        """Cut a column off the elders that it does as well without, the oldest first.

        Elders whose own task is dropped can then be removed.

        Args:
            data: examples of the column's task, best such that it did not learn from.
            tolerance: how much accuracy, 0..1, or R² of real targets, may be lost in all; at least 0.
            prepare: makes inputs of examples.

        Returns:
            The names of the elders that it hears no more.

        Raises:
            InvalidInput: a younger column hears this one, so that it may not change.
        """
        at_least(0, tolerance=tolerance)
        check_fit(self, data, prepare)
        name = self._of(data.task)
        younger = [other for other in self.columns if name in self.column(other).elders]
        if younger:
            raise InvalidInput(
                f"The column of task {data.task} may not change.",
                why=f"{len(younger)} younger ones hear it.",
                mend="Prune each column before the next task comes.",
            )
        column = self.column(name)
        enough = self._accuracy(data, prepare) - tolerance
        cut: list[str] = []
        for elder in column.elders:
            column.deaf = frozenset({*cut, elder})
            if self._accuracy(data, prepare) >= enough:
                cut.append(elder)
        column.deaf = frozenset()
        for elder in cut:
            column.drop(elder)
        return tuple(cut)

    def _accuracy(self, data: Experience, prepare: Prepare) -> float:
        """Among the classes of its task."""
        said = outputs(self, data, prepare)
        if data.classes:
            counts = torch.full_like(said, -torch.inf)
            counts[:, list(data.classes)] = 0
            said = said + counts
        return score(said, data.y)

    def structure(self) -> dict[str, Any]:
        """What it takes to build the same columns anew; their weights are in `state_dict`."""
        heard = {name: list(self.column(name).elders) for name in self.columns}
        return {"columns": heard, "tasks": dict(self.tasks), "next": self._next}

    def shrink(self, structure: Mapping[str, Any]) -> None:
        """Drop the columns and tasks that came since `structure` said this."""
        for name in [name for name in self.columns if name not in structure["columns"]]:
            del self.columns[name]
        self.tasks, self._next = dict(structure["tasks"]), structure["next"]
        self._settle()

    def rebuild(self, structure: Mapping[str, Any]) -> None:
        """Columns as `structure` said, with weights that are still to be loaded."""
        with torch.random.fork_rng(devices=[]):
            like = next(self.parameters())
            self.columns = nn.ModuleDict()
            for name, heard in structure["columns"].items():
                elders = {elder: self.column(elder) for elder in heard}
                template = self._templates[name != "0"]
                self.columns[name] = Column(template, elders, self._lateral, fresh=False).to(like)
        self.tasks, self._next = dict(structure["tasks"]), structure["next"]
        self._settle()
