"""Few-shot tasks in evaluation sets: who is asked what, and which answers belong together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import compress

from onward.core import EvaluationSet, Example, FewShotModel, InvalidInput, Labels, Model, Prediction

SILENT = Prediction(Labels())


def asked(one: EvaluationSet) -> tuple[Example, ...]:
    """The examples of a set that a model is asked about, in order: all but those that only teach a task."""
    return tuple(example for example in one.examples if example.part != "support")


def whole(examples: Iterable[Example]) -> tuple[Example, ...]:
    """The examples without those of tasks that lack a support set, or a query."""
    kept = tuple(examples)
    parts = {(example.task, example.part) for example in kept}
    return tuple(e for e in kept if e.task is None or {(e.task, "support"), (e.task, "query")} <= parts)


def by_unit(examples: Iterable[Example]) -> dict[str, list[Example]]:
    """Examples by unit, in the order of the first of each."""
    units: dict[str, list[Example]] = {}
    for example in examples:
        units.setdefault(example.unit, []).append(example)
    return units


def answers(model: Model, sets: Sequence[EvaluationSet]) -> list[Prediction]:
    """A model's prediction for each example asked, set after set: plain texts at once, queries after adapting to their
    task. Of tasks that it cannot adapt to, a model says nothing.

    Raises:
        InvalidInput: the model did not give one prediction per text.

    >>> class Parrot:
    ...     def predict(self, texts):
    ...         return [Prediction(Labels(intent=text)) for text in texts]
    ...     def save(self, folder): ...
    >>> examples = tuple(
    ...     Example(id=str(i), text=text, labels=Labels(intent="x"), split="evaluation", task=task, part=part)
    ...     for i, (text, task, part) in enumerate([("a", None, None), ("b", "t", "support"), ("c", "t", "query")])
    ... )
    >>> [said.labels.intent for said in answers(Parrot(), [EvaluationSet(name="s", examples=examples)])]
    ['a', None]
    """
    places = [(one, example) for one in sets for example in asked(one)]
    plain = [example.task is None for _, example in places]
    texts = [example.text for _, example in compress(places, plain)]
    said = iter(_said(model, texts))
    of_tasks = [_of_tasks(model, one) for one in sets]
    given = iter([prediction for one in of_tasks for prediction in one])
    return [next(said if is_plain else given) for is_plain in plain]


def _of_tasks(model: Model, one: EvaluationSet) -> list[Prediction]:
    """Predictions of a set's queries, in order."""
    queries = [example for example in asked(one) if example.task is not None]
    if not isinstance(model, FewShotModel):
        return [SILENT] * len(queries)
    found: dict[str, Prediction] = {}
    for examples in by_unit(e for e in one.examples if e.task is not None).values():
        mine = [example for example in examples if example.part == "query"]
        adapted = _adapted(model, [example for example in examples if example.part == "support"])
        texts = [query.text for query in mine]
        said = [SILENT] * len(texts) if adapted is None else _said(adapted, texts)
        found |= zip((query.id for query in mine), said, strict=True)
    return [found[query.id] for query in queries]


def _adapted(model: FewShotModel, support: Sequence[Example]) -> Model | None:
    """The model of one task; `None` where its support set has no label that this model can learn."""
    try:
        return model.adapt(support)
    except InvalidInput:
        return None


def _said(model: Model, texts: Sequence[str]) -> list[Prediction]:
    said = model.predict(texts)
    if len(said) != len(texts):
        raise InvalidInput(f"The model gave {len(said)} predictions for {len(texts)} texts.")
    return said
