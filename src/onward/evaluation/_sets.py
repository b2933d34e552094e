"""Evaluation sets: frozen from a data set version, and sampled when they grow too many."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

from onward.core import (
    HEADS,
    DatasetVersion,
    EvaluationSet,
    Example,
    Head,
    InvalidInput,
    Labels,
    Prediction,
    content_hash,
)


def freeze(dataset: DatasetVersion, frozen: Sequence[EvaluationSet]) -> EvaluationSet:
    """The trusted examples of the evaluation split that are in no frozen set yet, as a new set named by the data set.

    Examples of earlier data set versions that have only now become trusted are among them. It may be empty.
    """
    judged = {example.id for old in frozen for example in old.examples}
    examples = (example for example in dataset.split("evaluation") if example.trusted and example.id not in judged)
    return EvaluationSet(name=dataset.id, examples=tuple(e for e in examples if e.labels.heads), new=True)


def bounded(sets: Sequence[EvaluationSet], limit: int) -> list[EvaluationSet]:
    """The sets, oldest first, with at most `limit` examples in all.

    Half of the limit is shared out equally, so that every set stays visible. The other half goes to the newest sets
    first: they stay whole, the oldest are sampled. A set left without examples is dropped.

    A sample is decided by content alone and a smaller one is part of a larger one: each label combination's examples,
    in the order of their hashes, are spread evenly, and every label combination is there before one is there twice
    over its share.

    Raises:
        InvalidInput: `limit` is below 1.
    """
    if limit < 1:
        raise InvalidInput(f"At most {limit} evaluation examples cannot judge anything.", mend="Allow 1 or more.")
    if sum(len(one.examples) for one in sets) <= limit:
        return list(sets)
    kept = (_sampled(one, count) for one, count in zip(sets, _shares(sets, limit), strict=True))
    return [one for one in kept if one.examples]


def answerable(sets: Sequence[EvaluationSet], answers: Iterable[Sequence[Prediction]]) -> list[EvaluationSet]:
    """The sets without the heads that none of the models has learned: what nobody can answer judges nobody.

    Args:
        answers: every model's predictions, the champion's too; a head that is `None` in all of them is unlearned.
    """
    learned = {head for predictions in answers for prediction in predictions for head in prediction.labels.heads}
    if learned.issuperset(HEADS):
        return list(sets)
    return [replace(one, examples=tuple(_only(example, learned) for example in one.examples)) for one in sets]


def _only(example: Example, heads: Collection[Head]) -> Example:
    kept = {head: getattr(example.labels, head) for head in example.labels.heads if head in heads}
    return replace(example, labels=Labels(**kept))


def _shares(sets: Sequence[EvaluationSet], limit: int) -> list[int]:
    floor = limit // (2 * len(sets))
    shares = [min(len(one.examples), floor) for one in sets]
    spare = limit - sum(shares)
    for at in reversed(range(len(sets))):
        extra = min(len(sets[at].examples) - shares[at], spare)
        shares[at] += extra
        spare -= extra
    return shares


def _sampled(one: EvaluationSet, count: int) -> EvaluationSet:
    if count >= len(one.examples):
        return one
    chosen = {example.id for example in _spread(one.examples)[:count]}
    return replace(one, examples=tuple(example for example in one.examples if example.id in chosen))


def _spread(examples: Iterable[Example]) -> list[Example]:
    """In such an order that every beginning of it holds the label combinations in their proportions."""
    strata: dict[tuple[str | None, str | None, frozenset[str] | None], list[tuple[str, Example]]] = defaultdict(list)
    for example in examples:
        strata[_stratum(example)].append((content_hash(example.id), example))
    ranked = [
        (rank / len(stratum), digest, example)
        for stratum in strata.values()
        for rank, (digest, example) in enumerate(sorted(stratum, key=lambda pair: pair[0]))
    ]
    return [example for _, _, example in sorted(ranked, key=lambda row: row[:2])]


def _stratum(example: Example) -> tuple[str | None, str | None, frozenset[str] | None]:
    labels = example.labels
    kinds = None if labels.entities is None else frozenset(entity.label for entity in labels.entities)
    return labels.intent, labels.sentiment, kinds
