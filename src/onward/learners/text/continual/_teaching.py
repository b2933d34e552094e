"""Teaching one head: dark experience replay on a linear network, from where the champion stands.

A day's new examples are one experience. With every batch go as many examples from the buffer for what they are, and as
many for what the head said of them when they came. Classes have equal shares of the buffer, and do not win for coming
more often.
`benchmarks/continual_text.py` compares this with the other methods of `onward.learners.continual`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from onward.learners.continual import ContinualLearner, Experience, LearnReport, recommended

from ._model import Head
from ._rows import BLOCKS, WIDTH
from ._state import buffer_keys, kept_head, state_of

RATE: Final = 0.01
BATCH: Final = 32
EPOCHS: Final = 10
FEWEST_STEPS: Final = 60
CHECKPOINT_EVERY: Final = 200

Told = Callable[[int, int, str], None]


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a head is taught.

    Args:
        counts: sparse (n, WIDTH) rows; may have none.
        labels: of each row.
        keys: the id of each example.
        known: ids of all examples that may be remembered; those of others go out of the buffer.
    """

    counts: Any
    labels: Sequence[str]
    keys: Sequence[str]
    known: Collection[str]

    @property
    def steps(self) -> int:
        """How many it takes."""
        return max(EPOCHS * math.ceil(len(self.keys) / BATCH), FEWEST_STEPS) if len(self.keys) else 0


@dataclass(frozen=True, slots=True, eq=False)
class Taught:
    """A head after its lesson.

    Args:
        dropped: examples that left the buffer because they may no longer be remembered.
        remembered: examples in the buffer.
        resumed: whether a checkpoint was taken up.
        report: of the steps, where any were taken now.
    """

    head: Head
    dropped: int
    remembered: int
    resumed: bool
    report: LearnReport | None


def inputs(counts: Tensor) -> Tensor:
    """(n, WIDTH) counts -> float32 rows: 1 + log(count), each block of each row of length 1 or 0."""
    values = counts.float()
    values = torch.where(values > 0, values.log() + 1, values)
    return torch.cat([nn.functional.normalize(block, dim=1) for block in values.split(BLOCKS.widths, dim=1)], 1)


def learner_of(labels: int, memory: int, seed: int) -> ContinualLearner:
    """A learner before its first experience."""
    network = nn.Linear(WIDTH, labels)
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    return ContinualLearner(
        network, [recommended(memory, batch_size=BATCH)], rate=RATE, batch_size=BATCH, prepare=inputs, seed=seed
    )


def teach(
    lesson: Lesson, head: Head | None, memory: int, seed: int, budget: float | None, folder: Path | None, told: Told
) -> Taught:
    """A head after a lesson; from nothing, or from a head, which stays as it is.

    Args:
        memory: examples that it may remember.
        folder: for checkpoints of this very lesson.
        told: called with steps done, steps in all, a note.
    """
    labels = _labels(lesson, head)
    learner = learner_of(len(labels), memory, seed)
    dropped = 0
    if head is not None:
        state = state_of(head, len(labels))
        gone = set(buffer_keys(state)) - set(lesson.known) | set(lesson.keys)
        learner.load_state_dict(state)
        dropped = learner.forget(gone)
    learned = learner.learned
    resumed = folder is not None and _resumed(learner, folder)
    report = None
    if lesson.steps and learner.learned == learned:
        report = learner.learn(
            _experience(lesson, labels),
            steps=lesson.steps,
            budget=budget,
            progress=told,
            checkpoints=folder,
            checkpoint_every=CHECKPOINT_EVERY,
        )
    state = learner.state_dict()
    remembered, taught = len(buffer_keys(state)), kept_head(labels, memory, state)
    return Taught(taught, dropped, remembered, resumed, report)


def _labels(lesson: Lesson, head: Head | None) -> tuple[str, ...]:
    known = () if head is None else head.labels
    return (*known, *sorted(set(lesson.labels) - set(known)))


def _experience(lesson: Lesson, labels: tuple[str, ...]) -> Experience:
    place = {name: number for number, name in enumerate(labels)}
    y = torch.tensor([place[name] for name in lesson.labels])
    return Experience(torch.from_numpy(lesson.counts.toarray()), y, keys=tuple(lesson.keys))


def _resumed(learner: ContinualLearner, folder: Path) -> bool:
    """Whether the learner goes on from a checkpoint."""
    before = learner.learned
    learner.resume(folder)
    return learner.learned != before or (folder / "continual.json").is_file()
