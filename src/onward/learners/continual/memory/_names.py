"""Policies by name, and buffers from the little that a method is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch

from onward.core import InvalidInput

from ._buffer import Buffer
from ._importance import GradientMagnitude, Herding, Uncertainty
from ._policy import ClassBalanced, Policy, Random, Reservoir, Ring

POLICIES: Final[dict[str, Callable[[], Policy]]] = {
    "reservoir": Reservoir,
    "class_balanced": ClassBalanced,
    "ring": Ring,
    "random": Random,
    "gradient_magnitude": GradientMagnitude,
    "uncertainty": Uncertainty,
    "herding": Herding,
}


def policy_of(named: str | Policy) -> Policy:
    """A policy by its name.

    Raises:
        InvalidInput: there is none of that name.

    >>> policy_of("ring")
    Ring(by='class', each=None)
    """
    if not isinstance(named, str):
        return named
    if named not in POLICIES:
        raise InvalidInput(f"No policy of a memory is called {named!r}.", mend="Name one.", options=POLICIES)
    return POLICIES[named]()


def buffer_of(
    memory: int | Buffer, policy: str | Policy = "reservoir", device: torch.device | str | None = None
) -> Buffer:
    """An empty buffer: of so many examples under a policy, or like another buffer, whose own policy then counts.

    Raises:
        InvalidInput: a setting cannot be used.
        Unavailable: its folder cannot be written.

    >>> buffer_of(20, "ring"), buffer_of(Buffer(20))
    (Buffer(20, Ring(by='class', each=None)), Buffer(20, Reservoir()))
    """
    if isinstance(memory, Buffer):
        return memory.anew(device)
    return Buffer(memory, policy_of(policy), device=device)
