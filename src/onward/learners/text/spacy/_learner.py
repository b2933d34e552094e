"""The spaCy learner: from a data set version, and the champion where there is one, to a candidate."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from spacy.about import __version__ as VERSION  # noqa: N812
from spacy.language import Language

from onward.config import TrainingSettings
from onward.core import DatasetVersion, Example, InvalidInput, Model, Trained, Training, content_hash
from onward.learners.text._shared import deadline, learning_examples, stratified, within_replay_budget

from ._course import Course, Stopped, figures, run, seed, seeded
from ._load import load_model
from ._model import FORMAT, SpacyModel, words_to_save
from ._pipeline import LabelTable, add_heads, carry, open_base, slots_for, slots_of
from ._pupil import pupil_of
from ._rows import joined, labels_in, readable, rows_of
from ._weights import weights_of

MIN_REPLAY_PER_LABEL: Final = 2


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a training starts from: the examples, the labels of every head, the champion to go on from."""

    examples: Sequence[Example]
    labels: LabelTable
    champion: SpacyModel | None


@dataclass(frozen=True, slots=True)
class SpacyLearner:
    """One pipeline for intents, sentiment and entities; `README.md` in this package says how it is made and why.

    Args:
        settings: epochs, batch size, dropout, learning rate and base.
        replay_budget: examples learned from at most; beyond it the old ones are sampled.

    >>> from datetime import UTC, datetime
    >>> from onward.core import Labels
    >>> texts = {"my money back please": "refund", "good morning": "greet"}
    >>> examples = [Example(id=t, text=t, labels=Labels(intent=i), split="train") for t, i in texts.items()]
    >>> dataset = DatasetVersion(
    ...     id="d", tenant="t", parent=None, created=datetime(2026, 1, 1, tzinfo=UTC), examples=tuple(examples)
    ... )
    >>> trained = SpacyLearner(TrainingSettings()).train(dataset, None, Training())
    >>> trained.model.predict(["morning!"])[0].labels.intent
    'greet'
    """

    settings: TrainingSettings
    replay_budget: int = 50_000

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        """Make a candidate; the report says in `quick` whether the champion was updated instead of retrained.

        Trainings in one process wait for one another, as spaCy draws from the process's random numbers. A training
        taken up from its checkpoint ends with the very weights that it would have ended with without interruption
        (weights, optimiser moments and early stopping are kept; the random numbers depend on seed and epoch only).

        Raises:
            InvalidInput: no example of the train split has a label, or `training.base` is unknown.
            MemoryError: there is not even memory to learn from a single example.
        """
        started, cpu = time.monotonic(), time.process_time()
        expired = deadline(training.budget)
        available = [e for e in learning_examples(dataset) if e.weight > 0]
        lesson = self._lesson([e for e in available if labels_in([e])], champion, training)
        with seeded():
            course, model = self._prepare(dataset, lesson, training, expired)
            stopped: Stopped = run(course)
        report = figures(course) | {
            "stopped": stopped,
            "quick": lesson.champion is not None,
            "examples": len(lesson.examples),
            "skipped": len(learning_examples(dataset)) - len([e for e in available if labels_in([e])]),
            "reasons": dict(course.counts),
            "seconds": time.monotonic() - started,
            "cpu_seconds": time.process_time() - cpu,
        }
        return Trained(model, report)

    def load(self, folder: Path) -> SpacyModel:
        """Read back what a spaCy model saved; nothing in the folder is executed.

        Raises:
            Damaged: the folder does not hold such a model.
        """
        return load_model(folder)

    def _lesson(self, usable: Sequence[Example], champion: Model | None, training: Training) -> Lesson:
        known = labels_in(e for e in usable if e.split == "train")
        if not known:
            raise InvalidInput(
                "The data set has nothing that the spaCy learner can learn.",
                why="No example of its train split has an intent, a sentiment or entities.",
                mend="Record corrections or labelled interactions.",
            )
        if training.quick and self._can_update(champion, usable):
            return Lesson(_new_and_as_many_old(usable, training.seed), joined(champion.labels, known), champion)
        return Lesson(within_replay_budget(usable, self.replay_budget, training.seed), known, None)

    def _can_update(self, champion: Model | None, usable: Sequence[Example]) -> TypeGuard[SpacyModel]:
        if not isinstance(champion, SpacyModel) or champion.base != self.settings.base:
            return False
        return any(e.new and e.split == "train" for e in usable)

    def _prepare(
        self, dataset: DatasetVersion, lesson: Lesson, training: Training, expired: Any
    ) -> tuple[Course, SpacyModel]:
        seed(training.seed, 0)
        nlp = open_base(self.settings.base)
        words = words_to_save(nlp.vocab.strings, lesson.labels)
        docs = [nlp.make_doc(readable(example.text)) for example in lesson.examples]
        old = None if lesson.champion is None else lesson.champion.nlp
        add_heads(nlp, lesson.labels, (old and slots_of(old)) or slots_for(docs))
        if old is not None:
            carry(old, nlp)
        counts: Counter[str] = Counter()
        rows = rows_of(nlp, lesson.examples, docs, lesson.labels, counts)
        pupils = [pupil_of(nlp, head, kept, self.settings) for head, kept in rows.items() if kept.train]
        key = self._key(dataset, lesson, training)
        course = Course(key, dataset.id, pupils, self.settings, training, expired, counts)
        return course, SpacyModel(nlp=nlp, base=self.settings.base, labels=lesson.labels, words=words)

    def _key(self, dataset: DatasetVersion, lesson: Lesson, training: Training) -> str:
        """Hash of all that decides the training, so that a checkpoint of another one is not taken up."""
        start = "" if lesson.champion is None else _fingerprint(lesson.champion.nlp)
        examples = [(e.id, e.split) for e in lesson.examples]
        settings = self.settings.model_dump(mode="json")
        return content_hash([FORMAT, VERSION, dataset.id, examples, settings, training.seed, start])


def _fingerprint(nlp: Language) -> str:
    components: list[tuple[str, Any]] = nlp.pipeline
    return content_hash(
        [[name, {k: content_hash(w.tobytes()) for k, w in weights_of(c.model).items()}] for name, c in components]
    )


def _new_and_as_many_old(examples: Sequence[Example], number: int) -> list[Example]:
    """The new examples of each split and as many old ones, or a few of each old label where that is more."""
    chosen: list[Example] = []
    for split in ("train", "validation"):
        here = [e for e in examples if e.split == split]
        new, old = [e for e in here if e.new], [e for e in here if not e.new]
        kinds = len({(e.labels.intent, e.labels.sentiment) for e in old})
        chosen += new + stratified(old, max(len(new), MIN_REPLAY_PER_LABEL * kinds), number)
    return chosen
