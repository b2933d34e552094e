"""How much of each experience is known after each: the matrix from which the field's figures follow."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, Protocol

from onward.core import InvalidInput

from ._experience import Experience
from .scenarios import Stream

Row = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Retention:
    """Scores R[i, j] on the test of experience j after experience i: accuracy 0..1, or minus the loss of real targets.

    Args:
        scores: T rows of T numbers; NaN where a test could not be asked yet, which is possible for j > i alone.
        before: the same before the first experience, or `None`; what forward transfer is held against.
        joint: scores on each test of a network trained on all experiences up to that one, or `None`; what
            intransigence is held against.
        names: of the experiences.

    Raises:
        InvalidInput: these are no T x T numbers.

    >>> retention = Retention(((0.9, 0.5), (0.7, 0.8)), before=(0.5, 0.4))
    >>> retention.average, retention.forgetting, retention.backward_transfer, retention.forward_transfer
    (0.75, 0.2..., -0.2..., 0.0999...)
    """

    scores: tuple[Row, ...]
    before: Row | None = None
    joint: Row | None = None
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        count = len(self.scores)
        rows = [*self.scores, *(row for row in (self.before, self.joint) if row is not None)]
        if not count or any(len(row) != count for row in rows) or len(self.names) not in (0, count):
            raise InvalidInput(
                f"These are no {count} x {count} scores.", mend="Give one number for each test after each experience."
            )
        if any(math.isnan(value) for at, row in enumerate(self.scores) for value in row[: at + 1]):
            raise InvalidInput("A score of what was learned is NaN.", mend="Look at the learner: it may have diverged.")

    def __len__(self) -> int:
        return len(self.scores)

    @property
    def last(self) -> Row:
        """Scores on every test after the last experience."""
        return self.scores[-1]

    @property
    def learned(self) -> Row:
        """The score on each test right after its experience."""
        return tuple(row[at] for at, row in enumerate(self.scores))

    @property
    def average(self) -> float:
        """Mean of the scores on all tests after the last experience ("average accuracy")."""
        return fmean(self.last)

    @property
    def incremental(self) -> float:
        """Mean over the experiences of the mean score on the tests so far (Rebuffi et al. 2017, arXiv:1611.07725)."""
        return fmean(fmean(row[: at + 1]) for at, row in enumerate(self.scores))

    @property
    def learning_accuracy(self) -> float:
        """Mean of the scores right after learning (Riemer et al. 2019, arXiv:1810.11910)."""
        return fmean(self.learned)

    @property
    def forgotten(self) -> Row:
        """How far each score but the last is below the best that it ever was; below 0 where it has become better.

        Chaudhry et al. 2018, arXiv:1801.10112, equation 3.
        """
        columns = ([row[at] for row in self.scores[:-1]] for at in range(len(self) - 1))
        best = (max(score for score in column if not math.isnan(score)) for column in columns)
        return tuple(then - now for then, now in zip(best, self.last[:-1], strict=True))

    @property
    def forgetting(self) -> float:
        """Mean of `forgotten`; 0 of one experience."""
        return fmean(self.forgotten) if self.forgotten else 0.0

    @property
    def retained(self) -> Row:
        """Each last score as a share of that right after learning; only for scores above 0."""
        return tuple(now / then if then > 0 else math.nan for then, now in zip(self.learned, self.last, strict=True))

    @property
    def backward_transfer(self) -> float:
        """Mean change of a score since its experience (Lopez-Paz and Ranzato 2017, arXiv:1706.08840); 0 of one."""
        changes = [now - then for then, now in zip(self.learned, self.last, strict=True)]
        return fmean(changes[:-1]) if len(self) > 1 else 0.0

    @property
    def forward_transfer(self) -> float:
        """Mean gain, right before its experience, over not having learned anything (same source).

        NaN without `before`, of one experience, and where tests could not be asked yet.
        """
        if self.before is None or len(self) < 2:
            return math.nan
        return fmean(self.scores[at - 1][at] - self.before[at] for at in range(1, len(self)))

    @property
    def intransigence(self) -> float:
        """Mean of how far learning falls behind joint training (Chaudhry et al. 2018, equation 4); NaN without it."""
        if self.joint is None:
            return math.nan
        return fmean(best - own for best, own in zip(self.joint, self.learned, strict=True))

    def figures(self) -> dict[str, float]:
        """All of the above that are one number; NaN ones left out."""
        names = (
            "average",
            "incremental",
            "learning_accuracy",
            "forgetting",
            "backward_transfer",
            "forward_transfer",
            "intransigence",
        )
        found = {name: float(getattr(self, name)) for name in names}
        return {name: value for name, value in found.items() if not math.isnan(value)}

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        return {
            "scores": [_told(row) for row in self.scores],
            "before": None if self.before is None else _told(self.before),
            "joint": None if self.joint is None else _told(self.joint),
            "names": list(self.names),
            "figures": self.figures(),
        }

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> Retention:
        """The way back.

        Raises:
            InvalidInput: it is not what `to_dict` gave.
        """
        try:
            scores = tuple(map(_read, value["scores"]))
            before, joint = (None if value[name] is None else _read(value[name]) for name in ("before", "joint"))
            return cls(scores, before, joint, tuple(map(str, value["names"])))
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput(
                f"These are no figures of retention: {error!r}.", mend="Give what `to_dict` gave."
            ) from error


def _told(row: Row) -> list[float | None]:
    """JSON knows no NaN."""
    return [None if math.isnan(value) else value for value in row]


def _read(row: Sequence[float | None]) -> Row:
    return tuple(math.nan if value is None else float(value) for value in row)


class Follows(Protocol):
    """What can be followed; `ContinualLearner` is one."""

    def learn(self, experience: Experience) -> object:
        """Learn one experience."""
        ...

    def evaluate(self, experience: Experience) -> Mapping[str, float]:
        """Its "accuracy", or its "loss" where targets are real."""
        ...


def follow(
    learner: Follows,
    stream: Stream,
    learn: Callable[[Experience], object] | None = None,
    *,
    before: bool = True,
    joint: Sequence[float] | None = None,
) -> Retention:
    """Learn a stream, and look at every test after each experience.

    In the scenario "task" a learner can say nothing of tasks that it has not met, and those scores are NaN; in "class"
    it is wrong on classes that it has not met.

    Args:
        learner: it is trained.
        stream: what to learn.
        learn: instead of `learner.learn`, e.g. `lambda one: learner.learn(one, epochs=5)`.
        before: also look before the first experience.
        joint: see `Retention`.

    Raises:
        InvalidInput: the learner can not be followed, or there is no stream.

    >>> import torch
    >>> from onward.learners.continual import ContinualLearner
    >>> from onward.learners.continual.scenarios import permuted
    >>> x, y = torch.randn(60, 4), torch.arange(60) % 2
    >>> learner = ContinualLearner(torch.nn.Linear(4, 2), scenario="domain")
    >>> len(follow(learner, permuted(x + y[:, None], y, 3)))
    3
    """
    _check(learner, stream)
    first = _row(learner, stream, 0) if before and stream.kind != "task" else None
    rows = []
    for at, experience in enumerate(stream):
        (learner.learn if learn is None else learn)(experience)
        rows.append(_row(learner, stream, at + 1))
    return Retention(tuple(rows), first, None if joint is None else tuple(joint), stream.names)


def _check(learner: Any, stream: Any) -> None:
    if not all(callable(getattr(learner, name, None)) for name in ("learn", "evaluate")):
        raise InvalidInput(f"A {type(learner).__name__} is no learner.", mend="Give a ContinualLearner.")
    if not isinstance(stream, Stream):
        raise InvalidInput(
            f"A {type(stream).__name__} is no stream.", mend="Give a Stream, e.g. from_arrays(x, y) of scenarios."
        )


def _row(learner: Follows, stream: Stream, met: int) -> Row:
    """The score on every test that can be asked after so many experiences."""
    asked = met if stream.kind == "task" else len(stream)
    found = [learner.evaluate(stream.test[at]) for at in range(asked)]
    scores = [-one["loss"] if stream.regression else one["accuracy"] for one in found]
    return (*scores, *[math.nan] * (len(stream) - asked))
