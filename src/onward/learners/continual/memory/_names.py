"""Policies by name, and buffers from the little that a method is told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import torch
from torch import Tensor, nn

from onward.core import InvalidInput

from ._buffer import Buffer
from ._importance import GradientMagnitude, Herding, Scored, Uncertainty
from ._merit import view_of
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
    """A policy by its name, or the policy itself.

    Raises:
        InvalidInput: there is none of that name; or it is no policy, or a class that was not called.

    >>> policy_of("ring")
    Ring(by='class', each=None)
    """
    if not isinstance(named, str):
        if isinstance(named, type) or not all(hasattr(named, part) for part in ("moment", "by", "scored", "choose")):
            raise InvalidInput(
                f"{named!r} is no policy of a memory.", mend="Name one, or give one, e.g. Ring().", options=POLICIES
            )
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


def merits_for(
    buffer: Buffer,
    network: nn.Module,
    scores: Callable[[Tensor], Tensor],
    x: Tensor,
    y: Tensor,
    held: Tensor | None = None,
    **extra: Tensor,
) -> Tensor | None:
    """(n,) what examples are worth to the policy of a buffer; `None` where it does not ask.

    Args:
        scores: (n, ...) examples -> (n, C), by way of `network`, without gradients.
        held: what is kept in the place of x, and `extra`, further columns: how many rows some bytes are depends on it.

    Raises:
        InvalidInput: the network, or targets of this kind, give it nothing to look at; or no example has room.

    >>> merits_for(Buffer(3), nn.Linear(2, 2), nn.Linear(2, 2), torch.zeros(1, 2), torch.zeros(1))
    """
    if not isinstance(buffer.policy, Scored):
        return None
    room = buffer.room(x if held is None else held, y, **extra)
    return buffer.policy.merits(view_of(network, scores, x, y), room)
