"""MAML with its stabilisers."""

from __future__ import annotations

from typing import Any

from ._maml import MAML


def MAMLPlusPlus(  # noqa: N802 - the algorithm's name
    inner_steps: int = 5,
    inner_rate: float = 0.1,
    *,
    multi_step: int = 5000,
    first_order_until: int = 0,
    norms: str | None = None,
    **settings: Any,
) -> MAML:
    """MAML++ (Antoniou, Edwards and Storkey 2019, arXiv:1810.09502).

    Multi-step loss, learned rates per layer and step, derivative-order annealing, norms of their own for every step.
    Its cosine outer rate is a setting of the learner (`outer_schedule`).

    Args:
        inner_steps: as in `MAML`.
        inner_rate: where every rate begins.
        multi_step: meta-training steps until only the last inner step counts; the paper's 10 epochs are 5,000.
        first_order_until: meta-training steps without second derivatives; the paper's 50 epochs are 25,000.
        norms: a regular expression that the names of the norms' parameters match; `None`: they are as the others.
        settings: of `MAML`.

    >>> MAMLPlusPlus().multi_step
    5000
    """
    return MAML(
        inner_steps=inner_steps,
        inner_rate=inner_rate,
        rates="per_step",
        multi_step=multi_step,
        first_order_until=first_order_until,
        per_step_norm=norms,
        **settings,
    )
