"""What is learned at a time."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.neural import whole


def check_order(keys: Any) -> None:
    """Refuse keys that do not lie in the order of the examples.

    Raises:
        InvalidInput: they are one text, a set, a mapping, or no collection.
    """
    if keys is None or (isinstance(keys, Collection) and not isinstance(keys, str | AbstractSet | Mapping)):
        return
    told = "one text" if isinstance(keys, str) else f"{keys!r}"
    raise InvalidInput(f"keys is {told}.", mend="Give a list with a text for each example, or None.")


@dataclass(frozen=True, slots=True, eq=False)
class Experience:
    """Examples that come together: a task, a day, a window of a stream.

    Args:
        x: (n, ...) examples as they are kept; the learner's `prepare` makes inputs of them.
        y: (n,) class numbers from 0, of any whole type, or (n, ...) real targets; on the device of `x`.
        task: number of the task that they belong to, from 0; where nobody tells tasks apart, 0.
        name: for people.
        keys: a text, or `None`, for each example by which it can be forgotten; or `None`.

    Raises:
        InvalidInput: they are no tensors, or their lengths or devices differ; or keys are no texts in order.

    >>> import torch
    >>> experience = Experience(torch.zeros(3, 2), torch.tensor([4, 1, 4]))
    >>> len(experience), experience.classes
    (3, (1, 4))
    """

    x: Tensor
    y: Tensor
    task: int = 0
    name: str = ""
    keys: Sequence[str | None] | None = None

    def __post_init__(self) -> None:
        given: tuple[Any, Any] = (self.x, self.y)
        if not all(isinstance(each, Tensor) and each.ndim for each in given):
            raise InvalidInput("An experience wants tensors x (n, ...) and y (n, ...).", mend="Use torch.as_tensor.")
        named: Any = self.keys
        check_order(named)
        keys: Sequence[object] = () if self.keys is None else self.keys
        for key in keys:
            if not isinstance(key, str | None):
                raise InvalidInput(
                    f"{key!r} is no key of an example.",
                    why="It is by its key that an example is forgotten, and keys are texts.",
                    mend="Give a text for each, e.g. str(number), or None.",
                )
        counts = {len(self.x), len(self.y), len(self.x) if self.keys is None else len(self.keys)}
        if len(counts) > 1:
            raise InvalidInput(
                f"{len(self.x)} examples, {len(self.y)} targets"
                + ("." if self.keys is None else f", {len(self.keys)} keys."),
                mend="Give one target, and one key or none, for each example.",
            )
        if not self.y.is_floating_point():
            object.__setattr__(self, "y", self.y.long())
        if self.x.device != self.y.device:
            raise InvalidInput(f"x is on {self.x.device}, y on {self.y.device}.", mend="Move both to one device.")
        whole(0, task=self.task)
        object.__setattr__(self, "task", int(self.task))
        if self.keys is not None:
            object.__setattr__(self, "keys", tuple(np.asarray(named, dtype=object).tolist()))
        for name in ("x", "y"):  # who made them is not trained here
            object.__setattr__(self, name, getattr(self, name).detach())

    def __len__(self) -> int:
        return len(self.x)

    @property
    def classes(self) -> tuple[int, ...]:
        """The class numbers in it, sorted; none of real targets."""
        return () if self.y.is_floating_point() or self.y.ndim > 1 else tuple(self.y.unique().tolist())


def staying(experience: Experience, keys: Collection[str]) -> list[int]:
    """The rows of its examples that have none of these keys."""
    return [at for at, key in enumerate(experience.keys or [None] * len(experience)) if key not in keys]


def some_of(experience: Experience, rows: Sequence[int]) -> Experience:
    """The examples of these rows, as a copy."""
    at = torch.tensor(rows, dtype=torch.long, device=experience.x.device)
    keys = None if experience.keys is None else [experience.keys[row] for row in rows]
    return replace(experience, x=experience.x[at], y=experience.y[at], keys=keys)
