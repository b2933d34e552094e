"""What is kept of a column: enough to compare with, and no more however many rows there were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from onward.core import content_hash

from ._tables import Table

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

POINTS: Final = 512
CATEGORIES: Final = 1000
LONGEST: Final = 200


@dataclass(frozen=True, slots=True, eq=False)
class NumberSummary:
    """Quantiles of numeric columns, and how many values are below and up to each of them.

    The counts are exact, also where a value occurs often. Figures that look at these points only (Kolmogorov-Smirnov,
    bins) are therefore exact there; with more than `POINTS` rows they leave out what happens between two points.

    Args:
        names: of the columns.
        rows: (columns,) int64: values present.
        missing: (columns,) int64: values missing.
        quantiles: (columns, POINTS) float64, ascending: the values at the shares (k + 1/2) / POINTS.
        below: (columns, POINTS) uint32: values below each of them.
        upto: (columns, POINTS) uint32: values below or equal.
    """

    names: tuple[str, ...]
    rows: NDArray[np.int64]
    missing: NDArray[np.int64]
    quantiles: NDArray[np.float64]
    below: NDArray[np.uint32]
    upto: NDArray[np.uint32]

    def of(self, names: Sequence[str]) -> NumberSummary:
        """Of these columns only, in this order."""
        if tuple(names) == self.names:
            return self
        at = [self.names.index(name) for name in names]
        rows, missing = self.rows[at], self.missing[at]
        return NumberSummary(tuple(names), rows, missing, self.quantiles[at], self.below[at], self.upto[at])


@dataclass(frozen=True, slots=True)
class CategorySummary:
    """The most frequent categories of a column, and how often each occurred; the rest as one."""

    name: str
    categories: tuple[str, ...]
    counts: tuple[int, ...]
    other: int
    missing: int

    @property
    def rows(self) -> int:
        """Values present."""
        return sum(self.counts) + self.other


def summarise_numbers(table: Table) -> NumberSummary:
    """Sort every numeric column once, and keep `POINTS` of its values."""
    import numpy as np

    ordered = np.sort(table.numbers, axis=1)
    missing = np.isnan(table.numbers).sum(axis=1)
    rows = table.rows - missing
    found = quantiles(ordered, rows)
    below, upto = counts_at(ordered, rows, found)
    return NumberSummary(
        table.numeric,
        rows.astype(np.int64),
        missing.astype(np.int64),
        found,
        below.astype(np.uint32),
        upto.astype(np.uint32),
    )


def quantiles(ordered: NDArray[np.float64], rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Of sorted columns, missing values last: the values at the shares (k + 1/2) / POINTS, (columns, POINTS)."""
    import numpy as np

    shares = (np.arange(POINTS) + 0.5) / POINTS
    places = np.maximum(np.ceil(shares * rows[:, None]).astype(np.int64) - 1, 0)
    taken: NDArray[np.float64] = np.take_along_axis(ordered, places, axis=1)
    return taken


def counts_at(
    ordered: NDArray[np.float64], rows: NDArray[np.int64], points: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many of a sorted column's values are below each of its points, and how many below or equal."""
    import numpy as np

    below, upto = np.empty(points.shape, np.int64), np.empty(points.shape, np.int64)
    for i, count in enumerate(rows):
        below[i] = np.searchsorted(ordered[i, :count], points[i], side="left")
        upto[i] = np.searchsorted(ordered[i, :count], points[i], side="right")
    return below, upto


def summarise_categories(name: str, values: list[str | None]) -> CategorySummary:
    """Count the categories of a column; beyond the `CATEGORIES` most frequent they are one."""
    counted = Counter(values)
    missing = counted.pop(None, 0)
    ranked = sorted(((shortened(value), count) for value, count in counted.items() if value is not None), key=_rank)
    kept = ranked[:CATEGORIES]
    other = sum(count for _, count in ranked[CATEGORIES:])
    return CategorySummary(name, tuple(v for v, _ in kept), tuple(count for _, count in kept), other, missing)


def _rank(counted: tuple[str, int]) -> tuple[int, str]:
    return -counted[1], counted[0]


def shortened(value: str) -> str:
    """The category as it is kept: a long text by its hash, so that no reference grows with it."""
    return value if len(value) <= LONGEST else f"sha256:{content_hash(value)}"


def count_categories(summary: CategorySummary, values: list[str | None]) -> tuple[list[int], list[int], int]:
    """Counts before and now by category, the reference's first; and how many are missing now.

    Categories that the reference has not seen have a cell each: one for all of them, empty before by its very choice,
    would be an alarm wherever there are rare ones. A reference that does not list all it saw has one for the rest.
    """
    counted = Counter(values)
    missing = counted.pop(None, 0)
    now = Counter({shortened(value): count for value, count in counted.items() if value is not None})
    listed = [now.pop(category, 0) for category in summary.categories]
    if summary.other:
        return [*summary.counts, summary.other], [*listed, now.total()], missing
    return [*summary.counts, *[0] * len(now)], [*listed, *now.values()], missing
