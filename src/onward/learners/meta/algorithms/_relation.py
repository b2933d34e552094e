"""Relation networks: the distance itself is learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from torch import Tensor

from onward.learners.meta.engine import Params, loss_of
from onward.learners.meta.tasks import TaskBatch
from onward.learners.neural import plain_numbers, whole

from ._algorithm import MetaGradient, Setting
from ._metric import answers, check_width, compared, kept, only_known, prototypes, uniform
from ._stacked import of_its_own

OWN = "relation:"


@dataclass(frozen=True, slots=True)
class Relation:
    """Relation networks (Sung et al. 2018, arXiv:1711.06025), on embeddings that are vectors.

    The network embeds; a small network of two layers says, 0..1, how much a query and the prototype of a class (the
    mean of its embedded support examples; the paper adds them up) belong together. It learns by the paper's mean
    squared error against 1 for the right class and 0 for the others, whatever the learner's loss is, which only judges.

    Args:
        features: numbers that the network gives for an example.
        hidden: width of the relation module.
        seed: of its first weights.

    Raises:
        InvalidInput: a value is out of its range.

    >>> sorted(Relation(features=3, hidden=2).start({"w": torch.zeros(1)}))
    ['relation:0.bias', 'relation:0.weight', 'relation:2.bias', 'relation:2.weight']
    """

    embeds: ClassVar = True
    optimizer: ClassVar = "adam"
    outer_rate: ClassVar = 1e-3
    features: int = 64
    hidden: int = 64
    seed: int = 0

    def __post_init__(self) -> None:
        whole(1, features=self.features, hidden=self.hidden)
        whole(None, seed=self.seed)
        plain_numbers(self)

    like = of_its_own
    adapt_tasks = kept
    outputs = answers

    def start(self, params: Params) -> Params:
        wide, narrow = 2 * self.features, self.hidden
        first = {f"{OWN}0.weight": (narrow, wide), f"{OWN}0.bias": (narrow,)}
        second = {f"{OWN}2.weight": (1, narrow), f"{OWN}2.bias": (1,)}
        return uniform(params, self.seed, first, wide) | uniform(params, self.seed + 1, second, narrow)

    def scores(self, own: Params, support: Tensor, marks: Tensor, query: Tensor) -> Tensor:
        check_width(query, self.features, "Relation")
        for_centre, for_query = own[f"{OWN}0.weight"].transpose(1, 2).split(self.features, 1)
        centres = torch.baddbmm(own[f"{OWN}0.bias"].unsqueeze(1), prototypes(support, marks), for_centre)
        hidden = (centres.unsqueeze(1) + torch.bmm(query, for_query).unsqueeze(2)).relu()
        weight = own[f"{OWN}2.weight"].transpose(1, 2)
        said = torch.baddbmm(own[f"{OWN}2.bias"].unsqueeze(1), hidden.flatten(1, 2), weight)
        return only_known(said.view(hidden.shape[:3]).sigmoid(), marks)

    def meta_gradient(self, setting: Setting, meta: Params, batch: TaskBatch) -> MetaGradient:
        return compared(self, setting, meta, batch, _squares)


def _squares(scores: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The mean over the classes that a task has: the others, which stacked tasks may have, score the least possible."""
    known = scores.ne(torch.finfo(scores.dtype).min)
    right = F.one_hot(y.long(), scores.shape[-1]).to(scores.dtype)
    losses, gradient, _ = loss_of("mse").value(scores.where(known, right), right)
    share = known.flatten(1).to(scores.dtype).mean(1)
    return losses / share, gradient / share.view(-1, 1, 1)
