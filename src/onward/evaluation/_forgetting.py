"""What a candidate has lost of older work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ._outcomes import Outcomes
from ._pairs import Pair, grouped, side_by_side
from ._significance import least_chance, sign_flip

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OVERALL = "overall"


@dataclass(frozen=True, slots=True)
class Loss:
    """What one head ("overall": all of them) lost on one older set, or on neighbouring ones judged together.

    Args:
        name: the set's name, or "first..last" of neighbours.
        count: examples.
        before: mean score of the champion, 0..1.
        after: mean score of the candidate, 0..1.
        most: the loss if every example on which the two differ were a loss, 0..1.
        chance: of losing so much or more if either model were as likely to be ahead wherever they differ.
        least: the smallest chance possible, given where they differ.
    """

    name: str
    head: str
    count: int
    before: float
    after: float
    most: float
    chance: float
    least: float

    @property
    def lost(self) -> float:
        """Loss in mean score, -1..1; negative where the candidate is ahead."""
        return self.before - self.after


def forgetting(candidate: Sequence[Outcomes], champion: Sequence[Outcomes], *, min_set: int = 1) -> tuple[Loss, ...]:
    """Champion less candidate on every older set, over all heads and, where there are several, per head.

    The measure is that of Chaudhry et al. (2018, arXiv:1801.10112), held against the champion instead of against the
    best of all earlier models.

    Args:
        candidate: outcomes, oldest set first; new sets are left out.
        champion: its outcomes on the same sets.
        min_set: sets with fewer examples are judged together with their neighbours.

    Raises:
        InvalidInput: the two were not scored on the same examples.
    """
    older = [pair for pair in side_by_side(candidate, champion) if not pair.new and pair.count]
    return tuple(loss for group in grouped(older, min_set) for loss in _losses(group))


def _losses(group: Pair) -> Iterator[Loss]:
    yield _loss(group.name, OVERALL, group.candidate.scores, group.champion.scores)
    for head in group.heads:
        yield _loss(group.name, head, group.candidate.heads[head].right, group.champion.heads[head].right)


def _loss(name: str, head: str, after: NDArray[np.float64], before: NDArray[np.float64]) -> Loss:
    losses = before - after
    return Loss(
        name=name,
        head=head,
        count=len(losses),
        before=float(before.mean()),
        after=float(after.mean()),
        most=float(abs(losses).mean()),
        chance=sign_flip(losses),
        least=least_chance(losses),
    )
