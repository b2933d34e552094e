"""The linear learner: from a data set version, and the champion where there is one, to a candidate."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeGuard

from onward.config import Settings
from onward.core import DatasetVersion, Example, Model, Trained, Training
from onward.learners.text._shared import (
    HEAD_NAMES,
    deadline,
    label,
    labelled_examples,
    learning_examples,
    stratified,
    within_replay_budget,
)

from ._model import LinearModel, load_model
from ._teaching import Taught, teach

MIN_REPLAY_PER_LABEL: Final = 2


def create(settings: Settings) -> LinearLearner:
    """The linear learner of a workspace."""
    return LinearLearner(replay_budget=settings.learning.replay_budget)


@dataclass(frozen=True, slots=True)
class LinearLearner:
    """TF-IDF features and one linear classifier per head; see `_features` and `_heads` for the methods.

    It needs no checkpoints: training takes seconds. When memory does not suffice, it tries again with half as many
    features, down to 1,024; the most frequent ones stay.

    Args:
        replay_budget: examples learned from at most; beyond it the old ones are sampled.

    >>> from datetime import UTC, datetime
    >>> from onward.core import Labels
    >>> texts = {"my money back please": "refund", "good morning": "greet"}
    >>> examples = [Example(id=t, text=t, labels=Labels(intent=i), split="train") for t, i in texts.items()]
    >>> dataset = DatasetVersion(
    ...     id="d", tenant="t", parent=None, created=datetime(2026, 1, 1, tzinfo=UTC), examples=tuple(examples)
    ... )
    >>> trained = LinearLearner().train(dataset, None, Training())
    >>> trained.model.predict(["morning!"])[0].labels.intent
    'greet'
    """

    replay_budget: int = 50_000

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        """Make a candidate; the report says in `quick` whether the champion was updated instead of retrained.

        A quick update needs a linear champion that has learned every head of the data, and something new; without
        these everything is retrained. Texts without a letter or sign, examples without an intent or a sentiment and
        those of weight 0 are skipped and counted.

        Raises:
            InvalidInput: no example of the train or validation split has a text and an intent or a sentiment.
        """
        started, cpu = time.monotonic(), time.process_time()
        examples = labelled_examples(dataset, "linear")
        known = champion if training.quick and _can_update(champion, examples) else None
        chosen = self._chosen(examples, known, training.seed)
        taught = teach(chosen, known, training, deadline(training.budget))
        report = _report(taught, quick=known is not None) | {
            "examples": len(chosen),
            "skipped": len(learning_examples(dataset)) - len(examples),
            "seconds": time.monotonic() - started,
            "cpu_seconds": time.process_time() - cpu,
        }
        return Trained(taught.model, report)

    def _chosen(self, examples: Sequence[Example], champion: LinearModel | None, seed: int) -> list[Example]:
        if champion is None:
            return within_replay_budget(examples, self.replay_budget, seed)
        return _new_and_as_many_old(examples, seed)

    def load(self, folder: Path) -> LinearModel:
        """Read back what a linear model saved.

        Raises:
            Damaged: a file is missing, is not what was saved, or is of another format.
        """
        return load_model(folder)


def _can_update(champion: Model | None, examples: Sequence[Example]) -> TypeGuard[LinearModel]:
    if not isinstance(champion, LinearModel) or not any(e.new for e in examples):
        return False
    return all(head in champion.heads for e in examples for head in HEAD_NAMES if label(e, head))


def _new_and_as_many_old(examples: Sequence[Example], seed: int) -> list[Example]:
    """The new examples and as many old ones, or a few of each old label where that is more."""
    new, old = [e for e in examples if e.new], [e for e in examples if not e.new]
    labels = {(head, label(e, head)) for e in old for head in HEAD_NAMES}
    return new + stratified(old, max(len(new), MIN_REPLAY_PER_LABEL * len(labels)), seed)


def _report(taught: Taught, *, quick: bool) -> dict[str, Any]:
    return {
        "quick": quick,
        "complete": taught.complete,
        "features": len(taught.model.features.columns),
        "labels": {name: len(head.labels) for name, head in taught.model.heads.items()},
    }
