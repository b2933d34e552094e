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

from ._tasks import asked, by_unit, whole

Stratum = tuple[str | frozenset[str] | None, ...]


def freeze(dataset: DatasetVersion, frozen: Sequence[EvaluationSet]) -> EvaluationSet:
    """The trusted examples of the evaluation split that are in no frozen set yet, as a new set named by the data set.

    Examples of earlier data set versions that have only now become trusted are among them. A task comes with all of its
    support set as it is now, so that the set can be judged by itself. It may be empty.
    """
    judged = {example.id for old in frozen for example in asked(old)}
    trusted = (e for e in dataset.split("evaluation") if e.trusted and e.labels.heads)
    examples = whole(e for e in trusted if e.part == "support" or e.id not in judged)
    return EvaluationSet(name=dataset.id, examples=examples, new=True)


def bounded(sets: Sequence[EvaluationSet], limit: int) -> list[EvaluationSet]:
    """The sets, oldest first, with at most `limit` examples in all; a task counts as one, and stays whole.

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
    units = [list(by_unit(one.examples).values()) for one in sets]
    sizes = [len(own) for own in units]
    if sum(sizes) <= limit:
        return list(sets)
    kept = (_sampled(*each) for each in zip(sets, units, _shares(sizes, limit), strict=True))
    return [one for one in kept if one.examples]


def answerable(sets: Sequence[EvaluationSet], answers: Iterable[Sequence[Prediction]]) -> list[EvaluationSet]:
    """The sets without the heads that none of the models has learned: what nobody can answer judges nobody.

    Args:
        answers: every model's predictions of the examples asked, the champion's too; a head that is `None` in all of
            them is unlearned: in tasks, and outside of them, each for itself.
    """
    tasks = [example.task is not None for one in sets for example in asked(one)]
    learned = {
        (in_task, head)
        for predictions in answers
        for in_task, prediction in zip(tasks, predictions, strict=False)
        for head in prediction.labels.heads
    }
    if len(learned) == 2 * len(HEADS):
        return list(sets)
    return [replace(one, examples=tuple(_only(example, learned) for example in one.examples)) for one in sets]


def _only(example: Example, learned: Collection[tuple[bool, Head]]) -> Example:
    in_task, labels = example.task is not None, example.labels
    kept = {head: getattr(labels, head) for head in labels.heads if (in_task, head) in learned}
    return replace(example, labels=Labels(**kept))


def _shares(sizes: Sequence[int], limit: int) -> list[int]:
    floor = limit // (2 * len(sizes))
    shares = [min(size, floor) for size in sizes]
    spare = limit - sum(shares)
    for at in reversed(range(len(sizes))):
        extra = min(sizes[at] - shares[at], spare)
        shares[at] += extra
        spare -= extra
    return shares


def _sampled(one: EvaluationSet, units: Sequence[Sequence[Example]], count: int) -> EvaluationSet:
    if count >= len(units):
        return one
    chosen = {example.unit for example in _spread(unit[0] for unit in units)[:count]}
    return replace(one, examples=tuple(example for example in one.examples if example.unit in chosen))


def _spread(examples: Iterable[Example]) -> list[Example]:
    """In such an order that every beginning of it holds the label combinations, and tasks, in their proportions."""
    strata: dict[Stratum, list[tuple[str, Example]]] = defaultdict(list)
    for example in examples:
        strata[_stratum(example)].append((content_hash(example.unit), example))
    ranked = [
        (rank / len(stratum), digest, example)
        for stratum in strata.values()
        for rank, (digest, example) in enumerate(sorted(stratum, key=lambda pair: pair[0]))
    ]
    return [example for _, _, example in sorted(ranked, key=lambda row: row[:2])]


def _stratum(example: Example) -> Stratum:
    if example.task is not None:
        return ()
    labels = example.labels
    kinds = None if labels.entities is None else frozenset(entity.label for entity in labels.entities)
    return labels.intent, labels.sentiment, kinds
