"""Ourselves: `MetaLearner.meta_gradient` over all the tasks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from benchmarks.meta_peers import Gradient, in_torch
from benchmarks.meta_peers.work import Data, Work
from onward.learners.meta import MAML, MetaLearner, Prototypical, TaskBatch


def learner(work: Work, data: Data, **settings: Any) -> MetaLearner:
    """`settings`: more of those of `MetaLearner`."""
    loss = "mse" if work.regression else "cross_entropy"
    return MetaLearner(in_torch.network(work, data), algorithm(work), loss=loss, **settings)


def algorithm(work: Work) -> Any:
    if work.network == "embedding":
        return Prototypical()
    return MAML(work.inner_steps, work.inner_rate, first_order=work.first_order)


def prepare(work: Work, data: Data, **settings: Any) -> Gradient:
    learns = learner(work, data, **settings)
    support_x, support_y, query_x, query_y = in_torch.tasks(data)
    batch = TaskBatch(support_x, support_y, query_x, query_y)

    def gradient(count: int) -> Mapping[str, Tensor]:
        return learns.meta_gradient(batch[:count])

    return gradient
