"""One model's predictions held against what people said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import TYPE_CHECKING

from onward.core import HEADS, Entity, EvaluationSet, Head, InvalidInput, Labels, Prediction

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Answer = tuple[Labels, Labels]  # wanted, said


@dataclass(frozen=True, slots=True, eq=False)
class HeadOutcomes:
    """How one head did on the k examples whose labels say something of it.

    Args:
        where: (k,) positions of those examples in their `Outcomes`, ascending.
        right: (k,) 0 or 1 for intent and sentiment; for entities the F1 of the example's exact spans, 0..1.
        wanted: k labels that people gave; empty for entities.
        said: k labels that the model gave, `None` where it has not learned the head; empty for entities.
        spans: (k, 3) spans right, wrong and missed for entities; (0, 3) for the other heads.
    """

    where: NDArray[np.intp]
    right: NDArray[np.float64]
    wanted: tuple[str, ...]
    said: tuple[str | None, ...]
    spans: NDArray[np.intp]


@dataclass(frozen=True, slots=True, eq=False)
class Outcomes:
    """One model's predictions scored on one evaluation set of n examples (those without any label are left out).

    Args:
        name: the set's name.
        new: whether the set is the work that the champion has not been judged on yet.
        examples: n ids.
        scores: (n,) mean over the example's heads of how right they are, 0..1.
        heads: by head, where any example has it.
    """

    name: str
    new: bool
    examples: tuple[str, ...]
    scores: NDArray[np.float64]
    heads: Mapping[Head, HeadOutcomes]

    @property
    def accuracy(self) -> float:
        """Mean over the examples of the share of heads right, 0..1; 0 where there are no examples."""
        return float(self.scores.mean()) if len(self.scores) else 0.0


def score(predictions: Sequence[Prediction], evaluation_set: EvaluationSet) -> Outcomes:
    """Hold a model's predictions, one per example and in order, against the labels of an evaluation set.

    A head counts only on examples whose labels say something of it. A prediction that says nothing there is wrong.

    Raises:
        InvalidInput: there is not exactly one prediction per example.

    >>> from onward.core import Example
    >>> example = Example(id="a", text="money back", labels=Labels(intent="refund"), split="evaluation")
    >>> score([Prediction(Labels(intent="refund"))], EvaluationSet(name="s", examples=(example,))).accuracy
    1.0
    """
    if len(predictions) != len(evaluation_set.examples):
        raise InvalidInput(
            f"{len(predictions)} predictions for the {len(evaluation_set.examples)} examples of {evaluation_set.name}.",
            mend="Predict the texts of the set, all and in order.",
        )
    pairs = list(zip(evaluation_set.examples, predictions, strict=True))
    kept = [(example, prediction) for example, prediction in pairs if example.labels.heads]
    answers = [(example.labels, prediction.labels) for example, prediction in kept]
    heads = {head: found for head in HEADS if (found := _head(head, answers)) is not None}
    ids = tuple(example.id for example, _ in kept)
    return Outcomes(evaluation_set.name, evaluation_set.new, ids, _mean_over_heads(heads, len(ids)), heads)


def score_all(predictions: Sequence[Prediction], sets: Sequence[EvaluationSet]) -> list[Outcomes]:
    """Score one model's predictions on the examples of several sets, given in one sequence in the sets' order.

    Raises:
        InvalidInput: there is not exactly one prediction per example.
    """
    rest = iter(predictions)
    scored = [score(list(islice(rest, len(one.examples))), one) for one in sets]
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
            for head in HEADS
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
    )


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


def _mean_over_heads(heads: Mapping[Head, HeadOutcomes], count: int) -> NDArray[np.float64]:
    import numpy as np

    right, parts = np.zeros(count), np.zeros(count)
    for head in heads.values():
        right[head.where] += head.right
        parts[head.where] += 1
    return right / parts
