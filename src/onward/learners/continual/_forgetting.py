"""Which older tasks were forgotten, and which were surely kept: paired tests. It reports; it never acts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

import numpy as np
import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import above, at_least

from ._checks import asked, check_experience, check_targets, is_classes
from ._experience import Experience
from ._losses import LossFunction, each
from ._noninferiority import mean_above, more_often, surely_not_worse

Outcomes = np.ndarray[Any, np.dtype[np.float64]]
Since = Literal["before", "best"]
Pair = tuple[Outcomes, Outcomes]
ROUNDING: Final = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFinding:
    """One older task, then and now.

    Args:
        task: what it is called.
        since: then is "before" something was learned, or when the task was "best".
        examples: how many were compared.
        before, after: mean outcome then and now: accuracy, or minus the loss.
        lost, won: examples whose outcome became worse, better.
        chance: of such a loss or a larger one if nothing had been lost, over all findings together (Holm).
        chance_kept: of a loss so small or smaller if the true one were the margin.
        forgotten: whether the loss is above the margin and no accident.
        kept: whether the loss is surely below the margin. Few examples can show neither.
    """

    task: str
    since: Since
    examples: int
    before: float
    after: float
    lost: int
    won: int
    chance: float
    chance_kept: float
    forgotten: bool
    kept: bool

    @property
    def loss(self) -> float:
        """How much was lost; below 0 where it became better."""
        return self.before - self.after


@dataclass(frozen=True, slots=True)
class ForgettingReport:
    """What a comparison found, task by task.

    Args:
        findings: in the order of the tasks; then, in the same order, those since the tasks were best.
        margin, level: as in `ForgettingDetector`.
    """

    findings: tuple[TaskFinding, ...]
    margin: float
    level: float

    @property
    def forgotten(self) -> tuple[str, ...]:
        """Tasks that were forgotten."""
        return tuple(dict.fromkeys(one.task for one in self.findings if one.forgotten))

    @property
    def unclear(self) -> tuple[str, ...]:
        """Tasks of which neither could be shown."""
        shown = self.forgotten
        return tuple(dict.fromkeys(one.task for one in self.findings if not one.kept and one.task not in shown))

    @property
    def kept(self) -> bool:
        """Whether every task was shown to be kept."""
        return all(one.kept for one in self.findings)

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON."""
        findings = [asdict(one) | {"loss": one.loss} for one in self.findings]
        return {"margin": self.margin, "level": self.level, "kept": self.kept, "findings": findings}


@dataclass(frozen=True, slots=True)
class ForgettingDetector:
    """Compares the outcomes of the same examples before and after something was learned.

    Two questions are asked of each task. *Forgotten*: the mean loss is above `margin`, and the exact sign-flip test
    of right and wrong answers (McNemar's; of real outcomes Student's t of the differences) rejects that nothing was
    lost; the level is shared by Holm's procedure, so that it is the chance of any false alarm. *Kept*: the exact
    unconditional non-inferiority test (of real outcomes Student's t) rejects that the loss is the margin or more. That
    *all* tasks were kept needs no sharing: each has to be shown (Berger 1982, the intersection-union test).

    Many small losses, each of them borne, add up. Told the outcomes of when each task was best, it asks the same of
    what was lost since then: of "kept" these are further tests, each of which has to be shown. Of "forgotten" they
    share the level, which then is the chance of a false alarm as far as one earlier standing goes: the best of many
    looks better than it was, and falls back by chance the more often the more there were.

    With nothing changed at all, about `ln(level) / ln(1 - margin)` examples show that a task was kept: 59 at 5 % each.

    Args:
        margin: loss that is borne, in points of the mean outcome: 0.05 is 5 points of accuracy. For accuracy at most 1.
        level: of both tests, above 0 and below 1.

    Raises:
        InvalidInput: one is out of its range.

    >>> import torch
    >>> before = {"digits": torch.ones(100)}
    >>> after = {"digits": (torch.arange(100) >= 12).float()}
    >>> report = ForgettingDetector(margin=0.05).compare(before, after)
    >>> report.forgotten, round(report.findings[0].loss, 2), report.findings[0].chance < 0.001
    (('digits',), 0.12, True)
    >>> ForgettingDetector(margin=0.05).compare(before, before).kept
    True
    """

    margin: float = 0.05
    level: float = 0.05

    def __post_init__(self) -> None:
        at_least(0, margin=self.margin)
        above(level=self.level)
        if self.level >= 1:
            raise InvalidInput(f"level is {self.level!r}.", mend="Give a number above 0 and below 1.")

    def compare(
        self, before: Mapping[str, Any], after: Mapping[str, Any], best: Mapping[str, Any] | None = None
    ) -> ForgettingReport:
        """Look for tasks that were forgotten.

        Args:
            before: task -> (n,) outcomes, higher is better: whether each example was right, or minus its loss.
            after: the same tasks and examples, later.
            best: the same tasks and examples when each task was best. What is the same as before is tested once.

        Raises:
            InvalidInput: tasks or numbers of examples differ, there are none, or an outcome is not finite.

        >>> now, ever = {"a": [1.0] * 93 + [0.0] * 7}, {"a": [1.0] * 100}
        >>> report = ForgettingDetector().compare(now, now, ever)
        >>> [(one.since, one.forgotten) for one in report.findings]
        [('before', False), ('best', True)]
        """
        pairs = _pairs(before, after, best)
        chances = _holm([_chance_of_loss(old - new) for old, new in pairs.values()])
        findings = [
            self._finding(*of, *pair, chance) for (of, pair), chance in zip(pairs.items(), chances, strict=True)
        ]
        return ForgettingReport(tuple(findings), self.margin, self.level)

    def _finding(self, task: str, since: Since, old: Outcomes, new: Outcomes, chance: float) -> TaskFinding:
        loss = old - new
        chance_kept = surely_not_worse(-loss, self.margin)
        forgotten = chance <= self.level and float(loss.mean()) > self.margin + ROUNDING
        return TaskFinding(
            task=task,
            since=since,
            examples=len(loss),
            before=float(old.mean()),
            after=float(new.mean()),
            lost=int((loss > 0).sum()),
            won=int((loss < 0).sum()),
            chance=chance,
            chance_kept=chance_kept,
            forgotten=forgotten,
            kept=chance_kept <= self.level,
        )


def outcomes(learner: Any, experience: Experience) -> Tensor:
    """(n,) what `compare` wants of a learner: whether each example was right. Of targets that are not one class for
    each example, minus what the learner's own loss says of each.

    Args:
        learner: a `ContinualLearner`.

    Raises:
        InvalidInput: its loss says nothing of an example alone.

    >>> import torch
    >>> from onward.learners.continual import ContinualLearner
    >>> learner = ContinualLearner(torch.nn.Linear(2, 2))
    >>> tuple(outcomes(learner, Experience(torch.zeros(3, 2), torch.tensor([0, 1, 1]))).shape)
    (3,)
    """
    scores: Tensor = learner.scores(experience.x, experience.task)
    if is_classes(experience.y):
        return (scores.argmax(1) == experience.y).double().cpu()
    return -_losses(learner._course.loss, scores, experience.y)  # noqa: SLF001 - what it learns by


def check_outcomes(learner: Any, experience: Experience) -> None:
    """Look whether `outcomes` will say something of an experience, before it is learned.

    Args:
        learner: a `ContinualLearner`.

    Raises:
        InvalidInput: the experience does not fit, or the learner's loss says nothing of an example alone.
    """
    check_experience(experience, learner.device)
    if is_classes(experience.y):
        return
    course, named = learner._course, learner._loss  # noqa: SLF001 - what it learns by
    outputs = asked(course, course.network, experience.x[:1])
    check_targets(outputs, experience.y, named)
    _losses(course.loss, outputs, experience.y[:1])


def _losses(loss: LossFunction, scores: Tensor, y: Tensor) -> Tensor:
    """(n,) what a loss says of each example."""
    with torch.no_grad():
        losses = each(loss, scores, y).double().cpu()
    if not losses.isfinite().all():
        raise InvalidInput(
            "The loss of an example alone is no finite number.",
            why="Learners are compared example by example.",
            mend="Give a function of (scores, y) whose value is the mean over the examples, however few.",
        )
    return losses


def _pairs(
    before: Mapping[str, Any], after: Mapping[str, Any], best: Mapping[str, Any] | None
) -> dict[tuple[str, Since], Pair]:
    """What is compared with what."""
    now = _matched(before, after, "before")
    pairs: dict[tuple[str, Since], Pair] = {(name, "before"): pair for name, pair in now.items()}
    ever = {} if best is None else _matched(best, after, "at best")
    return pairs | {(name, "best"): pair for name, pair in ever.items() if not np.array_equal(pair[0], now[name][0])}


def _matched(then: Mapping[str, Any], after: Mapping[str, Any], said: str) -> dict[str, Pair]:
    old, new = _by_task(then), _by_task(after)
    if old.keys() != new.keys() or not old:
        raise InvalidInput(
            f"Tasks {said}: {', '.join(old) or 'none'}; after: {', '.join(new) or 'none'}.",
            mend="Give the same tasks each time, one at least.",
        )
    for name, one in old.items():
        if one.shape != new[name].shape or one.ndim != 1 or not len(one):
            raise InvalidInput(
                f"Task {name!r} has outcomes of shape {one.shape} {said} and {new[name].shape} after.",
                mend="Give one for each example (n,), of the same examples in the same order.",
            )
    return {name: (one, new[name]) for name, one in old.items()}


def _by_task(given: Mapping[str, Any]) -> dict[str, Outcomes]:
    """The outcomes of each task, by its name."""
    if not isinstance(given, Mapping):
        raise InvalidInput(f"A {type(given).__name__} says no outcomes.", mend="Give a dict: task -> outcomes (n,).")
    found = {str(name): _outcomes(str(name), values) for name, values in given.items()}
    if len(found) != len(given):
        raise InvalidInput(f"Two of the tasks {list(given)} are called alike.", mend="Name each by a text of its own.")
    return found


def _outcomes(name: str, values: Any) -> Outcomes:
    try:
        plain = values.detach().cpu().double().numpy() if isinstance(values, Tensor) else np.asarray(values)
        found: Outcomes = plain.astype(np.float64, casting="same_kind")
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"The outcomes of task {name!r} are no numbers.", why=f"{error}.", mend="Give accuracies, or losses."
        ) from error
    if not np.isfinite(found).all():
        raise InvalidInput(f"Task {name!r} has an outcome that is not finite.", mend="Give accuracies, or losses.")
    return found


def _chance_of_loss(loss: Outcomes) -> float:
    """One-sided chance of so large a mean loss, or a larger one, if the true one were 0."""
    if not np.isin(loss, (-1.0, 0.0, 1.0)).all():
        return mean_above(loss, 0.0)
    return more_often(int((loss > 0).sum()), int((loss < 0).sum()))


def _holm(chances: Sequence[float]) -> list[float]:
    """The chances adjusted so that each may be held against the level (Holm, Scand. J. Statist. 6, 1979)."""
    adjusted, floor = [0.0] * len(chances), 0.0
    for rank, at in enumerate(sorted(range(len(chances)), key=chances.__getitem__)):
        floor = max(floor, min(1.0, (len(chances) - rank) * chances[at]))
        adjusted[at] = floor
    return adjusted
