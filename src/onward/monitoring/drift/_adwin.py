"""ADWIN of our own: whole batches of a stream at once, the same answers as item by item. README.md has the reasons."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

from onward.core import InvalidInput

from ._bound import NEAR, cuts, evidence, halved, logarithm
from ._stream_values import finite

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEVELS: Final = 48
SHARE: Final = math.log(2) / 2  # a level has delta / sqrt(2) of the one before: most false alarms come from far cuts
FEWEST: Final = 16  # blocks looked at in one go, doubled while nothing drifts
MOST: Final = 1024


class Adwin:
    """ADWIN (Bifet and Gavalda 2007): a window that shrinks when its older part differs from the newer.

    The window is cut after every `block` items, at places that lie the further apart the older they are; where the
    means on the two sides of a cut differ by more than chance allows, the older side is dropped, and that is drift.
    Not safe for several threads at once.

    Args:
        delta: 0..1; the smaller, the fewer false alarms, and the later the true ones. Cuts that are far back have a
            smaller share of it.
        block: items between two looks, a power of two. Drift is told at the last item of a block.

    Raises:
        InvalidInput: delta or block are out of range.

    >>> import numpy as np
    >>> adwin = Adwin()
    >>> adwin.update_many(np.repeat([0.1, 0.9], 1000)).tolist()
    [1007]
    >>> round(adwin.mean, 1)
    0.9
    """

    def __init__(self, delta: float = 0.008, block: int = 16) -> None:
        if not 0 < delta < 1:
            raise InvalidInput(f"delta is {delta}.", mend="Give a number between 0 and 1.")
        if block < 2 or block & (block - 1) or block > 4096:
            raise InvalidInput(f"block is {block}.", mend="Give a power of two, 2 to 4096.")
        self.delta, self.block = delta, block
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        import numpy as np

        self._pending: list[float] = []
        self._detected = False
        self._shift: float | None = None  # the first value: sums of what is near zero are more exact
        self._blocks = 0  # complete ones; the window starts after the first `_start`
        self._start = 0
        self._total, self._squares = 0.0, 0.0  # over all blocks since the last drift
        self._from = (0.0, 0.0)  # the same at the start of the window
        self._sums = np.zeros((LEVELS, NEAR + 1))  # at the last multiples of 1, 2, 4, .. blocks, newest last
        self._powers = np.zeros((LEVELS, NEAR + 1))

    @property
    def drift_detected(self) -> bool:
        """Whether the last item made drift certain."""
        return self._detected

    @property
    def width(self) -> int:
        """Items in the window."""
        return (self._blocks - self._start) * self.block + len(self._pending)

    @property
    def mean(self) -> float:
        """Mean of the window; NaN while it is empty."""
        if not self.width or self._shift is None:
            return math.nan
        pending = sum(value - self._shift for value in self._pending)
        return self._shift + (self._total - self._from[0] + pending) / self.width

    def update(self, value: float) -> bool:
        """Take one item; True where it makes drift certain.

        Raises:
            InvalidInput: it is not a finite number; nothing has changed.
        """
        number = value if type(value) is float else finite([value]).item()
        if not math.isfinite(number):
            finite([number])
        if len(self._pending) + 1 < self.block:
            if self._shift is None:
                self._shift = number
            self._pending.append(number)
            self._detected = False
            return False
        return len(self.update_many([number])) > 0

    def update_many(self, values: Iterable[float]) -> NDArray[np.intp]:
        """Take items, oldest first; the places (from 0) at which drift was certain.

        Raises:
            InvalidInput: they are not finite numbers in one dimension; nothing has changed.
        """
        import numpy as np

        items = finite(values)
        if not len(items):
            return np.empty(0, np.intp)
        if self._shift is None:
            self._shift = float(items[0])
        held = len(self._pending)
        whole = (held + len(items)) // self.block * self.block
        if not whole:
            self._pending.extend(items.tolist())
            self._detected = False
            return np.empty(0, np.intp)
        joined = np.concatenate([self._pending, items[: whole - held]])
        self._pending = items[whole - held :].tolist()
        ends = self._take(joined.reshape(-1, self.block) - self._shift)
        places = (np.array(ends, dtype=np.intp) + 1) * self.block - held - 1
        self._detected = bool(len(places)) and int(places[-1]) == len(items) - 1
        return places

    def _take(self, blocks: Floats) -> list[int]:
        """Look at complete blocks, (blocks, items); those at whose end drift was certain."""
        sums, squares = halved(blocks), halved(blocks**2)
        found, at, length = [], 0, FEWEST
        while at < len(sums):
            length = min(length, len(sums) - at)
            drift = self._look(sums[at : at + length], squares[at : at + length])
            if drift is None:
                at, length = at + length, min(2 * length, MOST)
            else:
                found.append(at + drift)
                at, length = at + drift + 1, FEWEST
        return found

    def _look(self, sums: Floats, squares: Floats) -> int | None:
        """Add blocks up to the first at whose end the window shrinks; which one, or None."""
        import numpy as np

        totals = np.cumsum(np.concatenate([[self._total], sums]))
        powers = np.cumsum(np.concatenate([[self._squares], squares]))
        levels = self._joined(self._sums, totals)
        first = self._first_cut(levels, totals, powers)
        taken = len(sums) if first is None else first + 1
        self._keep(levels, self._joined(self._powers, powers), taken)
        self._blocks += taken
        self._total, self._squares = float(totals[taken]), float(powers[taken])
        if first is not None:
            self._shrink()
        return first

    def _joined(self, held: Floats, running: Floats) -> list[Floats]:
        """Of each level: the held totals and those of the new blocks, at multiples of 1, 2, 4, .. blocks."""
        import numpy as np

        end = self._blocks + len(running) - 1
        levels = []
        for level in range(max(end.bit_length(), 1)):
            behind = ((self._blocks >> level) + 1 << level) - self._blocks
            levels.append(np.concatenate([held[level], running[behind :: 1 << level]]))
        return levels

    def _keep(self, sums: list[Floats], powers: list[Floats], taken: int) -> None:
        end = self._blocks + taken
        for level in range(len(sums)):
            upto = NEAR + 1 + (end >> level) - (self._blocks >> level)
            self._sums[level] = sums[level][upto - NEAR - 1 : upto]
            self._powers[level] = powers[level][upto - NEAR - 1 : upto]

    def _first_cut(self, levels: list[Floats], totals: Floats, powers: Floats) -> int | None:
        """The first new block at whose end some cut separates two different means; all ends and cuts at once."""
        import numpy as np

        end = self._blocks + len(totals) - 1
        level, back = cuts(len(levels))
        within = ((end >> level) - back << level) > self._start
        level, back = level[within], back[within]
        if not len(level):
            return None
        offsets = np.cumsum([0, *map(len, levels)])[level] + NEAR - (self._blocks >> level)
        held = np.concatenate(levels) - self._from[0]
        ends = np.arange(self._blocks + 1, end + 1)[:, None]
        place = (ends >> level) - back
        n0 = ((place << level) - self._start).astype(np.float64)
        width, total = (ends - self._start).astype(np.float64), (totals[1:] - self._from[0])[:, None]
        square = (powers[1:] - self._from[1])[:, None] / width
        spread = np.maximum(square - (total / width) ** 2 / self.block, 0.0) / self.block
        log = logarithm(width, self.block, self.delta) + SHARE * level
        found = evidence(held[place + offsets], n0, total, width, spread, self.block, log) > 1
        where = np.flatnonzero(found.any(axis=1))
        return int(where[0]) if len(where) else None

    def _shrink(self) -> None:
        """Drop what is before the cut with the strongest evidence, again and again until no cut has enough.

        The paper drops bucket after bucket from the oldest on until the evidence is no longer enough. What is left then
        holds some of the old, and is found to have drifted once more.
        """
        import numpy as np

        places, sums, powers, levels = self._cuts()
        while True:
            width, total = np.float64(self._blocks - self._start), self._total - self._from[0]
            mean = total / width
            square = (self._squares - self._from[1]) / width
            spread = np.maximum(square - mean**2 / self.block, 0.0) / self.block
            log = logarithm(width, self.block, self.delta) + SHARE * levels
            n0 = (places - self._start).astype(np.float64)
            found = evidence(sums - self._from[0], n0, total, width, spread, self.block, log)
            best = int(found.argmax())
            if found[best] <= 1:
                break
            self._start, self._from = int(places[best]), (float(sums[best]), float(powers[best]))
        self._rebase()

    def _cuts(self) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
        """The places of all cuts of the window, oldest first, with the sums up to each, and their levels."""
        import numpy as np

        level, back = cuts(max(self._blocks.bit_length(), 1))
        place = ((self._blocks >> level) - back) << level
        place, first = np.unique(place, return_index=True)
        first = first[place > self._start]
        level, back = level[first], back[first]
        place = place[place > self._start]
        return place, self._sums[level, NEAR - back], self._powers[level, NEAR - back], level.astype(np.float64)

    def _rebase(self) -> None:
        """Count the sums from the start of the window, so that they do not grow for ever."""
        self._total, self._squares = self._total - self._from[0], self._squares - self._from[1]
        self._sums -= self._from[0]
        self._powers -= self._from[1]
        self._from = (0.0, 0.0)

    def state_dict(self) -> dict[str, Any]:
        """All that it knows, as JSON takes it: numbers, lists and strings."""
        return {
            "delta": self.delta,
            "block": self.block,
            "pending": [*self._pending],
            "detected": self._detected,
            "shift": self._shift,
            "blocks": self._blocks,
            "start": self._start,
            "total": [self._total, self._squares],
            "sums": self._sums.tolist(),
            "powers": self._powers.tolist(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from a state that `state_dict` gave.

        Raises:
            InvalidInput: it is none; nothing has changed.
        """
        import numpy as np

        try:
            other = Adwin(float(state["delta"]), int(state["block"]))
            other._pending = finite(state["pending"]).tolist()
            other._detected, other._shift = bool(state["detected"]), state["shift"]
            other._blocks, other._start = int(state["blocks"]), int(state["start"])
            other._total, other._squares = map(float, state["total"])
            other._sums = np.array(state["sums"], dtype=np.float64).reshape(LEVELS, NEAR + 1)
            other._powers = np.array(state["powers"], dtype=np.float64).reshape(LEVELS, NEAR + 1)
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInput("This is no state of an ADWIN.", why=f"{error}.") from error
        self.__dict__.update(other.__dict__)
