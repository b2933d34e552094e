"""From a prediction back to the interactions that taught it."""

from __future__ import annotations

from collections.abc import Iterable

from onward.core import DatasetVersion, Example, Interaction, InvalidInput, ModelVersion, NotFound
from onward.loop import House

from ._records import Teacher, Trace
from ._tasks import support_set

TEACHERS_SHOWN = 5


def trace(house: House, tenant: str, interaction_id: str) -> Trace:
    """The whole trace of one interaction.

    Raises:
        NotFound: nothing was recorded under this id.
    """
    interaction = house.experience.interaction(tenant, interaction_id)
    number = interaction.prediction.version if interaction.prediction else None
    version = None if number is None else _ours(house, tenant, number)
    service = None
    if version is not None:
        moves = [m for m in house.registry.history(tenant) if m.version == version.number and m.at <= interaction.at]
        service = moves[-1] if moves else None
    dataset = None if version is None else stored_dataset(house, version)
    return Trace(
        interaction=interaction,
        feedback=tuple(house.experience.feedback(tenant, interaction_id)),
        version=version,
        service=service,
        dataset=None if version is None else version.dataset,
        interactions_taught_from=None if version is None else house.datasets.how_many_taught(tenant, version.dataset),
        teachers=() if version is None else _teachers(interaction, _taught_by(house, interaction, dataset)),
        taught=learned_from(house, tenant, frozenset({interaction_id})),
        erased=house.experience.erased(tenant, interaction_id),
    )


def stored_dataset(house: House, version: ModelVersion) -> DatasetVersion | None:
    """What a version learned from; `None` where retention dropped it: its row stays, for the audit."""
    try:
        return house.datasets.get(version.tenant, version.dataset)
    except NotFound:
        return None


def _ours(house: House, tenant: str, number: int) -> ModelVersion | None:
    try:
        return house.registry.version(number, tenant)
    except NotFound:
        return None


def learned_from(house: House, tenant: str, interactions: frozenset[str]) -> tuple[int, ...]:
    """Numbers of the versions that learned from any of these interactions, whatever retention has dropped since."""
    return house.registry.learned_from(tenant, house.datasets.taught(tenant, interactions))


def _taught_by(house: House, interaction: Interaction, dataset: DatasetVersion | None) -> Iterable[Example]:
    """What gave the labels in question their meaning: of a task its support set, else what the version learned from."""
    if interaction.task is None:
        examples = () if dataset is None else dataset.examples
        return (example for example in examples if example.split != "evaluation" and example.task is None)
    try:
        return support_set(house, interaction.tenant, interaction.task, before=interaction.id)
    except (NotFound, InvalidInput):
        return ()  # withdrawn or quarantined since


def _teachers(interaction: Interaction, examples: Iterable[Example]) -> tuple[Teacher, ...]:
    words = _words(interaction.text)
    intent = interaction.prediction.labels.intent if interaction.prediction else None
    alike = [
        Teacher(example.interactions[0], example.text, example.labels.intent, _jaccard(words, _words(example.text)))
        for example in examples
        if example.interactions and example.labels.intent == intent
    ]
    return tuple(sorted(alike, key=lambda t: (-t.likeness, t.interaction))[:TEACHERS_SHOWN])


def _words(text: str) -> frozenset[str]:
    return frozenset(text.lower().split())


def _jaccard(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one | other else 0.0
