"""What learners make, how it is judged, and what became of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

from ._dataset import DatasetVersion, Example
from ._labels import Prediction


class Model(Protocol):
    """Predicts, and saves itself to a folder. A learner's `load` reads it back.

    A model is immutable once made and may be asked by several threads at once. What it saves must load without
    executing anything from the folder (safetensors, JSON, a spaCy folder; never pickle).
    """

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """One prediction per text, in order. The same texts give the same predictions, in any batch."""
        ...

    def save(self, folder: Path) -> None:
        """Write everything into `folder`, which exists and is empty."""
        ...


@runtime_checkable
class FewShotModel(Model, Protocol):
    """A model that also adapts to a task from the few labelled examples that come with it."""

    def adapt(self, support: Sequence[Example]) -> Model:
        """The model for one task: it says of texts what the support set's labels call them.

        It changes nothing, and does not depend on the order of the examples. The same support set gives the same
        model. Only `text`, `labels` and `weight` of the examples count.

        Raises:
            InvalidInput: no example has a label that this model can learn.
        """
        ...


def silent(done: int, total: int, note: str) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """What a learner is told beside the data.

    Args:
        seed: the same seed, data and settings give the same model.
        budget: seconds after which training stops at the next safe point with the best model so far.
        quick: update the champion with the new examples and as many old ones, instead of retraining from all.
        checkpoints: a folder that survives interruption: a learner that finds its own checkpoint there goes on
            from it. The caller removes it when training is done. `None`: no checkpoints.
        progress: called with (steps done, steps in all, a short note).
    """

    seed: int = 0
    budget: float | None = None
    quick: bool = False
    checkpoints: Path | None = None
    progress: Callable[[int, int, str], None] = silent


@dataclass(frozen=True, slots=True)
class Trained:
    """A model and a report of how it was made (JSON only: epochs, seconds, examples skipped, losses ...)."""

    model: Model
    report: Mapping[str, Any]


class Learner(Protocol):
    """A plug-in that turns a data set version and the champion into a candidate.

    Implementations are found through the plug-in table (kind -> "module:attribute"); the attribute is called with the
    workspace's `Settings` and returns the learner.
    """

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        """Make a candidate from the train and validation splits; never look at the evaluation split.

        Args:
            champion: the model in service when this learner made it, else `None`.

        Raises:
            InvalidInput: the data set has nothing that this learner can learn.
        """
        ...

    def load(self, folder: Path) -> Model:
        """Read back what a model of this learner saved.

        Raises:
            Damaged: the folder does not hold such a model.
        """
        ...


@runtime_checkable
class FewShotLearner(Learner, Protocol):
    """A learner that learns from few-shot tasks: its data sets hold them, and its models adapt to new ones.

    Any other learner is shown data sets without tasks: labels of a task mean nothing outside of it.
    """

    @property
    def learns_tasks(self) -> bool:
        """Whether data sets with tasks are wanted."""
        ...

    def load(self, folder: Path) -> FewShotModel:
        """As `Learner.load`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion:
    """A registered model.

    Args:
        number: counts up from 1 over the whole workspace; never used twice.
        learner: kind of the learner that made it.
        parent: number of the champion at the time.
        dataset: id of the data set version it learned from.
        artifact: hash of the saved folder.
        config: what the learner was told and reported.
        cycle: id of the cycle that made it.
        scorecard: its figures, `None` for one imported without.
        verdict: the gate's verdict on it.
        marks: what was found out later, e.g. that somebody it learned from withdrew consent.
        pinned: never dropped by retention.
    """

    number: int
    tenant: str
    learner: str
    parent: int | None
    dataset: str
    artifact: str
    config: Mapping[str, Any]
    created: datetime
    cycle: str
    scorecard: Scorecard | None = None
    verdict: Verdict | None = None
    marks: tuple[str, ...] = ()
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class HeadScore:
    """Figures of one head on one evaluation set, each 0..1.

    Classification (intent, sentiment): `accuracy`, and precision, recall and F1 averaged over labels (macro).
    Entities: micro precision, recall and F1 of exact spans; `accuracy` is F1 (spans have no true negatives).
    Task: `count` tasks; all four are the mean over tasks of the share of a task's queries right.

    Args:
        labels: of a classification on a set that was new: label -> (its examples found, its examples).
    """

    count: int
    accuracy: float
    precision: float
    recall: float
    f1: float
    labels: Mapping[str, tuple[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetScore:
    """Figures of one model on one evaluation set. `accuracy` is the mean over examples of the share of heads right.

    Few-shot tasks stand under the head "task", and each counts as one example.
    """

    name: str
    count: int
    accuracy: float
    heads: Mapping[str, HeadScore]


@dataclass(frozen=True, slots=True)
class Scorecard:
    """The figures of one model on named evaluation sets; `overall` over all of them pooled."""

    overall: SetScore
    sets: tuple[SetScore, ...]


Decision = Literal["promote", "keep", "refuse"]


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that the gate asked: its figure, its bound, and whether it passed.

    Args:
        otherwise: what failing calls for.
    """

    name: str
    passed: bool
    figure: float
    bound: float
    reason: str
    otherwise: Decision = "refuse"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate decided and every check behind it.

    `promote`: all checks passed. `keep`: nothing speaks against the candidate, but too little for it (too little
    evidence, no better than the champion). `refuse`: a check says that it would do harm.
    """

    decision: Decision
    checks: tuple[Check, ...]

    @property
    def trusted(self) -> bool:
        """Whether the labels of the batch agreed with the rest of the data."""
        return all(check.passed for check in self.checks if check.name == "trust")

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why: in what the candidate is better, or what failed, that which decided first."""
        if self.decision == "promote":
            return tuple(c.reason for c in sorted(self.checks, key=lambda c: c.name not in {"better", "leaving"}))
        failed = [c for c in self.checks if not c.passed]
        return tuple(c.reason for c in sorted(failed, key=lambda c: c.otherwise != self.decision))

    @property
    def reason(self) -> str:
        """The first of the reasons."""
        return next(iter(self.reasons), "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One line of the audit trail: an alias moved.

    Args:
        alias: "champion" or "challenger".
        version: the version it points to now; `previous`: before, `None` the first time.
        by: who or what decided: a user name, or "cycle".
        cause: "promote" or "rollback".
    """

    sequence: int
    tenant: str
    alias: str
    version: int
    previous: int | None
    at: datetime
    by: str
    cause: str
    reason: str


CycleStatus = Literal["promoted", "kept", "refused", "skipped", "failed", "abandoned", "running"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleResult:
    """One turn of the loop.

    Args:
        status: `promoted`, `kept` and `refused` follow the verdict; `skipped`: too little new to learn from;
            `failed`: no learner could make a candidate; `abandoned`: its holder died or lost its lease.
        champion: number of the version in service afterwards.
        candidate: number of the best candidate registered.
        verdict: the gate's on that candidate.
        seconds: wall time.
        set_aside: reason -> how many interactions were not used.
    """

    id: str
    tenant: str
    status: CycleStatus
    started: datetime
    finished: datetime | None = None
    seconds: float = 0.0
    dataset: str | None = None
    champion: int | None = None
    candidate: int | None = None
    verdict: Verdict | None = None
    reason: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    set_aside: Mapping[str, int] = field(default_factory=dict)

    @property
    def promoted(self) -> bool:
        return self.status == "promoted"
