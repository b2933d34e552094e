"""Policies that ask the network what an example is worth, when an experience is over."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import torch
from torch import Tensor

from onward.core import InvalidInput

from ._merit import View, entropies, errors, gradient_norms, herding, margins
from ._policy import By, Choice, Ledger, Moment, Offer, Policy, check_by, lowest


@runtime_checkable
class Scored(Policy, Protocol):
    """A policy that asks for merits, and says how to find them."""

    def merits(self, view: View, count: int) -> Tensor:
        """(n,) how much each is worth keeping, from 0 on; a buffer has room for `count`."""
        ...


@dataclass(frozen=True, slots=True)
class GradientMagnitude:
    """What would change the network most: the norm of each example's own gradient.

    Args:
        measure: "gradient": of the last linear layer's gradient; "error": of the error alone (EL2N), for any network.
        by: "class" or "task": the buffer is divided between those met so far.
        drawn: whether examples are drawn with chances in proportion to their merit (Efraimidis and Spirakis 2006);
            otherwise the highest stay, which are also the mislabelled and the odd ones.

    Raises:
        InvalidInput: a name is unknown.

    >>> GradientMagnitude(measure="error").by
    'class'
    """

    measure: Literal["gradient", "error"] = "gradient"
    by: By = "class"
    drawn: bool = True
    moment: Moment = field(default="experience", init=False, repr=False)
    scored: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        check_by(self.by)
        _check_measure(self.measure, ("gradient", "error"))

    def merits(self, view: View, count: int) -> Tensor:  # noqa: ARG002
        return gradient_norms(view) if self.measure == "gradient" else errors(view)

    def choose(self, ledger: Ledger, offer: Offer, generator: torch.Generator) -> Choice:
        return _best(ledger, offer, generator if self.drawn else None)


@dataclass(frozen=True, slots=True)
class Uncertainty:
    """What the network is least sure of.

    Args:
        measure: "entropy" of the predicted classes, or "margin" between the likeliest two.
        by, drawn: as in `GradientMagnitude`.

    Raises:
        InvalidInput: a name is unknown.

    >>> Uncertainty("margin").measure
    'margin'
    """

    measure: Literal["entropy", "margin"] = "entropy"
    by: By = "class"
    drawn: bool = True
    moment: Moment = field(default="experience", init=False, repr=False)
    scored: bool = field(default=True, init=False, repr=False)

    def __post_init__(self) -> None:
        check_by(self.by)
        _check_measure(self.measure, ("entropy", "margin"))

    def merits(self, view: View, count: int) -> Tensor:  # noqa: ARG002
        return entropies(view) if self.measure == "entropy" else margins(view)

    def choose(self, ledger: Ledger, offer: Offer, generator: torch.Generator) -> Choice:
        return _best(ledger, offer, generator if self.drawn else None)


@dataclass(frozen=True, slots=True)
class Herding:
    """What together has the mean of its class's features (iCaRL: Rebuffi et al. 2017, arXiv:1611.07725).

    The buffer is divided between the classes met so far; as more come, each keeps the first in the order of herding.

    >>> Herding().by
    'class'
    """

    by: By = field(default="class", init=False, repr=False)
    moment: Moment = field(default="experience", init=False, repr=False)
    scored: bool = field(default=True, init=False, repr=False)

    def merits(self, view: View, count: int) -> Tensor:
        return (count - herding(view, count)).double()

    def choose(self, ledger: Ledger, offer: Offer, generator: torch.Generator) -> Choice:  # noqa: ARG002
        return _best(ledger, offer, None)


def _best(ledger: Ledger, offer: Offer, generator: torch.Generator | None) -> Choice:
    """Keep the highest merits; or draw by them: the lowest of exponential numbers whose rates they are."""
    merit = offer.merit
    if merit is None or not bool(merit.isfinite().all()):
        raise InvalidInput(
            "The merits of these examples are no finite numbers.", why="The network diverged.", mend="Lower the rate."
        )
    if generator is None:
        return lowest(ledger, offer, -merit)
    drawn = torch.empty_like(merit).exponential_(generator=generator)
    return lowest(ledger, offer, drawn / merit.clamp(min=torch.finfo(torch.float32).tiny))


def _check_measure(measure: str, known: tuple[str, str]) -> None:
    if measure not in known:
        raise InvalidInput(f"No measure is called {measure!r}.", mend="Choose one.", options=known)
