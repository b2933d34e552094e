"""Prototypical networks: a class is the mean of its embedded examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Final, Literal

import torch
from torch import Tensor

from onward.core import InvalidInput
from onward.learners.meta.engine import Params
from onward.learners.neural import above, plain_numbers

from ._metric import answers, compared, cosines, kept, only_known, prototypes
from ._stacked import nothing_more, of_its_own

DISTANCES: Final = ("euclidean", "cosine")


@dataclass(frozen=True, slots=True)
class Prototypical:
    """Prototypical networks (Snell, Swersky and Zemel 2017, arXiv:1703.05175).

    The network embeds; a query's score of a class is minus its distance from the mean of the class's support examples.
    Batch norms see support and query set of a task together, in training and after it.

    Args:
        distance: "euclidean", squared, as the paper has it; or "cosine": the score is then the cosine itself.
        scale: of the scores, above 0.

    Raises:
        InvalidInput: a value is out of its range.

    >>> Prototypical().distance
    'euclidean'
    """

    embeds: ClassVar = True
    optimizer: ClassVar = "adam"
    outer_rate: ClassVar = 1e-3
    distance: Literal["euclidean", "cosine"] = "euclidean"
    scale: float = 1.0

    def __post_init__(self) -> None:
        above(scale=self.scale)
        if self.distance not in DISTANCES:
            raise InvalidInput(f"distance is {self.distance!r}.", mend="Choose one.", options=DISTANCES)
        plain_numbers(self)

    start = nothing_more
    like = of_its_own
    meta_gradient = compared
    adapt_tasks = kept
    outputs = answers

    def scores(self, own: Params, support: Tensor, marks: Tensor, query: Tensor) -> Tensor:  # noqa: ARG002
        centres = prototypes(support, marks)
        found = cosines(query, centres) if self.distance == "cosine" else _closeness(query, centres)
        return only_known(found * self.scale, marks)


def _closeness(query: Tensor, centres: Tensor) -> Tensor:
    """(T, Q, ways) minus squared distances, without a (T, Q, ways, d) difference.

    Both are first moved to lie around 0, which changes no distance: less is lost where large squares cancel.
    """
    middle = centres.detach().mean(1, keepdim=True)
    query, centres = query - middle, centres - middle
    far = query.square().sum(-1, keepdim=True) + centres.square().sum(-1).unsqueeze(1)
    return torch.baddbmm(far, query, centres.transpose(1, 2), beta=-1, alpha=2)
