"""Almost no inner loop: only the head learns in it."""

from __future__ import annotations

from typing import Any

from ._maml import MAML


def ANIL(head: str, **settings: Any) -> MAML:  # noqa: N802 - it is the algorithm's name
    """ANIL (Raghu, Raghu, Bengio and Vinyals 2020, arXiv:1909.09157): MAML whose inner loop moves only the head.

    The body runs once per task, however many inner steps there are.

    Args:
        head: a regular expression that the names of the head's parameters match, e.g. "^head".
        settings: of `MAML`.

    >>> ANIL("^2[.]", inner_steps=10).adapt
    '^2[.]'
    """
    return MAML(adapt=head, **settings)
