"""Where a meta-training stands, how long it is to go on, and what came of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isnan
from numbers import Real
from pathlib import Path
from typing import Any, Final, Literal

from onward.core import InvalidInput
from onward.learners.neural import is_number, plain_numbers, whole

from .engine import Params

Stopped = Literal["steps", "patience", "budget", "interrupted"]
Row = dict[str, float]
UNCHANGED: Final = ("steps", "patience", "budget", "checkpoints", "checkpoint_every")
"""What may be another when a training goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long to train, and what to do on the way; see `MetaLearner.fit`.

    Raises:
        InvalidInput: a value is out of its range.
    """

    steps: int
    batch_size: int = 32
    validate_every: int = 250
    validation_tasks: int = 200
    patience: int | None = None
    budget: float | None = None
    checkpoints: Path | None = None
    checkpoint_every: int = 1000

    def __post_init__(self) -> None:
        least = {"steps": 0, "batch_size": 1, "validate_every": 1, "validation_tasks": 1, "checkpoint_every": 1}
        if self.patience is not None:
            least["patience"] = 1
        for name, lowest in least.items():
            whole(lowest, **{name: getattr(self, name)})
        if self.budget is not None and not (is_number(self.budget, Real) and self.budget > 0):
            raise InvalidInput(f"budget is {self.budget!r}.", mend="Give seconds above 0, or None.")
        plain_numbers(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReport:
    """How a training went.

    Args:
        steps: taken, those before an interruption included.
        seconds: likewise.
        tasks_per_second: of this call, sampling included and validation not; 0 where nothing was left to do.
        history: a row every `validate_every` steps: `step`, `seconds`, means of what `meta_train_step` says over the
            steps since the last row, and `validation_loss` and, for classes, `validation_accuracy`.
        best_step: after which the meta-parameters were best on the validation tasks, which the learner now has;
            `None` without validation.
        validation_loss: there; as is `validation_accuracy`, 0..1, `None` for real targets.
        stopped: "steps": all were taken; "patience": validation got no better; "budget": time was up.
        engine: what worked on the network, and why.
    """

    steps: int
    seconds: float
    tasks_per_second: float
    history: tuple[Row, ...]
    best_step: int | None
    validation_loss: float | None
    validation_accuracy: float | None
    stopped: Stopped
    engine: str | None

    def to_dict(self) -> dict[str, Any]:
        """As plain dicts, lists, texts and numbers."""
        return dataclasses.asdict(self) | {"history": [dict(row) for row in self.history]}


@dataclass(slots=True)
class Standing:
    """Where a training stands: what a checkpoint keeps beside the learner and the tasks."""

    done: int = 0
    seconds: float = 0.0
    history: list[Row] = field(default_factory=list)
    sums: Row = field(default_factory=dict)
    summed: int = 0
    best: Row = field(default_factory=dict)
    best_parameters: Params = field(default_factory=dict)
    since_best: int = 0

    def add(self, figures: Mapping[str, float]) -> None:
        """Count a step."""
        self.done += 1
        self.summed += 1
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def row(self) -> Row:
        """The means since the last row."""
        means = {name: value / self.summed for name, value in self.sums.items()}
        self.sums, self.summed = {}, 0
        self.history.append({"step": self.done, "seconds": round(self.seconds, 3), **means})
        return self.history[-1]

    def judge(self, row: Row, parameters: Params) -> None:
        """Keep the parameters where they are the best so far."""
        if not self.best or _score(row) > _score(self.best):
            self.best, self.best_parameters, self.since_best = row, parameters, 0
        else:
            self.since_best += 1


def _score(row: Row) -> tuple[float, float]:
    """Higher is better: accuracy, then a lower loss; what is no number is the worst."""
    loss = row["validation_loss"]
    return row.get("validation_accuracy", 0.0), float("-inf") if isnan(loss) else -loss
