"""What an agent is examined on, and the best that it was there."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from ._experience import Experience, some_of, staying


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Examples held out of a task for good.

    Args:
        asked: they were never learned from.
        best: (n,) their outcomes under that learner, of all that were taken into service, whose mean was highest; of
            several alike the first one's.

    >>> held = HeldOut(Experience(torch.zeros(2, 1), torch.tensor([0, 1])), torch.tensor([1.0, 0.0]))
    >>> held.after(torch.tensor([0.0, 1.0])) is held, held.after(torch.ones(2)).best.tolist()
    (True, [1.0, 1.0])
    """

    asked: Experience
    best: Tensor

    def after(self, outcomes: Tensor, *, anew: bool = False) -> HeldOut:
        """The same once a learner with these outcomes is in service.

        Args:
            anew: they are the best from now on, even where they were better before.
        """
        return replace(self, best=outcomes) if anew or bool(outcomes.mean() > self.best.mean()) else self

    def without(self, keys: Collection[str]) -> HeldOut | None:
        """What is left without the examples of these keys; `None` where nothing is."""
        one = self.asked
        left = staying(one, keys)
        if len(left) == len(one):
            return self
        return HeldOut(some_of(one, left), self.best[left]) if left else None

    def told(self) -> dict[str, Any]:
        """The same as a dict of tensors and JSON."""
        one = self.asked
        keys = None if one.keys is None else list(one.keys)
        return {"x": one.x, "y": one.y, "task": one.task, "name": one.name, "keys": keys, "best": self.best}


def held_again(told: Mapping[str, Any], device: torch.device) -> HeldOut:
    """The way back from `HeldOut.told`.

    Args:
        device: that the examples go to.
    """
    x, y = told["x"].to(device), told["y"].to(device)
    return HeldOut(Experience(x, y, told["task"], told["name"], told["keys"]), told["best"])
