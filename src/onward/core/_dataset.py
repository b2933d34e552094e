"""What is learned from, and what was set aside on the way to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ._experience import Part
from ._labels import Labels

Split = Literal["train", "validation", "evaluation"]
LabelSource = Literal["correction", "given", "confirmed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One thing to learn from, or to be judged by.

    Args:
        id: hash of the normalised text, and of its task where it has one: the same in every data set version.
        text: the text, personal data replaced by placeholders.
        labels: what people said of it; entity offsets refer to `text`.
        split: decided by `id`, once and for ever; one for all of a task.
        source: the strongest source among its labels.
        weight: 0..1, how far the labels are trusted.
        interactions: ids of the interactions it comes from.
        new: whether it is not in the data set version that the champion learned from.
        trusted: whether its labels are sure enough to judge a model by.
        task: name of the few-shot task that it belongs to; its labels mean something within that task only.
        part: with `task`: whether it teaches the task or is asked.
    """

    id: str
    text: str
    labels: Labels
    split: Split
    source: LabelSource = "given"
    weight: float = 1.0
    interactions: tuple[str, ...] = ()
    new: bool = True
    trusted: bool = True
    task: str | None = None
    part: Part | None = None

    @property
    def unit(self) -> str:
        """What is held out, judged and counted as one: its task, or the example itself.

        >>> Example(id="a", text="hello", labels=Labels(), split="train", task="t1", part="query").unit
        'task t1'
        """
        return unit_of(self.id, self.task)


def unit_of(identity: str, task: str | None) -> str:
    """The unit of an example, see `Example.unit`."""
    return identity if task is None else f"task {task}"


@dataclass(frozen=True, slots=True)
class SetAside:
    """An interaction that curation did not use, and why."""

    interaction: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAudit:
    """How far the new labels contradict what the rest of the data says.

    A label is *contradicted* when a classifier that never saw the example predicts another label with more
    confidence than it has, on average, in examples of that other label (confident learning, Northcutt, Jiang and
    Chuang 2021, arXiv:1911.00068).

    Args:
        judged: new examples whose label could be judged.
        contradicted: those whose label is contradicted.
        expected: share contradicted, 0..1, among the examples accepted before; 0 where there are none.
        suspects: ids of the new examples contradicted.
        sources: the same figures for the labels of each source, where they have more than one.
    """

    judged: int = 0
    contradicted: int = 0
    expected: float = 0.0
    suspects: tuple[str, ...] = ()
    sources: Mapping[LabelSource, LabelAudit] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of the judged labels that are contradicted, 0..1."""
        return self.contradicted / self.judged if self.judged else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetVersion:
    """An immutable, content-hashed snapshot of curated examples.

    Args:
        id: hash of the examples and of nothing else: the same inputs give the same id.
        tenant: whose it is.
        parent: id of the data set version that the champion learned from.
        created: when it was first made.
        examples: ordered by id.
        audit: how far its new labels can be trusted.
        set_aside: reason -> how many interactions were not used.
    """

    id: str
    tenant: str
    parent: str | None
    created: datetime
    examples: tuple[Example, ...]
    audit: LabelAudit = field(default_factory=LabelAudit)
    set_aside: Mapping[str, int] = field(default_factory=dict)

    def split(self, name: Split, *, new: bool | None = None) -> tuple[Example, ...]:
        """The examples of one split; only the new or only the old ones where `new` says so."""
        return tuple(e for e in self.examples if e.split == name and new in (None, e.new))

    @property
    def without_tasks(self) -> DatasetVersion:
        """The same without the examples of few-shot tasks: what a learner that knows no tasks is shown."""
        plain = tuple(e for e in self.examples if e.task is None)
        return self if len(plain) == len(self.examples) else replace(self, examples=plain)


@dataclass(frozen=True, slots=True)
class Gone:
    """Interactions of those who withdrew consent, by id.

    Args:
        said: what they said themselves.
        spoken_of: what others said and they gave feedback on.
    """

    said: frozenset[str] = frozenset()
    spoken_of: frozenset[str] = frozenset()

    def left_of(self, examples: Sequence[Example]) -> tuple[Example, ...]:
        """The examples without what is gone; those that others said too keep the interactions of the others.

        Where the labels follow from feedback, what they gave feedback on goes too: the labels may be theirs.
        """
        return tuple(left for example in examples if (left := self._left(example)) is not None)

    def _left(self, example: Example) -> Example | None:
        labelled = example.source != "given"
        kept = tuple(i for i in example.interactions if i not in self.said and not (labelled and i in self.spoken_of))
        if kept == example.interactions:
            return example
        return replace(example, interactions=kept) if kept else None


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationSet:
    """Examples that judge, frozen for good.

    Args:
        name: unique in its tenant; the id of the data set version that it was frozen from.
        examples: all trusted, all of the evaluation split; of a task its support set too.
        new: whether it is the work that the champion has not been judged on yet.
    """

    name: str
    examples: tuple[Example, ...]
    new: bool = False
