"""When two means differ by more than chance: ADWIN's bound, for many cuts at once."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NEAR: Final = 8  # cuts are 1 to 8 blocks from the end; beyond, 4 to 8 units of 2, 4, 8, .. blocks
FIRST: Final = 4


@cache
def cuts(levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of all cuts on so many levels: the level k, and how many units of 2^k blocks each is from the end."""
    import numpy as np

    every = [(level, back) for level in range(levels) for back in range(FIRST if level else 1, NEAR + 1)]
    level, back = np.array(every, np.int64).T.copy()
    return level, back


def evidence(older: Floats, n0: Floats, total: Any, width: Any, spread: Any, block: int, log: Floats) -> Floats:
    """How far apart the means on the two sides of each cut are, in units of the paper's bound: above 1 is drift.

    Args:
        older: sums of the items before the cuts.
        n0: blocks before the cuts; where it is not above 0, there is no such cut.
        total: sum of the window's items; one for all cuts, or one for each.
        width: blocks in the window, likewise.
        spread: variance of its items, likewise.
        block: items in a block.
        log: ln(2 / delta') for each cut; see `logarithm`.
    """
    import numpy as np

    inside = n0 > 0
    n0 = np.where(inside, n0, 1.0)
    n1 = np.maximum(width - n0, 1.0)
    apart = abs(older / n0 - (total - older) / n1) / block
    inverse = width / (n0 * n1) * (log / block)
    bound = np.sqrt(2 * inverse * spread) + inverse * (2 / 3)
    found: Floats = np.where(inside, apart / bound, 0.0)
    return found


def logarithm(width: Any, block: int, delta: float) -> Any:
    """ln(2 ln(n) / delta) of windows of so many blocks: the looks at one window share delta."""
    import numpy as np

    return np.log(2 * np.log(np.maximum(width * block, 3.0)) / delta)


def halved(blocks: Floats) -> Floats:
    """Sums of the rows by halving, always in the same order: the answers do not depend on how a stream is cut up."""
    while blocks.shape[1] > 1:
        half = blocks.shape[1] // 2
        blocks = blocks[:, :half] + blocks[:, half:]
    return blocks[:, 0]
