"""Corrections for asking of many columns at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from onward.core import InvalidInput

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CORRECTIONS: Final = ("bh", "holm", "none")


def corrected(chances: NDArray[np.float64], correction: str) -> NDArray[np.float64]:
    """The p-values, adjusted so that each may be held against the level.

    Args:
        chances: (tests,) 0..1.
        correction: "bh" bounds the expected share of false alarms among the alarms (Benjamini and Hochberg 1995),
            "holm" the chance of any false alarm (Holm 1979), "none" neither.

    Raises:
        InvalidInput: another correction.
    """
    import numpy as np

    if correction not in CORRECTIONS:
        raise InvalidInput(f"There is no correction {correction!r}.", options=CORRECTIONS)
    if correction == "none":
        return chances
    order, count = np.argsort(chances, kind="stable"), len(chances)
    ranks = np.arange(1, count + 1)
    if correction == "holm":
        adjusted = np.maximum.accumulate(chances[order] * (count + 1 - ranks))
    else:
        adjusted = np.minimum.accumulate((chances[order] * count / ranks)[::-1])[::-1]
    result = np.empty_like(chances)
    result[order] = np.minimum(adjusted, 1.0)
    return result
