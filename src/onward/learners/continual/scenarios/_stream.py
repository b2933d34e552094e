"""A stream: experiences to learn in order, and what each is tested on."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._heads import KINDS, Kind


@dataclass(frozen=True, slots=True, eq=False)
class Stream:
    """Experiences in order, each with the test set of its own.

    Args:
        train: what is learned, one after the other.
        test: as many; what shows whether each is still known.
        kind: the scenario for the learner: "task", "domain" or "class", see `Heads`.
        outputs: how many a network needs.
        validation: as many as `train`, or none; for choosing settings without a look at `test`.
        labels: what class 0, 1, ... is called; none of real targets, or where a number means another class in each
            experience.

    Raises:
        InvalidInput: there are no experiences, or not as many of each; or the kind is none.

    >>> import torch
    >>> one = Experience(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]), name="first")
    >>> stream = Stream([one], [one], "class", outputs=2)
    >>> len(stream), stream.names, stream.regression
    (1, ('first',), False)
    """

    train: Sequence[Experience]
    test: Sequence[Experience]
    kind: Kind
    outputs: int
    validation: Sequence[Experience] = ()
    labels: tuple[Hashable, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InvalidInput(f"No scenario is called {self.kind!r}.", mend="Choose one.", options=KINDS)
        counts = (len(self.train), len(self.test), len(self.validation) or len(self.train))
        if len(set(counts)) > 1 or not counts[0]:
            raise InvalidInput(
                f"There are {counts[0]} experiences to learn, {counts[1]} to test, {len(self.validation)} to validate.",
                mend="Give one test set, and one validation set or none, for each experience.",
            )
        if self.outputs < 1:
            raise InvalidInput(f"outputs is {self.outputs!r}.", mend="Give a whole number from 1 on.")

    def __len__(self) -> int:
        return len(self.train)

    def __iter__(self) -> Iterator[Experience]:
        return iter(self.train)

    @property
    def names(self) -> tuple[str, ...]:
        """What each experience is called; its number where it has no name."""
        return tuple(one.name or str(at) for at, one in enumerate(self.test))

    @property
    def regression(self) -> bool:
        """Whether targets are real."""
        return self.test[0].y.is_floating_point()


class Made(Sequence[Experience]):
    """Experiences that are made each time they are asked for, so that only one is in memory.

    Args:
        count: how many.
        make: number from 0 -> experience; the same each time.

    >>> import torch
    >>> made = Made(3, lambda number: Experience(torch.full((1, 1), number), torch.zeros(1)))
    >>> [int(one.x) for one in made], int(made[-1].x), len(made[1:])
    ([0, 1, 2], 2, 2)
    """

    def __init__(self, count: int, make: Callable[[int], Experience]) -> None:
        self._count, self._make = count, make

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, at: int) -> Experience: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Experience]: ...
    def __getitem__(self, at: int | slice) -> Experience | Sequence[Experience]:
        if isinstance(at, slice):
            chosen = range(self._count)[at]
            return Made(len(chosen), lambda number: self._make(chosen[number]))
        return self._make(range(self._count)[at])
