"""What algorithms do alike: hand meta-parameters to every task, ask learned tasks. Some are methods of theirs."""

from __future__ import annotations

import torch
from torch import Tensor

from onward.learners.meta.engine import Params

from ._algorithm import Adapted, Setting


def spread(meta: Params, tasks: int) -> Params:
    """(1, ...) meta-parameters -> (T, ...) without a copy: every task's the same."""
    return {name: value.expand(tasks, *value.shape[1:]) for name, value in meta.items()}


def nothing_more(algorithm: object, params: Params) -> Params:  # noqa: ARG001
    """`start` of an algorithm that only has the network's parameters."""
    return {}


def of_its_own(algorithm: object, name: str) -> None:
    """`like` of an algorithm whose further meta-parameters have shapes of their own."""


def asked(algorithm: object, setting: Setting, adapted: Adapted, x: Tensor) -> Tensor:  # noqa: ARG001
    """(T, n, ...) outputs of the network at the learned parameters."""
    few = torch.tensor([x.shape[1] < enough for enough in adapted.enough], device=x.device)
    if adapted.beside is None or not few.any():
        return _said(setting, adapted.params, x)
    beside = _said(setting, adapted.params, torch.cat([adapted.beside, x], 1))[:, -x.shape[1] :]
    if few.all():
        return beside
    return beside.where(few.view(-1, *[1] * (beside.ndim - 1)), _said(setting, adapted.params, x))


def _said(setting: Setting, params: Params, x: Tensor) -> Tensor:
    engine = setting.engine
    return engine.outputs(engine.prepare(params, x, engine.names, setting.chance), params)
