"""A task as a vector."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Final

import numpy as np
import torch

from onward.core import InvalidInput
from onward.learners.meta.tasks import Examples, MetaLearningTask
from onward.learners.neural import plain_numbers, whole

from ._inputs import Floats, support_of
from ._statistics import data_statistics
from ._structure import structure
from ._words import code_features, text_features, texts_of

BOUND: Final = 10.0
LARGEST_TEXT_SIZE: Final = 4096


@dataclass(frozen=True, slots=True)
class TaskEncoder:
    """Tells what a task is like, as a vector of fixed length: meta-features of its support set.

    Three groups, after Vanschoren 2018 ("Meta-learning: a survey") and Rivolli et al. 2022 ("Meta-features for
    meta-learning"): statistics of the inputs; class structure (ways, shots, balance, scatter between and within,
    silhouette) with leave-one-out scores of landmark learners (nearest centroid, nearest neighbour, ridge); and, from
    the task's metadata, its texts (`texts`, `description`) and its source code (`code`), each one or a list.

    The order of examples, of input columns and of class labels is nothing to it. Every number is finite and of the
    order of 1, whatever the inputs hold. The query set is not looked at, and of more than 512 examples only 512 are,
    chosen by their content.

    Args:
        text_size: numbers that words are hashed into, 0 to 4096; 0 for none.

    Raises:
        InvalidInput: `text_size` is no whole number of its range.

    >>> import torch
    >>> from onward.learners.meta import MetaLearningTask
    >>> encoder = TaskEncoder()
    >>> x, y = torch.tensor([[0.0, 1], [0.1, 1], [1, 0], [0.9, 0]]), torch.tensor([0, 0, 1, 1])
    >>> vector = encoder.encode(MetaLearningTask((x, y), (x, y), metadata={"description": "Which team answers?"}))
    >>> vector.shape == (len(encoder.names),)
    True
    >>> told = dict(zip(encoder.names, vector, strict=True))
    >>> float(told["nearest_centroid"]), float(told["text"])  # perfectly told apart; there is text
    (1.0, 1.0)
    """

    text_size: int = 16

    def __post_init__(self) -> None:
        whole(0, text_size=self.text_size)
        plain_numbers(self)
        if self.text_size > LARGEST_TEXT_SIZE:
            raise InvalidInput(f"text_size is {self.text_size}.", mend=f"Give a number from 0 to {LARGEST_TEXT_SIZE}.")

    @property
    def names(self) -> tuple[str, ...]:
        """What each number of a vector is."""
        return _names(self)

    def encode(self, task: MetaLearningTask) -> Floats:
        """(len(names),) numbers in [-10, 10].

        Raises:
            InvalidInput: it is no task, or its metadata `texts`, `description` or `code` is no text and no list of
                texts.
        """
        vector: Floats = np.clip(np.array(list(self.features(task).values())), -BOUND, BOUND)
        return vector

    def features(self, task: MetaLearningTask) -> dict[str, float]:
        """The same, by name.

        Raises:
            InvalidInput: as for `encode`.
        """
        if not isinstance(task, MetaLearningTask):
            raise InvalidInput(
                f"{type(task).__name__} is no task.", mend="Give a MetaLearningTask(support_set, query_set)."
            )
        support = support_of(task)
        return {
            **data_statistics(support),
            **structure(support),
            **text_features(texts_of(task.metadata, "texts", "description"), self.text_size),
            **code_features(texts_of(task.metadata, "code")),
        }

    def encode_all(self, tasks: Iterable[MetaLearningTask]) -> Floats:
        """(T, len(names)) numbers, a row a task."""
        rows = [self.encode(task) for task in tasks]
        return np.stack(rows) if rows else np.zeros((0, len(self.names)))


@cache
def _names(encoder: TaskEncoder) -> tuple[str, ...]:
    example = Examples(torch.zeros(2, 1), torch.arange(2))
    return tuple(encoder.features(MetaLearningTask(example, example)))
