"""The checks for learners of few-shot tasks must catch those who break them: learners that each do one thing wrong."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from onward.core import (
    DatasetVersion,
    Example,
    InvalidInput,
    Labels,
    Model,
    Prediction,
    Trained,
    Training,
    decode,
    encode,
)
from onward.learners import contract
from onward.learners.contract import FEW_SHOT_CHECKS, Subject


@dataclass(frozen=True)
class Words:
    """Says the label whose texts share most words with it: as simple as a few-shot learner can be."""

    known: dict[str, list[str]]
    flaw: str = ""
    seen: list[str] = field(default_factory=list)

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        if not self.known:
            return [Prediction(Labels()) for _ in texts]
        if self.flaw == "looks at the batch" and len(texts) > 1:
            return [Prediction(Labels(intent=min(self.known)), {"intent": 0.5}) for _ in texts]
        if self.flaw == "too sure":
            return [Prediction(self._said(text).labels, {"intent": 1.5}) for text in texts]
        return [self._said(text) for text in texts]

    def _said(self, text: str) -> Prediction:
        counted = Counter({label: len(set(words) & set(split(text))) for label, words in self.known.items()})
        best = max(sorted(self.known), key=lambda label: counted[label])
        return Prediction(Labels(intent=best), {"intent": 0.5})

    def adapt(self, support: Sequence[Example]) -> "Words":
        usable = [e for e in support if e.labels.intent is not None]
        if not usable and self.flaw != "takes anything":
            raise InvalidInput("Nothing to adapt to.")
        if self.flaw == "does not adapt":
            return self
        if self.flaw == "leaves traces":
            self.known.clear()
        if self.flaw == "in order":
            usable = usable[: len(usable) // 2]
        if self.flaw == "by id":
            usable = [e for e in usable if "task" in e.id]
        if self.flaw == "cannot do with one" and len(usable) == 1:
            return Words({"other": []}, self.flaw)
        return Words(taught(usable), self.flaw)

    def save(self, folder: Path) -> None:
        (folder / "words.json").write_bytes(encode(self.known))


class NoAdapt:
    def __init__(self, inner: Words) -> None:
        self.inner = inner

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        return self.inner.predict(texts)

    def save(self, folder: Path) -> None:
        self.inner.save(folder)


def split(text: str) -> list[str]:
    return [word for word in text.lower().split() if len(word) > 2]


def taught(examples: Sequence[Example]) -> dict[str, list[str]]:
    known: dict[str, list[str]] = {}
    for example in sorted(examples, key=lambda e: e.text):
        known.setdefault(str(example.labels.intent), []).extend(split(example.text))
    return known


@dataclass(frozen=True)
class WordLearner:
    flaw: str = ""

    @property
    def learns_tasks(self) -> bool:
        return self.flaw != "wants no tasks"

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        outside = [e for e in dataset.examples if e.task is None and e.labels.intent]
        if self.flaw == "says labels of tasks":
            outside = list(dataset.examples)
        model = Words(taught(outside), self.flaw)
        if self.flaw == "speaks anyway" and not outside:
            model = Words({"something": []}, self.flaw)
        if self.flaw == "looks at held-out tasks" and any(e.split == "evaluation" for e in dataset.examples):
            model = replace(model, flaw="does not adapt")
        return Trained(NoAdapt(model) if self.flaw == "has no adapt" else model, {})

    def load(self, folder: Path) -> Words:
        known = decode((folder / "words.json").read_bytes(), dict[str, list[str]])
        return Words(known, "does not adapt" if self.flaw == "loads another" else self.flaw)


@pytest.mark.parametrize(
    ("flaw", "check"),
    [
        ("wants no tasks", "check_says_it_learns_tasks"),
        ("has no adapt", "check_adapts"),
        ("does not adapt", "check_adapts"),
        ("too sure", "check_adapts"),
        ("leaves traces", "check_adapting_changes_nothing"),
        ("in order", "check_same_support_same_answers"),
        ("by id", "check_same_support_same_answers"),
        ("loads another", "check_adapts_alike_after_load"),
        ("looks at the batch", "check_adapted_any_batch"),
        ("takes anything", "check_any_support"),
        ("cannot do with one", "check_any_support"),
        ("says labels of tasks", "check_tasks_keep_their_labels"),
        ("speaks anyway", "check_tasks_alone"),
        ("looks at held-out tasks", "check_held_out_tasks_unseen"),
    ],
)
def test_a_flaw_is_caught(flaw: str, check: str, tmp_path: Path) -> None:
    subject = Subject(lambda: WordLearner(flaw), ("intent",), tmp_path)
    with pytest.raises(AssertionError):
        getattr(contract, check)(subject)


def test_without_a_flaw_nothing_is_caught(tmp_path: Path) -> None:
    subject = Subject(WordLearner, ("intent",), tmp_path)
    for check in FEW_SHOT_CHECKS:
        check(subject)


def test_every_check_is_shown_a_flaw() -> None:
    marks = test_a_flaw_is_caught.pytestmark  # type: ignore[attr-defined]
    assert {check for _, check in marks[0].args[1]} == {check.__name__ for check in FEW_SHOT_CHECKS}
