"""Which examples teach, which tune and which judge: decided by the text, or the task, alone, once and for ever.

The first 32 bits of an example's id are a number u in 0..1. With the share s (training.validation_split) held out,
u < 3s/4 judges (evaluation), u < s tunes (validation), the rest teaches. Most of what is held out judges, as a gate can
prove little with little evidence, while early stopping needs few examples. What a data set version once decided stays,
so that a change of the setting moves only texts never seen before; and what an evaluation set once froze judges for
good. Ids of a task's examples begin alike, and what was once decided for one of them holds for all: tasks stay whole.
Tasks that are near-equal under different names (`_kin`) stand on one side.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from onward.core import DatasetVersion, Example, Labels, Split, unit_of

from ._kin import near_equal
from ._records import Draft
from ._text import example_id

JUDGES = 0.75
STRICTEST: tuple[Split, ...] = ("evaluation", "validation", "train")


def split_of(identity: str, share: float) -> Split:
    """The split of a text never seen before.

    >>> split_of("00000000" + 24 * "0", 0.2), split_of("ffffffff" + 24 * "0", 0.2)
    ('evaluation', 'train')
    """
    place = int(identity[:8], 16) / 2**32
    if place < JUDGES * share:
        return "evaluation"
    return "validation" if place < share else "train"


def splits(
    drafts: Iterable[Draft], share: float, frozen: Mapping[str, Example], before: Iterable[DatasetVersion]
) -> dict[str, Split]:
    """Draft id -> split. Of near-equal tasks, what was decided for one holds for those never seen before."""
    before = list(before)
    decided: dict[str, Split] = {}
    for dataset in before:
        for example in dataset.examples:
            if decided.get(example.unit) != "evaluation":
                decided[example.unit] = example.split
    decided |= dict.fromkeys((example.unit for example in frozen.values()), "evaluation")
    drafts = list(drafts)
    for group in near_equal([*drafts, *frozen.values(), *(e for dataset in before for e in dataset.examples)]):
        units = [unit_of("", task) for task in group]
        known = {decided[unit] for unit in units if unit in decided}
        chosen = next((one for one in STRICTEST if one in known), None) or split_of(_lead(group), share)
        decided = dict.fromkeys(units, chosen) | decided
    return {d.id: decided.get(d.unit) or split_of(d.id, share) for d in drafts}


def _lead(group: Iterable[str]) -> str:
    """The beginning of the ids of the task whose place counts, chosen by digits that say nothing of the place."""
    return min((example_id("", task)[:16] for task in group), key=lambda digits: (digits[8:], digits))


def as_frozen(draft: Draft, frozen: Mapping[str, Example]) -> Draft:
    """A draft with the text and labels that an evaluation set froze for it: who repeats its text cannot relabel it.

    Not where none of the interactions it was frozen from is left (all withdrawn or set aside).
    """
    example = frozen.get(draft.id)
    if example is None or (example.interactions and not set(example.interactions) & set(draft.interactions)):
        return draft
    return replace(
        draft,
        text=example.text,
        labels=example.labels,
        source=example.source,
        weight=example.weight,
        confirmed=(),
        agreed=example.trusted,
    )


def people_only(draft: Draft) -> Draft:
    """A draft to judge by: without the heads that only a model's view speaks for, if any head is left then."""
    kept = [head for head in draft.labels.heads if head not in draft.confirmed]
    if not kept or not draft.confirmed:
        return draft
    return replace(draft, labels=Labels(**{head: getattr(draft.labels, head) for head in kept}), confirmed=())


def as_said(draft: Draft) -> Draft:
    """A draft to judge by, where what people confirmed counts as what they said."""
    return replace(draft, confirmed=())
