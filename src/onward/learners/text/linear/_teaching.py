"""Making a linear model of examples: from nothing, or from the champion."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from onward.core import Example, Training
from onward.learners.text._features import Features, fit_features, grow_features
from onward.learners.text._shared import HEAD_NAMES, HeadName, label

from ._heads import Lesson, LinearHead, fit_head, update_head
from ._model import LinearModel

MAX_FEATURES: Final = 2**18
MAX_WEIGHTS: Final = 2**23  # 32 MiB of float32
MIN_FEATURES: Final = 2**10


@dataclass(frozen=True, slots=True)
class Taught:
    """A model, and whether it learned from everything before time was up."""

    model: LinearModel
    complete: bool


def teach(
    examples: Sequence[Example], champion: LinearModel | None, training: Training, expired: Callable[[], bool]
) -> Taught:
    """A model of the examples; where a champion is given, the champion after them.

    When memory does not suffice, it is tried again with half as many features, down to 1,024.

    Raises:
        MemoryError: not even the fewest features fit.
    """
    limit = _feature_limit(examples, champion)
    while True:
        try:
            return _teach(examples, champion, training, expired, limit)
        except MemoryError:
            if limit <= MIN_FEATURES:
                raise
            limit = max(limit // 2, MIN_FEATURES)


def _feature_limit(examples: Sequence[Example], champion: LinearModel | None) -> int:
    labels = {(head, label(e, head)) for e in examples for head in HEAD_NAMES}
    if champion is not None:
        labels |= {(name, known) for name, head in champion.heads.items() for known in head.labels}
    return max(min(MAX_FEATURES, MAX_WEIGHTS // len(labels)), MIN_FEATURES)


def _teach(
    examples: Sequence[Example],
    champion: LinearModel | None,
    training: Training,
    expired: Callable[[], bool],
    limit: int,
) -> Taught:
    steps = 1 + len(HEAD_NAMES)
    features, rows = _look([e.text for e in examples], champion, limit)
    training.progress(1, steps, f"{len(features.columns)} features of {len(examples)} examples")
    heads: dict[HeadName, LinearHead] = {}
    complete = True
    for step, name in enumerate(HEAD_NAMES, start=2):
        known = None if champion is None else champion.heads.get(name)
        lesson = _lesson(examples, rows, name, training.seed)
        if known is not None:
            heads[name], whole = update_head(known, lesson, expired)
            complete &= whole
        elif lesson.labels:
            heads[name], whole = fit_head(lesson, expired)
            complete &= whole
        training.progress(step, steps, name)
    return Taught(LinearModel(features, heads), complete)


def _look(texts: Sequence[str], champion: LinearModel | None, limit: int) -> tuple[Features, Any]:
    if champion is None:
        return fit_features(texts, limit)
    features = grow_features(champion.features, texts, limit)
    return features, features.rows(texts)


def _lesson(examples: Sequence[Example], rows: Any, head: HeadName, seed: int) -> Lesson:
    said = [(i, found) for i, e in enumerate(examples) if (found := label(e, head)) is not None]
    places = [i for i, _ in said]
    trust = np.array([examples[i].weight for i in places], dtype=np.float64)
    return Lesson(rows[places], [found for _, found in said], trust, seed)
