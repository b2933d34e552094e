"""The continual text learner: the champion and what is new, to a candidate that remembers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from onward.config import Settings
from onward.core import DatasetVersion, Example, Model, Trained, Training, content_hash
from onward.learners.text._shared import (
    HEAD_NAMES,
    HeadName,
    label,
    labelled_examples,
    learning_examples,
    one_thread,
)

from ._model import FORMAT, ContinualTextModel, Head, load_model
from ._rows import counted

if TYPE_CHECKING:
    from ._teaching import Lesson, Taught

MEMORY: Final = 5000
FOLDER: Final = "continual"


def create(settings: Settings) -> ContinualTextLearner:
    """The continual text learner of a workspace; it remembers `learning.replay_budget` examples at most."""
    return ContinualTextLearner(min(settings.learning.replay_budget, MEMORY))


@dataclass(frozen=True, slots=True)
class ContinualTextLearner:
    """A linear network on hashed terms for each head, taught by experience replay; see `_rows` and `_teaching`.

    The candidate goes on from the champion: it learns what is new and rehearses what its own buffer remembers; no other
    old example is looked at. Without a champion it begins anew from all examples. Buffer, optimiser and chance are part
    of the model, so that whoever goes on from a version goes on as that version would have. What the data set version
    does not hold (any more), as after a withdrawal of consent, leaves the buffer first. Every example counts the same,
    whatever its weight above 0.

    Args:
        memory: examples that each head remembers at most. A champion that remembers another number is not gone on from.

    >>> from datetime import UTC, datetime
    >>> from onward.core import Labels
    >>> texts = {"my money back please": "refund", "good morning": "greet"}
    >>> examples = [Example(id=t, text=t, labels=Labels(intent=i), split="train") for t, i in texts.items()]
    >>> dataset = DatasetVersion(
    ...     id="d", tenant="t", parent=None, created=datetime(2026, 1, 1, tzinfo=UTC), examples=tuple(examples)
    ... )
    >>> first = ContinualTextLearner().train(dataset, None, Training()).model
    >>> more = Example(id="new", text="where is my parcel?", labels=Labels(intent="parcel"), split="train")
    >>> dataset = DatasetVersion(id="e", tenant="t", parent="d", created=dataset.created, examples=(more,))
    >>> second = ContinualTextLearner().train(dataset, first, Training()).model
    >>> [said.labels.intent for said in second.predict(["good morning", "a parcel?"])]
    ['greet', 'parcel']
    """

    memory: int = MEMORY

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        """Make a candidate; the report says in `quick` whether it goes on from the champion.

        Texts without a letter or sign, examples without an intent or a sentiment and those of weight 0 are skipped and
        counted.

        Raises:
            InvalidInput: no example of the train or validation split has a text and an intent or a sentiment.
            MissingExtra: PyTorch is not installed.
        """
        started = time.monotonic()
        examples = labelled_examples(dataset, "continual")
        known = champion if isinstance(champion, ContinualTextModel) and self._goes_on(champion) else None
        with one_thread():
            taught = self._taught(examples, known, training, _key(dataset, known, training.seed, self.memory))
        report = {
            "quick": known is not None,
            "examples": sum(e.new for e in examples) if known is not None else len(examples),
            "skipped": len(learning_examples(dataset)) - len(examples),
            "seconds": time.monotonic() - started,
            **_figures(taught),
        }
        return Trained(ContinualTextModel({name: found.head for name, found in taught.items()}), report)

    def _goes_on(self, champion: ContinualTextModel) -> bool:
        return all(head.memory == self.memory for head in champion.heads.values())

    def _taught(
        self, examples: Sequence[Example], champion: ContinualTextModel | None, training: Training, key: str
    ) -> dict[HeadName, Taught]:
        from ._teaching import teach

        heads = {} if champion is None else champion.heads
        found = {name: _lesson(examples, name, heads.get(name)) for name in HEAD_NAMES}
        lessons = {name: lesson for name, lesson in found.items() if name in heads or len(lesson.keys)}
        total = sum(lesson.steps for lesson in lessons.values())
        ends = None if training.budget is None else time.monotonic() + training.budget
        training.progress(0, total, f"{len(examples)} examples")
        taught: dict[HeadName, Taught] = {}
        done = 0
        for name, lesson in lessons.items():
            left = None if ends is None else max(ends - time.monotonic(), 0.0)
            folder = None if training.checkpoints is None else training.checkpoints / FOLDER / f"{name}-{key}"
            told = _after(done, total, name, training.progress)
            taught[name] = teach(lesson, heads.get(name), self.memory, training.seed, left, folder, told)
            done += lesson.steps
        training.progress(total, total, "learned")
        return taught

    def load(self, folder: Path) -> ContinualTextModel:
        """Read back what a continual text model saved.

        Raises:
            Damaged: a file is missing, is not what was saved, or is of another format.
        """
        return load_model(folder)


def _lesson(examples: Sequence[Example], name: HeadName, head: Head | None) -> Lesson:
    """What is new to a head; to one that is not there yet, everything is."""
    from ._teaching import Lesson

    speaking = [(e, found) for e in examples if (found := label(e, name)) is not None]
    new = [(e, found) for e, found in speaking if e.new or head is None]
    return Lesson(
        counts=counted([e.text for e, _ in new]),
        labels=[found for _, found in new],
        keys=[e.id for e, _ in new],
        known=frozenset(e.id for e, _ in speaking),
    )


def _key(dataset: DatasetVersion, champion: ContinualTextModel | None, seed: int, memory: int) -> str:
    """Of all that decides a training: another key, other checkpoints."""
    news = [[e.id, e.new] for e in dataset.examples]
    return content_hash([FORMAT, dataset.id, news, None if champion is None else _identity(champion), seed, memory])[
        :32
    ]


def _identity(champion: ContinualTextModel) -> list[Any]:
    return [
        [name, head.labels, head.state, content_hash(b"".join(np.ascontiguousarray(a).tobytes() for a in _parts(head)))]
        for name, head in champion.heads.items()
    ]


def _parts(head: Head) -> list[Any]:
    return [head.weights, head.bias, *(head.arrays[name] for name in sorted(head.arrays))]


def _after(
    done: int, total: int, name: str, progress: Callable[[int, int, str], None]
) -> Callable[[int, int, str], None]:
    """Progress of one head as part of that of all."""
    return lambda step, _, note: progress(done + step, total, f"{name}: {note}" if note else name)


def _figures(taught: dict[HeadName, Taught]) -> dict[str, Any]:
    """What the report says of the heads."""
    reports = {name: found.report for name, found in taught.items() if found.report is not None}
    return {
        "complete": all(report.stopped != "budget" for report in reports.values()),
        "resumed": any(found.resumed for found in taught.values()),
        "labels": {name: len(found.head.labels) for name, found in taught.items()},
        "remembered": {name: found.remembered for name, found in taught.items()},
        "dropped": {name: found.dropped for name, found in taught.items()},
        "losses": {name: list(report.losses) for name, report in reports.items()},
    }
