"""Two models side by side on the same examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from onward.core import InvalidInput

from ._outcomes import JUDGED, Judged, Outcomes, pooled

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """Candidate and champion, scored on the same n examples."""

    candidate: Outcomes
    champion: Outcomes

    @property
    def name(self) -> str:
        return self.candidate.name

    @property
    def new(self) -> bool:
        return self.candidate.new

    @property
    def count(self) -> int:
        return len(self.candidate.scores)

    @property
    def heads(self) -> tuple[Judged, ...]:
        """The heads present, if there are several; one head alone is the whole score."""
        heads = tuple(head for head in JUDGED if head in self.candidate.heads)
        return heads if len(heads) > 1 else ()

    @property
    def gains(self) -> NDArray[np.float64]:
        """(n,) score of the candidate less that of the champion, -1..1."""
        return self.candidate.scores - self.champion.scores


def side_by_side(candidate: Sequence[Outcomes], champion: Sequence[Outcomes]) -> list[Pair]:
    """The outcomes of two models on the same sets, in pairs.

    Raises:
        InvalidInput: they were not scored on the same examples in the same order.
    """
    if [_identity(one) for one in candidate] != [_identity(one) for one in champion]:
        raise InvalidInput(
            "Candidate and champion were not scored on the same examples.",
            why="A fair comparison needs the same sets, in the same order, sampled in the same way.",
            mend="Score both models on one list of evaluation sets.",
        )
    return [Pair(one, other) for one, other in zip(candidate, champion, strict=True)]


def joined(pairs: Sequence[Pair], name: str) -> Pair:
    """Several pairs as one."""
    return Pair(pooled([pair.candidate for pair in pairs], name), pooled([pair.champion for pair in pairs], name))


def grouped(pairs: Sequence[Pair], min_set: int) -> list[Pair]:
    """Neighbours as one, each of `min_set` examples or more; see `neighbours`."""
    return [_as_one(group) for group in neighbours(pairs, lambda pair: pair.count, min_set)]


def neighbours(sets: Sequence[T], size: Callable[[T], int], min_set: int) -> list[list[T]]:
    """Neighbours, in order, put together until a group has `min_set` examples; what is left over joins the last group.

    Groups depend on nothing but the sizes of the sets before them, so adding a set changes the last group at most.

    >>> neighbours([30, 40, 60, 10], int, 60)
    [[30, 40], [60, 10]]
    """
    groups: list[list[T]] = [[]]
    for one in sets:
        if sum(map(size, groups[-1])) >= min_set:
            groups.append([])
        groups[-1].append(one)
    if len(groups) > 1 and sum(map(size, groups[-1])) < min_set:
        groups[-2:] = [groups[-2] + groups[-1]]
    return [group for group in groups if group]


def _as_one(group: Sequence[Pair]) -> Pair:
    return group[0] if len(group) == 1 else joined(group, f"{group[0].name}..{group[-1].name}")


def _identity(outcomes: Outcomes) -> tuple[str, bool, tuple[str, ...], tuple[tuple[Judged, int], ...]]:
    heads = tuple((head, len(found.right)) for head, found in outcomes.heads.items())
    return outcomes.name, outcomes.new, outcomes.examples, heads
