"""New classes do not win for coming more often, and as more examples: logit adjustment."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any, Final

import torch
from torch import Tensor

from onward.learners.continual._experience import Experience
from onward.learners.continual._method import Course
from onward.learners.continual.memory import Buffer

EXAMPLES: Final = 0.3
"""The part that the number of a class's different examples has: few are known by heart, and would lose to the rest."""


class Adjustment:
    """Lowers the scores of classes that come seldom, in training, so that the others do not win for coming more often.

    In a step, a class that is new comes more often than one that is remembered, and mostly as more different examples.
    By the logarithm of how much more often, with a part of that of how many more, scores are lowered before a loss of
    theirs; they predict without. This is logit adjustment (Menon et al. 2021, arXiv:2007.07314; balanced softmax, Ren
    et al. 2020, arXiv:2007.10740) with groups in place of single classes: the new ones count as they do on average, and
    so do those remembered, for what is replayed is taken to count as much as the batch. Those that are remembered and
    come again count for what comes of them, too, but not for more than the average.

    Where the classes that come are just those remembered, or nothing is, in the scenario "task", which tells the
    classes of one task apart, and with real targets, nothing changes.

    Args:
        strength: factor of what is taken, 0 or more.
        buffer: the memory.
    """

    def __init__(self, strength: float, course: Course, buffer: Buffer) -> None:
        self._strength, self._course, self._buffer = float(strength), course, buffer
        self._lowered: dict[int, float] = {}
        self._taken: Tensor | None = None

    def begin(self, experience: Experience) -> None:
        """Look which classes come, and which are remembered."""
        self._lowered, self._taken, y = {}, None, experience.y
        if not self._strength or self._course.heads.kind == "task" or y.is_floating_point() or y.ndim > 1:
            return
        numbers, counts = y.unique(return_counts=True)
        coming = dict(zip(numbers.tolist(), counts.tolist(), strict=True))
        self._lowered = lowered(coming, self._buffer.counts())

    def adjusted(self, scores: Tensor) -> Tensor:
        """(n, C) scores as a loss is to be given them."""
        if not self._lowered:
            return scores
        if self._taken is None or self._taken.dtype != scores.dtype or self._taken.device != scores.device:
            taken = torch.zeros(scores.shape[1], dtype=scores.dtype)
            for number, by in self._lowered.items():
                if number < len(taken):  # the loss has its own word for those that are no outputs
                    taken[number] = self._strength * by
            self._taken = taken.to(scores.device)
        return scores - self._taken

    def state(self) -> dict[str, Any]:
        """What it takes to go on within an experience."""
        return {"lowered": [[number, by] for number, by in self._lowered.items()]}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The way back."""
        self._lowered, self._taken = {int(number): by for number, by in state["lowered"]}, None


def lowered(coming: Mapping[int, int], remembered: Mapping[int, int]) -> dict[int, float]:
    """By how much each class is behind the one that comes the most; none where the same come that are remembered.

    Args:
        coming: class -> examples of it in the experience.
        remembered: class -> examples of it in the memory.

    >>> found = lowered({2: 200, 3: 200}, {0: 50, 1: 50})
    >>> {number: round(by, 3) for number, by in sorted(found.items())}  # as often, of a quarter of the examples
    {0: 0.416, 1: 0.416, 2: 0.0, 3: 0.0}
    """
    if not remembered or coming.keys() == remembered.keys():
        return {}
    whole, kept = sum(coming.values()), sum(remembered.values())
    fair = whole / len(coming)

    def abundance(number: int) -> float:
        old, comes = number in remembered, coming.get(number, 0)
        fresh = min(comes, fair) if old else fair
        return log(fresh / whole + old / len(remembered)) + EXAMPLES * log(fresh + old * kept / len(remembered))

    found = {number: abundance(number) for number in sorted({*coming, *remembered})}
    most = max(found.values())
    return {number: most - value for number, value in found.items()}
