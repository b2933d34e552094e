"""Who learns task after task: what was gained, kept and lost, from one matrix of scores."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from onward.core import InvalidInput


class ForgettingMatrix:
    """Scores R[i, j] on task j after learning task i, and the figures that papers make of them.

    Libraries mean different things by "forgetting"; each figure here says whose definition it is. Scores are better
    when higher (accuracy, for instance). A figure whose cells are not all there is refused, unless `partial=True` says
    to take it over those that are. Not safe for several threads at once.

    Args:
        tasks: how many tasks there are, 1 and more.
        baselines: score on each task before learning anything; for `forward_transfer`.

    Raises:
        InvalidInput: no task, or not one finite baseline for each.

    >>> matrix = ForgettingMatrix(2)
    >>> matrix.add(0, 0, 0.9)
    >>> matrix.add(1, 0, 0.7)
    >>> matrix.add(1, 1, 0.8)
    >>> round(matrix.accuracy(), 2), round(matrix.backward_transfer(), 2), round(matrix.max_forgetting(), 2)
    (0.75, -0.2, 0.2)
    """

    __slots__ = ("_scores", "baselines", "tasks")

    def __init__(self, tasks: int, *, baselines: Sequence[float] | None = None) -> None:
        if tasks < 1:
            raise InvalidInput(f"A matrix of {tasks} tasks cannot be.", mend="1 and more.")
        if baselines is not None and len(baselines) != tasks:
            raise InvalidInput(f"There are {tasks} tasks and {len(baselines)} baselines.", mend="One for each task.")
        self.tasks = tasks
        self.baselines = None if baselines is None else tuple(_score(one, "A baseline") for one in baselines)
        self._scores: dict[tuple[int, int], float] = {}

    def add(self, i: int, j: int, score: float) -> None:
        """Note the score on task j after learning task i, both from 0. A cell that is there already is replaced.

        Raises:
            InvalidInput: there is no such task, or the score is not a finite number.
        """
        if not (0 <= i < self.tasks and 0 <= j < self.tasks):
            raise InvalidInput(f"There is no cell ({i}, {j}).", mend=f"Tasks are 0 to {self.tasks - 1}.")
        self._scores[i, j] = _score(score, "A score")

    def get(self, i: int, j: int) -> float | None:
        """The score on task j after learning task i; None where it is missing."""
        return self._scores.get((i, j))

    def missing(self) -> tuple[tuple[int, int], ...]:
        """The cells that no score was noted for, row by row."""
        every = ((i, j) for i in range(self.tasks) for j in range(self.tasks))
        return tuple(cell for cell in every if cell not in self._scores)

    def accuracy(self, *, partial: bool = False) -> float:
        """ACC: the mean over all tasks of the score after the last one, mean of R[T-1, j].

        Lopez-Paz and Ranzato, Gradient Episodic Memory, NeurIPS 2017.

        Raises:
            InvalidInput: cells are missing; with `partial`, all of them.
        """
        last = self.tasks - 1
        return self._mean([((last, j),) for j in range(self.tasks)], partial, lambda one: one[0])

    def backward_transfer(self, *, partial: bool = False) -> float:
        """BWT: the mean over all tasks but the last of R[T-1, j] - R[j, j]; negative where tasks were forgotten.

        Lopez-Paz and Ranzato 2017. Held against the score right after learning, not against the best.

        Raises:
            InvalidInput: there is one task only, or cells are missing.
        """
        last = self._several("backward transfer") - 1
        return self._mean([((last, j), (j, j)) for j in range(last)], partial, lambda one: one[0] - one[1])

    def forward_transfer(self, *, partial: bool = False) -> float:
        """FWT: the mean over all tasks but the first of R[j-1, j] - baseline[j]: what was known before learning it.

        Lopez-Paz and Ranzato 2017.

        Raises:
            InvalidInput: there are no baselines, one task only, or cells are missing.
        """
        self._several("forward transfer")
        if self.baselines is None:
            raise InvalidInput("Forward transfer needs baselines.", mend="ForgettingMatrix(tasks, baselines=[...])")
        base = self.baselines
        cells: list[tuple[tuple[int, int], ...]] = [((j - 1, j),) for j in range(1, self.tasks)]
        present = [(self._scores[one[0]] - base[one[0][1]]) for one in self._present(cells, partial)]
        return math.fsum(present) / len(present)

    def forgetting(self, *, partial: bool = False) -> dict[int, float]:
        """f of each task but the last: its best score before the last task was learned, less the one after.

        Chaudhry et al., Riemannian Walk, ECCV 2018: f_j = max over i < T-1 of R[i, j], less R[T-1, j]; -1..1 for
        accuracies, negative where a task became better than it ever was. Rows before task j was learned count too, as
        in the paper; they need not be there.

        Raises:
            InvalidInput: there is one task only, or cells are missing.
        """
        last = self._several("forgetting") - 1
        needed = {j: [(last, j), *((i, j) for i in range(j, last))] for j in range(last)}
        if not partial:
            self._present([tuple(cells) for cells in needed.values()], partial=False)
        lost = {}
        for j in range(last):
            before = [self._scores[i, j] for i in range(last) if (i, j) in self._scores]
            if before and (last, j) in self._scores:
                lost[j] = max(before) - self._scores[last, j]
        if not lost:
            raise self._lacking([cell for cells in needed.values() for cell in cells])
        return lost

    def average_forgetting(self, *, partial: bool = False) -> float:
        """F: the mean of `forgetting` over the tasks (Chaudhry et al. 2018).

        Raises:
            InvalidInput: as `forgetting`.
        """
        lost = self.forgetting(partial=partial)
        return math.fsum(lost.values()) / len(lost)

    def max_forgetting(self, *, partial: bool = False) -> float:
        """The worst of `forgetting`: what the task that lost most has lost. The mean hides it.

        Raises:
            InvalidInput: as `forgetting`.
        """
        return max(self.forgetting(partial=partial).values())

    def to_dict(self) -> dict[str, Any]:
        """The matrix as rows, None where a cell is missing: what JSON takes."""
        rows = [[self.get(i, j) for j in range(self.tasks)] for i in range(self.tasks)]
        return {"scores": rows, "baselines": None if self.baselines is None else list(self.baselines)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ForgettingMatrix:
        """The matrix back from what `to_dict` gave.

        Raises:
            InvalidInput: it is not such a dict.
        """
        try:
            rows, baselines = data["scores"], data["baselines"]
            if any(len(row) != len(rows) for row in rows):
                raise InvalidInput("The rows of a matrix are as long as there are tasks.")
            matrix = cls(len(rows), baselines=baselines)
            for i, row in enumerate(rows):
                for j, score in enumerate(row):
                    if score is not None:
                        matrix.add(i, j, score)
        except (KeyError, TypeError) as error:
            raise InvalidInput("This is no forgetting matrix.", why=f"{error!r}.") from error
        return matrix

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ForgettingMatrix) and self.to_dict() == other.to_dict()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def _several(self, figure: str) -> int:
        if self.tasks < 2:
            raise InvalidInput(f"With one task there is no {figure}.")
        return self.tasks

    def _mean(self, cells: list[tuple[tuple[int, int], ...]], partial: bool, of: Any) -> float:
        values = [of([self._scores[cell] for cell in one]) for one in self._present(cells, partial)]
        return math.fsum(values) / len(values)

    def _present(self, cells: list[tuple[tuple[int, int], ...]], partial: bool) -> list[tuple[tuple[int, int], ...]]:
        """Those of which every cell is there; all of them must be, unless partial."""
        there = [one for one in cells if all(cell in self._scores for cell in one)]
        if not there or (not partial and len(there) < len(cells)):
            raise self._lacking([cell for one in cells for cell in one])
        return there

    def _lacking(self, cells: list[tuple[int, int]]) -> InvalidInput:
        absent = [str(cell) for cell in dict.fromkeys(cells) if cell not in self._scores]
        return InvalidInput(
            f"No score was noted for: {', '.join(absent[:10])}{', ...' if len(absent) > 10 else ''}.",
            mend="Add them, or take the figure over what is there with partial=True.",
        )


def _score(value: float, what: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"{what} is a number, not {value!r}.") from error
    if not math.isfinite(number):
        raise InvalidInput(f"{what} is {number}.", mend="Leave the cell out where there is none.")
    return number
