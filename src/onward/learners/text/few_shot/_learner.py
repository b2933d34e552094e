"""The few-shot text learner: from a data set version with tasks, and the champion if there is one, to a candidate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from onward.config import Settings
from onward.core import DatasetVersion, Example, InvalidInput, Model, Trained, Training, content_hash
from onward.learners.text._features import Features, fit_features, grow_features
from onward.learners.text._shared import deadline, learning_examples

from ._checkpoint import read_checkpoint, write_checkpoint
from ._episodes import sources_of
from ._metric import Metric, Prototypes, prototypes_of
from ._model import FORMAT, FewShotTextModel, can_teach, load_model
from ._training import DIMENSIONS, FEW_PERIODS, PERIODS, SCALE, Course, Lesson, begin, metric_of, run

MAX_FEATURES: Final = 2**15


def create(settings: Settings) -> FewShotTextLearner:
    """The few-shot text learner of a workspace."""
    del settings
    return FewShotTextLearner()


@dataclass(frozen=True, slots=True)
class FewShotTextLearner:
    """Prototypes under a learned metric; see `_metric` and `_training` for the methods.

    Every task is a source of episodes, and so are the intents outside of tasks, all together. The candidate adapts to
    new tasks; to plain texts it says the intents that stand outside of tasks.

    >>> from datetime import UTC, datetime
    >>> from onward.core import Labels
    >>> texts = {"my money back please": "refund", "good morning": "greet"}
    >>> examples = [Example(id=t, text=t, labels=Labels(intent=i), split="train") for t, i in texts.items()]
    >>> dataset = DatasetVersion(
    ...     id="d", tenant="t", parent=None, created=datetime(2026, 1, 1, tzinfo=UTC), examples=tuple(examples)
    ... )
    >>> model = FewShotTextLearner().train(dataset, None, Training()).model
    >>> model.predict(["good morning all"])[0].labels.intent
    'greet'
    >>> new = {"please sing": "a", "please dance": "b"}
    >>> task = [Example(id=t, text=t, labels=Labels(intent=i), split="train") for t, i in new.items()]
    >>> model.adapt(task).predict(["dance please"])[0].labels.intent
    'b'
    """

    @property
    def learns_tasks(self) -> bool:
        """Yes."""
        return True

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        """Make a candidate. A quick one goes on from the champion's metric for a few periods.

        Examples without a text or an intent and those of weight 0 are skipped and counted. Where no episode can be
        drawn, since no source has two labels with two examples each, texts are compared by their words alone.

        Raises:
            InvalidInput: no example of the train or validation split has a text and an intent.
            MissingExtra: PyTorch is not installed.
        """
        started = time.monotonic()
        available = learning_examples(dataset)
        examples = [e for e in available if can_teach(e)]
        if not examples:
            raise InvalidInput(
                "There is nothing to learn for the few-shot learner.",
                why=f"None of its {len(available)} examples for training has a text and an intent.",
                mend="Record tasks, or labelled interactions, or train another learner.",
            )
        known = champion.metric if training.quick and isinstance(champion, FewShotTextModel) else None
        lesson = _lesson(examples, known, training.seed)
        training.progress(0, lesson.periods, f"{len(lesson.learn)} sources of tasks, {len(examples)} examples")
        key = content_hash([FORMAT, dataset.id, training.seed, None if known is None else _identity(known)])
        course, seen = _learned(lesson, training, key, deadline(training.budget))
        metric = _untaught(lesson.features) if course is None else metric_of(lesson.features, course.best)
        report = {
            "quick": known is not None,
            "examples": len(examples),
            "skipped": len(available) - len(examples),
            "seconds": time.monotonic() - started,
            "features": len(lesson.features.columns),
            "sources": len(lesson.learn),
            **_figures(course, seen),
        }
        return Trained(FewShotTextModel(metric, _plain(examples, lesson.rows)), report)

    def load(self, folder: Path) -> FewShotTextModel:
        """Read back what a few-shot text model saved.

        Raises:
            Damaged: a file is missing, is not what was saved, or is of another format.
        """
        return load_model(folder)


def _lesson(examples: Sequence[Example], known: Metric | None, seed: int) -> Lesson:
    texts = [e.text for e in examples]
    learn, check = sources_of(examples, seed)
    if known is None:
        features, rows = fit_features(texts, MAX_FEATURES)
        return Lesson(features, rows, learn, check, None, PERIODS if check else FEW_PERIODS)
    features = grow_features(known.features, texts, MAX_FEATURES)
    return Lesson(features, features.rows(texts), learn, check, _grown(known, features), FEW_PERIODS)


def _grown(known: Metric, features: Features) -> Metric:
    """A metric with more terms: the new ones count by themselves only."""
    more = len(features.columns) - len(known.weights)
    weights = np.concatenate([known.weights, np.ones(more, np.float32)])
    projection = np.pad(known.projection, ((0, more), (0, 0)))
    return Metric(features, weights, projection, known.scale)


def _untaught(features: Features) -> Metric:
    width = len(features.columns)
    return Metric(features, np.ones(width, np.float32), np.zeros((width, DIMENSIONS), np.float32), SCALE)


def _identity(metric: Metric) -> str:
    return content_hash(metric.weights.tobytes() + metric.projection.tobytes() + repr(metric.scale).encode())


def _learned(lesson: Lesson, training: Training, key: str, expired: Any) -> tuple[Course | None, int]:
    """The course run, and how many episodes it learned from now; none where there are no episodes."""
    if not lesson.learn:
        return None, 0
    course = begin(lesson, training.seed)
    folder = training.checkpoints
    if folder is not None:
        read_checkpoint(folder, key, course)

    def keep(now: Course) -> None:
        if folder is not None:
            write_checkpoint(folder, key, now)

    return course, run(course, lesson, training, expired, keep)


def _plain(examples: Sequence[Example], rows: Any) -> Prototypes | None:
    """The prototypes of the intents outside of tasks."""
    places = [at for at, example in enumerate(examples) if example.task is None]
    if not places:
        return None
    return prototypes_of(
        rows[places], [str(examples[at].labels.intent) for at in places], [examples[at].weight for at in places]
    )


def _figures(course: Course | None, seen: int) -> dict[str, Any]:
    """What the report says of the course."""
    if course is None:
        return {"epochs": 0, "tasks": 0, "losses": [], "validation": [], "score": None, "resumed": 0}
    return {
        "epochs": len(course.losses),
        "best_epoch": course.best_period,
        "tasks": seen,
        "losses": [{"task": loss} for loss in course.losses],
        "validation": [{"task": accuracy} for accuracy in course.accuracies[1:]],
        "score": course.accuracies[course.best_period] if course.accuracies else None,
        "resumed": course.resumed,
    }
