"""From rows in order to a stream."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from onward.core import InvalidInput
from onward.learners.continual._experience import Experience
from onward.learners.continual._heads import Kind
from onward.learners.neural import share as check_share
from onward.learners.neural import whole

from ._parts import Examples, Rows, part
from ._stream import Stream


@dataclass(frozen=True, slots=True)
class Holding:
    """What is held out of each experience.

    Args:
        test: share of its examples, 0..1; 0 where test examples are given.
        validation: share of the rest, 0..1.
        seed: of the choice, and of all else that is drawn.

    Raises:
        InvalidInput: one is out of its range.
    """

    test: float
    validation: float
    seed: int

    def __post_init__(self) -> None:
        check_share(test=self.test, validation=self.validation)
        whole(0, seed=self.seed)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """Examples cut into experiences.

    Args:
        data: all of them.
        rows: of each experience.
    """

    data: Examples
    rows: Sequence[Rows]


def build(cut: Cut, names: Sequence[str], kind: Kind, outputs: int, holding: Holding, test: Cut | None) -> Stream:
    """A stream of the experiences, of which tests are held out unless they are given.

    Raises:
        InvalidInput: an experience would have nothing to learn, or nothing to be tested on.
    """
    random = np.random.default_rng([holding.seed, 1])
    y = cut.data.y
    share = 0.0 if test else holding.test
    rest, held = zip(*(part(y, rows, share, random) for rows in cut.rows), strict=True)
    train, validation = zip(*(part(y, rows, holding.validation, random) for rows in rest), strict=True)
    tested = test or Cut(cut.data, held)
    _check(names, train, tested.rows, validation if holding.validation else train)
    return Stream(
        _experiences(Cut(cut.data, train), names),
        _experiences(tested, names),
        kind,
        outputs,
        _experiences(Cut(cut.data, validation), names) if holding.validation else (),
        cut.data.labels,
    )


def _experiences(cut: Cut, names: Sequence[str]) -> tuple[Experience, ...]:
    return tuple(
        cut.data.experience(rows, task, name) for task, (rows, name) in enumerate(zip(cut.rows, names, strict=True))
    )


def _check(names: Sequence[str], train: Sequence[Rows], test: Sequence[Rows], validation: Sequence[Rows]) -> None:
    for name, *parts in zip(names, train, test, validation, strict=True):
        for rows, use in zip(parts, ("learn", "test on", "validate on"), strict=True):
            if not len(rows):
                raise InvalidInput(
                    f"Experience {name!r} has no examples to {use}.",
                    mend="Give it more examples, make fewer experiences, or change the shares.",
                )
