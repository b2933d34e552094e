"""Policies by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from onward.core import InvalidInput

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
