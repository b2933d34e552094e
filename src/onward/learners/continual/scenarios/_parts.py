"""Rows to learn from and rows held out."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.continual._checks import is_classes
from onward.learners.continual._experience import Experience
from onward.learners.neural import inputs_of, whole
from onward.learners.neural import share as check_share

Rows = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """All that a stream is made of.

    Args:
        x: (n, ...) examples.
        y: (n,) class numbers, or (n, ...) real targets.
        keys: one of each example, or `None`.
        labels: what each class is called.
    """

    x: Tensor
    y: Tensor
    keys: Sequence[str | None] | None = None
    labels: tuple[Hashable, ...] = ()

    def experience(self, rows: Rows, task: int, name: str, y: Tensor | None = None) -> Experience:
        """Some of them.

        Args:
            y: (n,) other targets for all of them.
        """
        at = torch.from_numpy(rows).to(self.x.device)
        keys = None if self.keys is None else [self.keys[row] for row in rows.tolist()]
        return Experience(self.x[at], (self.y if y is None else y)[at], task, name, keys)


def targets_of(y: Any) -> Tensor:
    """(n, ...) real targets as a tensor of torch's default dtype.

    Raises:
        InvalidInput: they are not finite.
    """
    targets = inputs_of(y)
    return targets.to(torch.get_default_dtype())


def is_real(y: Any) -> bool:
    """Whether targets are real numbers rather than classes."""
    return y.is_floating_point() if isinstance(y, Tensor) else np.asarray(y).dtype.kind == "f"


def part(y: Tensor, rows: Rows, share: float, random: np.random.Generator) -> tuple[Rows, Rows]:
    """Rows that stay and rows held out, both in order: about a share of each class, at least one of any that has two.

    Args:
        y: targets of all examples; those that are not one class each are of one kind.
        share: to hold out, 0..1.
    """
    classes = y.cpu().numpy()[rows] if is_classes(y) else np.zeros(len(rows), np.int64)
    held = np.zeros(len(rows), bool)
    for one in np.unique(classes) if share else ():
        mine = random.permutation(np.flatnonzero(classes == one))
        count = min(max(1, round(share * len(mine))), len(mine) - 1)
        held[mine[:count]] = True
    return rows[~held], rows[held]


def held_out(experience: Experience, share: float = 0.2, seed: int = 0) -> tuple[Experience, Experience]:
    """What is left of an experience, and a share of it held out, of each class alike.

    Args:
        experience: at least two examples.
        share: 0..1; of a class with two examples or more at least one is held out and one stays.
        seed: of the choice.

    Raises:
        InvalidInput: the share or the seed is no such number, or nothing can be held out.

    >>> whole = Experience(torch.arange(10.0), torch.arange(10) % 2, name="day 1")
    >>> rest, held = held_out(whole, 0.2)
    >>> len(rest), len(held), held.classes, held.name
    (8, 2, (0, 1), 'day 1')
    """
    check_share(share=share)
    whole(0, seed=seed)
    rows = np.arange(len(experience))
    stay, out = part(experience.y, rows, share, np.random.default_rng([seed, 0]))
    if not len(out) or not len(stay):
        raise InvalidInput(
            f"Of {len(experience)} examples nothing can be held out.", mend="Give more, or a larger share."
        )
    data = Examples(experience.x, experience.y, experience.keys)
    rest, held = (data.experience(part, experience.task, experience.name) for part in (stay, out))
    return rest, held
