"""Old and new classes alike, though the old ones come seldom and as few examples: logit adjustment."""

from __future__ import annotations

from math import log
from typing import Final

import torch
from torch import Tensor

from onward.learners.continual._experience import Experience
from onward.learners.continual.memory import Buffer

EXAMPLES: Final = 0.3
"""The part that the number of a class's different examples has: few are known by heart, and would lose to the rest."""


class Adjustment:
    """What is added to the scores before a loss of theirs, so that no class wins for how often it is trained on.

    Each of the classes of an experience comes more often than each that is remembered, and mostly as more different
    examples. In training, the logarithm of how often is added to the scores, with a part of that of how many; they
    predict without it. This is logit adjustment (Menon et al. 2021, arXiv:2007.07314; balanced softmax, Ren et al.
    2020, arXiv:2007.10740), with groups of classes, those of the experience and those remembered, in place of single
    ones: how often one comes within its group is left as it is.

    Args:
        strength: factor of what is added, 0 or more.
        buffer: the memory.
    """

    def __init__(self, strength: float, buffer: Buffer) -> None:
        self._strength, self._buffer = strength, buffer
        self._new: tuple[Experience | None, tuple[int, ...]] = (None, ())
        self._of: tuple[Experience, int, int] | None = None
        self._prior: Tensor | None = None

    def adjusted(self, experience: Experience, scores: Tensor) -> Tensor:
        """(n, C) scores as a loss is to be given them, while the experience is learned."""
        if not self._strength:
            return scores
        of = (experience, self._buffer.seen, len(self._buffer))
        if self._of != of:
            self._of, self._prior = of, self._found(experience, scores)
        return scores if self._prior is None else scores + self._prior

    def _found(self, experience: Experience, scores: Tensor) -> Tensor | None:
        """(C,) 0 for the classes that come the most, and for those that never came; `None` where all come alike."""
        new = self._classes(experience)
        old = tuple(self._buffer.counts()) if new else ()
        groups = [(new, len(experience)), (old, len(self._buffer))]
        logs = {number: _abundance(number, groups) for number in (*new, *old)}
        if len(set(logs.values())) < 2:
            return None
        prior, most = torch.zeros(scores.shape[1], dtype=scores.dtype), max(logs.values())
        for number, value in logs.items():
            prior[number] = self._strength * (value - most)
        return prior.to(scores.device)

    def _classes(self, experience: Experience) -> tuple[int, ...]:
        """Those of the experience, found once: it takes a pass over it, and a memory may change in every step."""
        if self._new[0] is not experience:
            self._new = experience, experience.classes
        return self._new[1]


def _abundance(number: int, groups: list[tuple[tuple[int, ...], int]]) -> float:
    """Logarithm of how often a class comes, with a part of that of its examples; as on average in its groups."""
    mine = [(len(classes), count) for classes, count in groups if number in classes]
    return log(sum(1 / kinds for kinds, _ in mine)) + EXAMPLES * log(sum(count / kinds for kinds, count in mine))
