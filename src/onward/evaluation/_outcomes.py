"""One model's predictions held against what people said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Final, Literal

from onward.core import HEADS, Entity, EvaluationSet, Head, InvalidInput, Labels, Prediction

from ._tasks import asked

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Answer = tuple[Labels, Labels]  # wanted, said
Judged = Head | Literal["task"]
"""What has figures of its own: each head, and few-shot tasks."""
JUDGED: Final[tuple[Judged, ...]] = (*HEADS, "task")


def _nothing() -> NDArray[np.float64]:
    import numpy as np

    return np.empty(0)


@dataclass(frozen=True, slots=True, eq=False)
class HeadOutcomes:
    """How one head did on the k examples whose labels say something of it; or how k few-shot tasks went.

    Args:
        where: (k,) positions of those examples in their `Outcomes`, ascending.
        right: (k,) 0 or 1 for intent and sentiment; for entities the F1 of the example's exact spans, 0..1; for tasks
            the mean over the queries of the share of their heads right, 0..1.
        wanted: k labels that people gave; empty for entities and tasks.
        said: k labels that the model gave, `None` where it has not learned the head; empty for entities and tasks.
        spans: (k, 3) spans right, wrong and missed for entities; (0, 3) for the others.
        usual: (k,) for tasks what always answering the task's most frequent labels would score; (0,) for the others.
    """

    where: NDArray[np.intp]
    right: NDArray[np.float64]
    wanted: tuple[str, ...]
    said: tuple[str | None, ...]
    spans: NDArray[np.intp]
    usual: NDArray[np.float64] = field(default_factory=_nothing)


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """One model's predictions scored on one evaluation set of n examples (those without any label are left out).

    A few-shot task counts as one example. Tasks come after all others.

    Args:
        name: the set's name.
        new: whether the set is the work that the champion has not been judged on yet.
        examples: n ids; of tasks, their units.
        scores: (n,) mean over the example's heads of how right they are, 0..1; of tasks, mean over their queries.
        heads: by head, where any example has it, and "task", where there are tasks.
    """

    name: str
    new: bool
    examples: tuple[str, ...]
    scores: NDArray[np.float64]
    heads: Mapping[Judged, HeadOutcomes]

    @property
    def accuracy(self) -> float:
        """Mean over the examples of the share of heads right, 0..1; 0 where there are no examples."""
        return float(self.scores.mean()) if len(self.scores) else 0.0


def score(predictions: Sequence[Prediction], evaluation_set: EvaluationSet) -> Outcomes:
    """Hold a model's predictions, one per example asked and in order, against the labels of an evaluation set.

    A head counts only on examples whose labels say something of it. A prediction that says nothing there is wrong.

    Raises:
        InvalidInput: there is not exactly one prediction per example.

    >>> from onward.core import Example
    >>> example = Example(id="a", text="money back", labels=Labels(intent="refund"), split="evaluation")
    >>> score([Prediction(Labels(intent="refund"))], EvaluationSet(name="s", examples=(example,))).accuracy
    1.0
    """
    import numpy as np

    examples = asked(evaluation_set)
    if len(predictions) != len(examples):
        raise InvalidInput(
            f"{len(predictions)} predictions for the {len(examples)} examples of {evaluation_set.name}.",
            mend="Predict the texts of the set, all and in order.",
        )
    plain: list[Answer] = []
    tasks: dict[str, list[Answer]] = {}
    for example, prediction in zip(examples, predictions, strict=True):
        if example.labels.heads:
            mine = plain if example.task is None else tasks.setdefault(example.unit, [])
            mine.append((example.labels, prediction.labels))
    ids = tuple(example.id for example in examples if example.task is None and example.labels.heads)
    heads = _heads(plain)
    scores = _mean_over_heads(heads, len(plain))
    if tasks:
        heads["task"] = _tasks(list(tasks.values()), len(plain))
        scores = np.concatenate([scores, heads["task"].right])
    return Outcomes(evaluation_set.name, evaluation_set.new, (*ids, *tasks), scores, heads)


def score_all(predictions: Sequence[Prediction], sets: Sequence[EvaluationSet]) -> list[Outcomes]:
    """Score one model's predictions on the examples of several sets, given in one sequence in the sets' order.

    Raises:
        InvalidInput: there is not exactly one prediction per example.
    """
    rest = iter(predictions)
    scored = [score(list(islice(rest, len(asked(one)))), one) for one in sets]
    if next(rest, None) is not None:
        raise InvalidInput("There are more predictions than examples.", mend="Predict the texts of the sets, in order.")
    return scored


def pooled(outcomes: Sequence[Outcomes], name: str) -> Outcomes:
    """Several outcomes of one model as one, in order; `new` where all of them are."""
    import numpy as np

    starts = np.cumsum([0, *(len(part.examples) for part in outcomes)])
    return Outcomes(
        name=name,
        new=all(part.new for part in outcomes),
        examples=tuple(chain.from_iterable(part.examples for part in outcomes)),
        scores=np.concatenate([np.empty(0), *(part.scores for part in outcomes)]),
        heads={
            head: _joined(
                [(part.heads[head], start) for part, start in zip(outcomes, starts, strict=False) if head in part.heads]
            )
            for head in JUDGED
            if any(head in part.heads for part in outcomes)
        },
    )


def _joined(parts: Sequence[tuple[HeadOutcomes, int]]) -> HeadOutcomes:
    import numpy as np

    return HeadOutcomes(
        where=np.concatenate([part.where + start for part, start in parts]),
        right=np.concatenate([part.right for part, _ in parts]),
        wanted=tuple(chain.from_iterable(part.wanted for part, _ in parts)),
        said=tuple(chain.from_iterable(part.said for part, _ in parts)),
        spans=np.concatenate([part.spans for part, _ in parts]),
        usual=np.concatenate([part.usual for part, _ in parts]),
    )


def _heads(answers: Sequence[Answer]) -> dict[Judged, HeadOutcomes]:
    return {head: found for head in HEADS if (found := _head(head, answers)) is not None}


def _tasks(tasks: Sequence[Sequence[Answer]], start: int) -> HeadOutcomes:
    """Tasks, each as the answers to its queries; the first one stands at `start`."""
    import numpy as np

    heads = [_heads(queries) for queries in tasks]
    right = [_mean_over_heads(found, len(queries)).mean() for found, queries in zip(heads, tasks, strict=True)]
    usual = [always_the_same(found, len(queries)).mean() for found, queries in zip(heads, tasks, strict=True)]
    where = np.arange(start, start + len(tasks))
    return HeadOutcomes(where, np.array(right), (), (), np.empty((0, 3), np.intp), np.array(usual))


def always_the_same(heads: Mapping[Judged, HeadOutcomes], count: int) -> NDArray[np.float64]:
    """(count,) scores of always answering the most frequent label of each head, of each task, and no entities."""
    import numpy as np

    total, parts = np.zeros(count), np.zeros(count)
    for head, found in heads.items():
        total[found.where] += found.usual if head == "task" else _most_frequent(found)
        parts[found.where] += 1
    return total / parts


def _most_frequent(head: HeadOutcomes) -> NDArray[np.float64]:
    import numpy as np

    if not head.wanted:
        return np.asarray(head.spans[:, 0] + head.spans[:, 2] == 0, float)
    label = Counter(sorted(head.wanted)).most_common(1)[0][0]
    return np.array([want == label for want in head.wanted], float)


def _head(head: Head, answers: Sequence[Answer]) -> HeadOutcomes | None:
    where = [at for at, (wanted, _) in enumerate(answers) if getattr(wanted, head) is not None]
    if not where:
        return None
    there = [answers[at] for at in where]
    return _entities(where, there) if head == "entities" else _labels(head, where, there)


def _labels(head: Head, where: list[int], answers: Sequence[Answer]) -> HeadOutcomes:
    import numpy as np

    wanted = tuple(getattr(want, head) for want, _ in answers)
    said = tuple(getattr(say, head) for _, say in answers)
    right = np.array([want == say for want, say in zip(wanted, said, strict=True)], float)
    return HeadOutcomes(np.array(where, np.intp), right, wanted, said, np.empty((0, 3), np.intp))


def _entities(where: list[int], answers: Sequence[Answer]) -> HeadOutcomes:
    import numpy as np

    spans = np.array([_spans(want.entities or (), say.entities or ()) for want, say in answers], np.intp)
    learned = np.array([say.entities is not None for _, say in answers])
    return HeadOutcomes(np.array(where, np.intp), np.where(learned, _span_f1(spans), 0.0), (), (), spans)


def _spans(wanted: Sequence[Entity], said: Sequence[Entity]) -> tuple[int, int, int]:
    right = len(set(wanted) & set(said))
    return right, len(set(said)) - right, len(set(wanted)) - right


def _span_f1(spans: NDArray[np.intp]) -> NDArray[np.float64]:
    """F1 per row; 1 where no span is wanted and none said."""
    import numpy as np

    twice, wrong = 2.0 * spans[:, 0], spans[:, 1:].sum(axis=1)
    return np.where(twice + wrong > 0, twice / np.maximum(twice + wrong, 1), 1.0)


def _mean_over_heads(heads: Mapping[Judged, HeadOutcomes], count: int) -> NDArray[np.float64]:
    import numpy as np

    right, parts = np.zeros(count), np.zeros(count)
    for head in heads.values():
        right[head.where] += head.right
        parts[head.where] += 1
    return right / parts
