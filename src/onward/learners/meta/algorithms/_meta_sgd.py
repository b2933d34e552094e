"""Inner learning rates that are learned, one for every parameter."""

from __future__ import annotations

from typing import Any

from ._maml import MAML


def MetaSGD(inner_steps: int = 1, inner_rate: float = 0.01, **settings: Any) -> MAML:  # noqa: N802 - the algorithm's name
    """Meta-SGD (Li, Zhou, Chen and Li 2017, arXiv:1707.09835): MAML that learns direction and size of its inner steps.

    Args:
        inner_steps: the paper's is one.
        inner_rate: where every rate begins.
        settings: of `MAML`.

    >>> MetaSGD().rates
    'per_parameter'
    """
    return MAML(inner_steps=inner_steps, inner_rate=inner_rate, rates="per_parameter", **settings)
