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
    """Lowers the scores of remembered classes in training, by how far new ones come before them.

    In a step, a class that is new comes more often than one that is remembered, and mostly as more different examples:
    by `lead`, the logarithm of how much more often, with a part of that of how many more. That much is taken from the
    scores of the remembered classes before a loss of theirs; they predict without. This is logit adjustment (Menon et
    al. 2021, arXiv:2007.07314; balanced softmax, Ren et al. 2020, arXiv:2007.10740) with two groups in place of single
    classes: how often a class comes within its group is left as it is. The replay is taken
    to count as much as the batch.

    Where no class is new or none is remembered, where new ones come less, in the scenario "task", which tells the
    classes of one task apart, and with real targets, nothing changes.

    Args:
        strength: factor of what is taken, 0 or more.
        buffer: the memory.
    """

    def __init__(self, strength: float, course: Course, buffer: Buffer) -> None:
        self._strength, self._course, self._buffer = float(strength), course, buffer
        self._old: list[int] = []
        self._lead = 0.0
        self._taken: Tensor | None = None

    def begin(self, experience: Experience) -> None:
        """Look which of its classes are new, and by how much they lead."""
        self._old, self._lead, self._taken = [], 0.0, None
        y = experience.y
        if not self._strength or self._course.heads.kind == "task" or y.is_floating_point() or y.ndim > 1:
            return
        old = self._buffer.counts()
        numbers, counts = y.unique(return_counts=True)
        new = [count for number, count in zip(numbers.tolist(), counts.tolist(), strict=True) if number not in old]
        if old and new:
            self._old, self._lead = list(old), max(0.0, lead(len(y), sum(new), len(new), len(self._buffer), len(old)))

    def adjusted(self, scores: Tensor) -> Tensor:
        """(n, C) scores as a loss is to be given them."""
        if not self._lead:
            return scores
        if self._taken is None or self._taken.dtype != scores.dtype or self._taken.device != scores.device:
            taken = torch.zeros(scores.shape[1], dtype=scores.dtype)
            taken[[number for number in self._old if number < len(taken)]] = self._strength * self._lead
            self._taken = taken.to(scores.device)
        return scores - self._taken

    def state(self) -> dict[str, Any]:
        """What it takes to go on within an experience."""
        return {"old": list(self._old), "lead": self._lead}

    def restore(self, state: Mapping[str, Any]) -> None:
        """The way back."""
        self._old, self._lead, self._taken = list(state["old"]), state["lead"], None


def lead(examples: int, fresh: int, new: int, remembered: int, old: int) -> float:
    """How far new classes come before old ones, in a step whose replay counts as much as its batch.

    Args:
        examples: of the experience.
        fresh: those of them that are of new classes.
        new: such classes, at least 1.
        remembered: examples, at least 1.
        old: classes of theirs.

    >>> round(lead(examples=400, fresh=400, new=2, remembered=100, old=4), 3)
    1.317
    """
    again = examples - fresh
    often = (fresh / examples / new) / ((again / examples + 1) / old)
    many = (fresh / new) / ((again + remembered) / old)
    return log(often) + EXAMPLES * log(many)
